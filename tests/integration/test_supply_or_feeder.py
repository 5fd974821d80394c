"""A disturbance of a whole bus is one matter of the supply; the same at one motor is that motor's feeder."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics import ConditionService, LivePlant
from analytics.behaviour import learn_machine
from historian import (
    READING,
    Connection,
    Database,
    PartitionKeeper,
    ensure_tenant,
    list_findings,
    list_fleet,
    load_directory,
    load_machines,
    register_machines,
    store_model,
    store_readings,
)
from plant import MICROSECONDS, template_library, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, labelled_plan, on_bus
from simulators.history import signal_ids, to_batch

pytestmark = [pytest.mark.integration]

START = datetime(2026, 3, 2, tzinfo=UTC)
ONSET = START + timedelta(days=2, seconds=90)
SHARED, ALONE, PHASE, HOMELESS = "MCC-mixing", "P002", "P008", "P013"


def _plan() -> PlantPlan:
    """Forty motors on four buses: one bus disturbed, and three motors for themselves, one of which has no bus."""
    plan = labelled_plan(40, 21, START, 10, {}, share=0)
    specs = tuple(
        replace(
            spec,
            machine=f"P{number:03d}",
            nameplate={**spec.nameplate, "duty": "continuous"} | ({"bus": ""} if f"P{number:03d}" == HOMELESS else {}),
        )
        for number, spec in enumerate(plan.specs, 1)
    )
    faults = on_bus(specs, SHARED, "voltage_unbalance", ONSET)
    faults += tuple(
        InjectedFault(specs[0].site, machine, mode, ONSET)
        for machine, mode in ((ALONE, "voltage_unbalance"), (PHASE, "phase_loss"), (HOMELESS, "voltage_unbalance"))
    )
    return replace(plan, specs=specs, faults=faults, outages=())


async def _put_on_line(connection: Connection, plan: PlantPlan) -> int:
    """Motors that were learnt for two days, and their readings around the onset; the tenant."""
    tenant = await ensure_tenant(connection, "t", "t")
    await register_machines(connection, tenant, plan.specs)
    simulation = PlantSimulation(plan)
    minutes = simulation.advance(to_microseconds(START + timedelta(days=2)), 60)
    template = template_library()["motor"]
    columns = {spec.machine: column for column, spec in enumerate(plan.specs)}
    for machine in await load_machines(connection):
        signals = {key: values[:, columns[machine.code]] for key, values in minutes.signals.items()}
        model = learn_machine(template, machine.nameplate, signals)
        await store_model(connection, machine.id, tenant, START, START + timedelta(days=2), model.to_bytes())
    live = simulation.advance(to_microseconds(ONSET) + 200 * MICROSECONDS, 1)
    batch = to_batch(live, signal_ids(simulation, await load_directory(connection, tenant)))
    await PartitionKeeper().ensure(connection, READING, int(np.min(batch.times)), int(np.max(batch.times)))
    async with connection.transaction():
        await store_readings(connection, batch)
    return tenant


async def test_peers_tell_the_supply_from_a_feeder(database: Database) -> None:
    plan = _plan()
    clock = to_microseconds(ONSET)
    service = ConditionService(database, LivePlant(lambda: 1), lambda: clock)
    async with database.connection() as connection:
        tenant = await _put_on_line(connection, plan)
        for seconds in (30, 36, 42, 54, 60):
            clock = to_microseconds(ONSET) + seconds * MICROSECONDS
            await service.tick(connection)
    async with database.tenant(tenant) as connection:
        findings = {finding.machine: finding for finding in await list_findings(connection)}
        grouped = await list_findings(connection, grouped=True)
        fleet = await list_fleet(connection)

    shared = {spec.machine for spec in plan.specs if spec.nameplate["bus"] == SHARED}
    assert findings.keys() == shared | {ALONE, PHASE, HOMELESS}
    lead = min((findings[machine] for machine in shared), key=lambda finding: finding.id)
    for machine in shared:
        finding = findings[machine]
        assert (finding.failure_mode, finding.origin, finding.bus) == ("voltage_unbalance", "bus", SHARED)
        assert finding.part_of == (None if finding.id == lead.id else lead.id)
        assert finding.evidence[0]["text_en"].startswith(f"Peers on bus {SHARED}: 9 of 9 show the same")
    assert {finding.machine for finding in grouped} == {lead.machine, ALONE, PHASE, HOMELESS}
    assert sum(row.part_of == lead.id for row in fleet) == len(shared) - 1
    for machine, mode in ((ALONE, "voltage_unbalance"), (PHASE, "phase_loss")):
        finding = findings[machine]
        assert (finding.failure_mode, finding.origin, finding.part_of) == (mode, "feeder", None)
        assert "0 of 9 show the same" in finding.evidence[0]["text_en"]
    assert findings[HOMELESS].origin == "unknown"
    assert findings[HOMELESS].bus is None
    assert findings[HOMELESS].evidence[0]["text_en"].startswith("Cannot tell supply from feeder")

    async with database.connection() as connection:
        # The motor that stands for the bus is switched off, or mended: another one takes its place.
        await connection.execute("update finding set closed_at = now() where id = $1", lead.id)
        clock = to_microseconds(ONSET) + 130 * MICROSECONDS
        again = ConditionService(database, LivePlant(lambda: 1), lambda: clock)
        for seconds in (130, 142):
            clock = to_microseconds(ONSET) + seconds * MICROSECONDS
            await again.tick(connection)
    async with database.tenant(tenant) as connection:
        rest = [row for row in await list_findings(connection, is_open=True) if row.bus == SHARED]
    oldest = min(row.id for row in rest)
    assert {row.part_of for row in rest if row.id != oldest} == {oldest}
