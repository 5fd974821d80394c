"""Energy of an hour from its minutes, by each way of measuring it, and pieces as people report them."""

import math
from datetime import UTC, datetime, timedelta

import pytest

from historian import (
    Connection,
    Database,
    KpiAsk,
    Production,
    add_production,
    ensure_tenant,
    load_energy_peers,
    load_kpi_sums,
    refresh_energy,
    register_machines,
)
from historian.partitions import READING_1MIN, PartitionKeeper
from plant import MachineSpec, to_microseconds

pytestmark = pytest.mark.integration

HOUR = datetime(2026, 3, 2, 8, tzinfo=UTC)
MINUTE = """
insert into reading_1min (bucket, signal_id, average, minimum, maximum, count, last)
select $1, id, $4, $4, $4, 60, $4 from signal where machine_id = $2 and key = $3
"""


async def _minutes(connection: Connection, machine: int, count: int, **values: float) -> None:
    for number in range(count):
        for key, value in values.items():
            await connection.execute(MINUTE, HOUR + timedelta(minutes=number), machine, key, value)


async def test_power_by_each_way_and_nothing_for_minutes_without(database: Database) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        specs = [
            MachineSpec("s", "l", code, code, "motor", nameplate={"rated_power": 20.0, "rated_power_factor": 0.8})
            for code in ("power", "factor", "assumed", "dark")
        ]
        await register_machines(connection, tenant, specs)
        ids = {row["code"]: row["id"] for row in await connection.fetch("select id, code from machine")}
        await PartitionKeeper().ensure(connection, READING_1MIN, to_microseconds(HOUR), to_microseconds(HOUR) + 1)
        await _minutes(connection, ids["power"], 45, power=10.0, current_u=99.0)
        electric = {"current_u": 18.0, "current_v": 20.0, "current_w": 22.0, "voltage_uv": 400.0}
        await _minutes(connection, ids["factor"], 60, power_factor=0.9, **electric)
        await _minutes(connection, ids["assumed"], 60, **electric)
        for _ in range(2):  # computed anew: the same
            await refresh_energy(connection, [HOUR])
    async with database.tenant(tenant) as connection:
        peers = {
            peer.machine: peer for peer in await load_energy_peers(connection, "motor", HOUR, HOUR.replace(hour=9))
        }
        rows = await load_kpi_sums(connection, [(HOUR, HOUR.replace(hour=9))], KpiAsk("machine"))
    # 10 kW in 45 minutes.
    assert (peers["power"].kwh, peers["power"].hours, peers["power"].basis) == (7.5, 0.75, ("power",))
    # sqrt(3) x 400 V x 20 A x 0.9, and with the 0.8 of the nameplate where none is measured.
    assert peers["factor"].kwh == pytest.approx(math.sqrt(3) * 400 * 20 * 0.9 / 1000)
    assert peers["assumed"].kwh == pytest.approx(math.sqrt(3) * 400 * 20 * 0.8 / 1000)
    assert peers["assumed"].basis == ("assumed_power_factor",)
    assert "dark" not in peers
    sums = {row.key: row.sums for row in rows}
    assert (sums["power"].kwh, sums["power"].energy_s, sums["power"].rated_kwh) == (7.5, 2700, 15)
    assert sums["dark"].energy_s == 0


async def test_a_meter_is_believed_until_it_counts_backwards(database: Database) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        await register_machines(
            connection, tenant, [MachineSpec("s", "l", code, code, "motor") for code in ("up", "back")]
        )
        ids = {row["code"]: row["id"] for row in await connection.fetch("select id, code from machine")}
        await PartitionKeeper().ensure(connection, READING_1MIN, to_microseconds(HOUR), to_microseconds(HOUR) + 1)
        for code, counts in (("up", (100.0, 101.5, 104.0)), ("back", (100.0, 3.0, 5.0))):
            await connection.execute(
                "insert into signal (tenant_id, machine_id, key, unit) values ($1, $2, 'energy', 'kW.h')",
                tenant,
                ids[code],
            )
            await _minutes(connection, ids[code], 3, power=30.0)
            for number, count in enumerate(counts):
                await connection.execute(MINUTE, HOUR + timedelta(minutes=number), ids[code], "energy", count)
        await refresh_energy(connection, [HOUR])
    async with database.tenant(tenant) as connection:
        found = await load_energy_peers(connection, "motor", HOUR, HOUR.replace(hour=9))
    peers = {peer.machine: (peer.kwh, peer.hours, peer.basis) for peer in found}
    assert peers["up"] == (4.0, 0.05, ("meter",))
    # 30 kW in three minutes.
    assert peers["back"] == (1.5, 0.05, ("power",))


async def test_pieces_are_reported_and_corrected(database: Database) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        await register_machines(connection, tenant, [MachineSpec("s", "l", "P1", "Press", "motor")])
        machine = await connection.fetchval("select id from machine")
    async with database.tenant(tenant) as connection:
        end = HOUR + timedelta(hours=8)
        for good in (280.0, 285.0):
            assert await add_production(connection, Production(machine, HOUR, end, 300, good, 60))
        assert not await add_production(connection, Production(machine + 1, HOUR, end, 1, 1, 1))
        (row,) = await load_kpi_sums(connection, [(HOUR, end)], KpiAsk())
    assert (row.sums.pieces, row.sums.good, row.sums.ideal_s, row.sums.counted_s) == (300, 285, 18000, 28800)
