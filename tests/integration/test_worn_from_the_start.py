"""A motor that was worn when it was put on line: its own model knows it no other way, its peers do."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analytics import LivePlant, PeerService
from historian import (
    READING_1MIN,
    Connection,
    Database,
    Machine,
    NewFinding,
    PartitionKeeper,
    ensure_tenant,
    list_findings,
    load_machines,
    open_finding,
    register_machines,
)
from plant import MICROSECONDS, to_microseconds
from simulators import PlantPlan, PlantSimulation, labelled_plan, worn_from_the_start

pytestmark = [pytest.mark.integration]

START = datetime(2026, 3, 2, tzinfo=UTC)
DAYS = 2
# A pump, a crane that never runs for a whole hour, and a pump of which a finding is open already.
WORN, CRANE, KNOWN = "P003", "H016", "P005"
ORDER = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, finding_id, verdict)
values ($1, $2, 'condition_based', 'done', 'looked at', $3, $3, $4, 'nothing_found')
"""


def _plan() -> PlantPlan:
    """Twelve pumps and nine cranes of one size."""
    plan = labelled_plan(21, 31, START, 10, {}, share=0)
    alike = plan.specs[0].nameplate
    specs = tuple(
        replace(
            spec,
            machine=f"{'P' if number <= 12 else 'H'}{number:03d}",
            nameplate={**alike, "duty": "continuous" if number <= 12 else "intermittent"},
        )
        for number, spec in enumerate(plan.specs, 1)
    )
    by_code = {spec.machine: spec for spec in specs}
    faults = tuple(worn_from_the_start(by_code[code], "bearing_wear_de", START) for code in (WORN, CRANE, KNOWN))
    return replace(plan, specs=specs, faults=faults, outages=())


async def _history(connection: Connection, machines: Sequence[Machine], plan: PlantPlan) -> None:
    """Hours of all machines, and minutes of the cranes."""
    minutes = PlantSimulation(plan).advance(to_microseconds(START + timedelta(days=DAYS)), 60)
    columns = {spec.machine: column for column, spec in enumerate(plan.specs)}
    first, last = int(minutes.times[0]), int(minutes.times[-1])
    await PartitionKeeper().ensure(connection, READING_1MIN, first - 60 * MICROSECONDS, last)
    for table, width in (("reading_1h", 60), ("reading_1min", 1)):
        buckets = [START + timedelta(minutes=width * step) for step in range(len(minutes.times) // width)]
        rows = []
        for machine in machines:
            if width == 1 and machine.nameplate["duty"] != "intermittent":
                continue
            for key, signal in machine.signal_ids.items():
                values = minutes.signals[key][:, columns[machine.code]].reshape(-1, width)
                summed = zip(buckets, values.mean(axis=1), values.min(axis=1), values.max(axis=1), strict=True)
                rows += [(bucket, signal, mean, low, high, width, mean) for bucket, mean, low, high in summed]
        await connection.copy_records_to_table(
            table,
            records=rows,
            columns=["bucket", "signal_id", "average", "minimum", "maximum", "count", "last"],
        )


async def test_a_motor_worn_at_commissioning_stands_out_from_its_peers(database: Database) -> None:
    plan = _plan()
    clock = to_microseconds(START + timedelta(days=DAYS, hours=1))
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "t", "t")
        await register_machines(connection, tenant, plan.specs)
        # Somebody else's machines, all as they are, are nobody's peers here.
        other = await ensure_tenant(connection, "o", "o")
        await register_machines(connection, other, plan.specs[:12])
        machines = await load_machines(connection)
        mine = {machine.code: machine for machine in machines if machine.tenant_id == tenant}
        await open_finding(
            connection,
            NewFinding(tenant, mine[KNOWN].id, "bearing_wear_de", 0.9, "alarm", START, None, START, [], [], None),
        )

        service = PeerService(database, LivePlant(lambda: 1), lambda: clock)

        async def tick_at(days: float) -> None:
            nonlocal clock
            clock = to_microseconds(START + timedelta(days=days))
            for _ in range(10):
                await service.tick(connection)

        await tick_at(DAYS + 0.2)
        # The history comes late, from a gateway that was cut off; the days are looked at again on the next one.
        await _history(connection, machines, plan)
        await tick_at(DAYS + 0.3)
        assert await connection.fetchval("select count(*) from finding where failure_mode = 'unlike_peers'") == 0
        await tick_at(DAYS + 1.2)

    async with database.tenant(tenant) as connection:
        found = [row for row in await list_findings(connection) if row.failure_mode == "unlike_peers"]
    assert {row.machine for row in found} == {WORN, CRANE}
    for row in found:
        assert row.severity == "notice"
        assert {one["indicator"] for one in row.evidence} & {"bearing_difference", "vibration_velocity_de"}
        assert f"compared with {11 if row.machine == WORN else 8} machines of its type" in row.evidence[0]["text_en"]
        assert row.evidence[0]["value"] > row.evidence[0]["limit"]

    # A person looked at the pump and found nothing: it is not raised again, not even after a restart.
    answered = next(row for row in found if row.machine == WORN)
    async with database.connection() as connection:
        # Closed before the days that are compared: they count, and only the answer keeps it quiet.
        await connection.execute(ORDER, tenant, answered.machine_id, START - timedelta(days=1), answered.id)
        await tick_at(DAYS + 1.3)
        service = PeerService(database, LivePlant(lambda: 1), lambda: clock)
        await tick_at(DAYS + 1.4)
        await tick_at(DAYS + 1.5)
        still_open = await connection.fetch(
            "select machine.code, machine.tenant_id from finding join machine on machine.id = machine_id "
            "where failure_mode = 'unlike_peers' and closed_at is null order by 2, 1"
        )
        days = await connection.fetch("select day, count(*) from machine_day where hours > 0 group by 1")
    assert [row["code"] for row in still_open if row["tenant_id"] == tenant] == [CRANE]
    assert [row["code"] for row in still_open if row["tenant_id"] == other] == [WORN, KNOWN], "their own, unanswered"
    assert len(days) == DAYS
    assert {row["count"] for row in days} == {len(plan.specs) + 12}
