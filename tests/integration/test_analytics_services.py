"""The services of analytics on a plant that has just been put on line: readings, and not a minute of history."""

from pathlib import Path

import numpy as np
import pytest

from analytics import ConditionService, LivePlant, OperationService
from analytics.window import LiveReadings
from historian import (
    READING,
    Database,
    PartitionKeeper,
    ensure_tenant,
    list_fleet,
    load_directory,
    refresh_rollups,
    register_machines,
    store_readings,
)
from plant import MICROSECONDS, Batch, MachineSpec, to_datetime

pytestmark = [pytest.mark.integration]

NOW = 1_795_000_020 * MICROSECONDS


async def _filled(database: Database, machines: int, seconds: int) -> int:
    """Motors that have run for some seconds until now, all alike; the tenant."""
    async with database.connection() as connection:
        tenant_id = await ensure_tenant(connection, "t", "t")
        specs = [MachineSpec("s", "l", f"m{number}", f"m{number}", "motor") for number in range(machines)]
        await register_machines(connection, tenant_id, specs)
        entries = list(await load_directory(connection, tenant_id))
        values = {"current_u": 25.0, "current_v": 25.1, "current_w": 24.9, "winding_temperature": 80.0, "speed": 1470.0}
        values |= {"voltage_uv": 400.0, "voltage_vw": 400.5, "voltage_wu": 399.5}
        ids = np.asarray([entry.signal_ids[key] for entry in entries for key in values], np.int32)
        times = np.repeat(NOW - np.arange(seconds)[::-1] * MICROSECONDS, len(ids))
        noise = np.random.default_rng(1).normal(0, 0.05, len(times))
        batch = Batch(
            times,
            np.tile(ids, seconds),
            np.tile(list(values.values()), machines * seconds) + noise,
            np.zeros(len(times), np.int16),
        )
        await PartitionKeeper().ensure(connection, READING, int(times.min()), int(times.max()))
        async with connection.transaction():
            await store_readings(connection, batch)
    return tenant_id


@pytest.mark.parametrize("machines", [3, 60])
async def test_a_new_plant_is_followed_before_it_has_any_history(
    database: Database, tmp_path: Path, machines: int
) -> None:
    tenant_id = await _filled(database, machines, 30)
    plant = LivePlant(lambda: 1)
    conditions = ConditionService(database, plant, lambda: NOW)
    operation = OperationService(database, plant, lambda: NOW)
    async with database.connection() as connection:
        for _ in range(2):
            await conditions.tick(connection)
            await operation.tick(connection)
    async with database.tenant(tenant_id) as connection:
        fleet = await list_fleet(connection)
    assert [row.state for row in fleet] == ["running"] * machines
    assert all(row.judged_at == to_datetime(NOW) and row.health is None for row in fleet)


async def test_the_state_of_now_survives_a_window_that_is_old(database: Database, monkeypatch) -> None:
    """On a large plant the newest seconds are read less often than the states are shown."""
    tenant_id = await _filled(database, 3, 30)
    monkeypatch.setattr(LiveReadings, "_STALE_US", 3600 * MICROSECONDS)
    clock = NOW
    plant = LivePlant(lambda: 1)
    operation = OperationService(database, plant, lambda: clock)
    async with database.connection() as connection:
        await operation.tick(connection)
        plant.live._took_us = 1e12
        clock += 200 * MICROSECONDS
        await operation.tick(connection)
    async with database.tenant(tenant_id) as connection:
        assert [row.state for row in await list_fleet(connection)] == ["running"] * 3


async def test_states_of_many_machines_are_those_of_one(database: Database, tmp_path: Path) -> None:
    """Followed together or one by one, minutes become the same intervals."""
    seconds = 900
    await _filled(database, 60, seconds)
    plant = LivePlant(lambda: 1)
    clock = NOW - 600 * MICROSECONDS
    operation = OperationService(database, plant, lambda: clock)
    async with database.connection() as connection:
        await refresh_rollups(connection, to_datetime(clock))
        for _ in range(3):
            await operation.tick(connection)
        for _ in range(10):
            clock += 60 * MICROSECONDS
            await connection.execute(MARK_ALL)
            await refresh_rollups(connection, to_datetime(clock - 60 * MICROSECONDS))
            await operation.tick(connection)
        clock += 180 * MICROSECONDS
        await connection.execute(MARK_ALL)
        await refresh_rollups(connection, to_datetime(clock))
        for _ in range(3):
            await operation.tick(connection)
        rows = await connection.fetch(
            "select started_at, ended_at, state, count(*) as n from machine_state group by 1, 2, 3"
        )
    assert len(rows) == 1, rows
    assert (rows[0]["state"], rows[0]["n"]) == ("running", 60)
    assert (rows[0]["ended_at"] - rows[0]["started_at"]).total_seconds() >= seconds - 60


MARK_ALL = "insert into rollup_dirty (bucket) select distinct date_trunc('minute', time, 'UTC') from reading"
