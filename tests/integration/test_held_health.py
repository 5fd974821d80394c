"""A machine whose vibration sensors fall silent does not get well by it, nor by a restart of the service."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from analytics import ConditionService, LivePlant
from analytics.behaviour import learn_machine
from historian import (
    READING,
    READING_1MIN,
    Connection,
    Database,
    Machine,
    PartitionKeeper,
    ensure_tenant,
    list_findings,
    list_fleet,
    load_machines,
    register_machines,
    store_model,
    store_readings,
)
from plant import MICROSECONDS, Batch, template_library, to_datetime, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, Samples, labelled_plan

pytestmark = [pytest.mark.integration]

START = datetime(2026, 11, 1, tzinfo=UTC)
NOW = to_microseconds(START + timedelta(days=2, hours=10))
MINUTE = """
insert into reading_1min (signal_id, bucket, average, minimum, maximum, count, last) values ($1, $2, $3, $3, $3, 60, $3)
"""


async def _put(connection: Connection, machine: Machine, samples: Samples, keys: list[str]) -> None:
    count = len(samples.times)
    for key in keys:
        ids = np.full(count, machine.signal_ids[key], np.int32)
        batch = Batch(samples.times, ids, samples.signals[key][:, 0], np.zeros(count, np.int16))
        async with connection.transaction():
            await store_readings(connection, batch)


async def _shaking(connection: Connection) -> tuple[Machine, PlantSimulation, Samples]:
    """A motor, its foundation loose since it was learnt: its model, hours of minutes, the newest seconds."""
    tenant_id = await ensure_tenant(connection, "t", "t")
    (spec,) = labelled_plan(4, 77, START, 3, {}, 0.0).specs[:1]
    await register_machines(connection, tenant_id, [spec])
    (machine,) = await load_machines(connection)
    onset = START + timedelta(days=2, minutes=1)
    fault = InjectedFault(spec.site, spec.machine, "loose_foundation", onset)
    simulation = PlantSimulation(PlantPlan(5, START, timedelta(0), (spec,), (fault,)))
    minutes = simulation.advance(NOW - 60 * MICROSECONDS, 60)
    template = template_library()["motor"]
    baseline = {key: values[:2880, 0] for key, values in minutes.signals.items()}
    model = learn_machine(template, template.complete_nameplate(spec.nameplate), baseline)
    assert model is not None
    await store_model(connection, machine.id, tenant_id, START, START + timedelta(days=2), model.to_bytes())
    keeper = PartitionKeeper()
    await keeper.ensure(connection, READING_1MIN, NOW - 8 * 3600 * MICROSECONDS, NOW + 3600 * MICROSECONDS)
    await keeper.ensure(connection, READING, NOW - 600 * MICROSECONDS, NOW + 3600 * MICROSECONDS)
    rows = [
        (machine.signal_ids[key], to_datetime(int(time) - 60 * MICROSECONDS), float(value))
        for key, values in minutes.signals.items()
        for time, value in zip(minutes.times[-361:], values[-361:, 0], strict=True)
    ]
    await connection.executemany(MINUTE, rows)
    return machine, simulation, simulation.advance(NOW, 1)


async def _shown(database: Database, machine: Machine) -> tuple[Any, list[str]]:
    async with database.tenant(machine.tenant_id) as connection:
        (row,) = await list_fleet(connection)
        return row, [finding.failure_mode for finding in await list_findings(connection, is_open=True)]


async def test_silent_sensors_make_nobody_well(database: Database) -> None:
    clock = NOW

    def service() -> ConditionService:
        return ConditionService(database, LivePlant(lambda: 1), lambda: clock)

    conditions = service()
    async with database.connection() as connection:
        machine, simulation, samples = await _shaking(connection)
        everything = list(samples.signals)
        await _put(connection, machine, samples, everything)
        await conditions.tick(connection)
        clock += 6 * MICROSECONDS
        await _put(connection, machine, simulation.advance(clock, 1), everything)
        await conditions.tick(connection)
        seen, findings = await _shown(database, machine)
        assert findings == ["loose_foundation"]
        assert (seen.health < 70, seen.risk > 0.3, seen.held_since) == (True, True, None)

        silent = [key for key in everything if not key.startswith("vibration")]
        for restarted in (False, True):
            for _ in range(6):
                clock += 120 * MICROSECONDS
                samples = simulation.advance(clock, 1)
                await _put(connection, machine, samples, silent)
                await conditions.tick(connection)
            held, findings = await _shown(database, machine)
            assert findings == ["loose_foundation"], restarted
            assert held.health == pytest.approx(seen.health, abs=1)
            assert held.risk == pytest.approx(seen.risk, abs=0.01)
            assert held.held_since == to_datetime(NOW + 6 * MICROSECONDS)
            assert held.judged_at == to_datetime(clock)
            conditions = service()

        # Heard again, and tightened meanwhile: it counts at once.
        clock += 120 * MICROSECONDS
        well = simulation.advance(clock, 1)
        for key in everything:
            if key.startswith("vibration"):
                well.signals[key] /= 3.0
        await _put(connection, machine, well, everything)
        await conditions.tick(connection)
        mended, _ = await _shown(database, machine)
        assert mended.health > 90
        assert mended.held_since is None
