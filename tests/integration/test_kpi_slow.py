"""Stops, lives of machines and local days against a slow computation in Python that anyone can follow."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.calendar import calendar_spans
from historian import Database, KpiAsk, ensure_tenant, load_kpi_sums, register_machines
from plant import MachineSpec

pytestmark = pytest.mark.integration

# Five days around the night in which the clocks of Berlin go forward (29 March 2026, 02:00 to 03:00).
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime.combine(date(2026, 3, 27), time(), BERLIN).astimezone(UTC)
LAST = datetime.combine(date(2026, 4, 1), time(), BERLIN).astimezone(UTC)
MINUTES = int((LAST - FIRST) / timedelta(minutes=1))

moment = st.integers(-600, MINUTES + 600)
stops = st.lists(st.tuples(st.integers(0, 1), moment, st.integers(1, 3000), st.booleans()), max_size=10)
borns = st.lists(st.none() | moment, min_size=2, max_size=2)
STOP = """
insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned) values ($1, $2, $3, $4, $5)
on conflict do nothing
"""


def at(minutes: int) -> datetime:
    return FIRST + timedelta(minutes=minutes)


def overlap(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> float:
    return max(0.0, (min(one[1], other[1]) - max(one[0], other[0])).total_seconds())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=stops, born=borns, exact=st.booleans())
async def test_local_days_add_up_stop_by_stop(
    database: Database, wanted: list[tuple[int, int, int, bool]], born: list[int | None], exact: bool
) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        await connection.execute("truncate downtime_event, kpi_rollup")
        specs = [MachineSpec("s", "l", f"M{n}", "M", "motor", downtime_cost_per_h=60.0 * (n + 1)) for n in range(2)]
        await register_machines(connection, tenant, specs)
        ids = [row["id"] for row in await connection.fetch("select id from machine order by code")]
        for machine, minutes in zip(ids, born, strict=True):
            begun = at(minutes) if minutes is not None else None
            await connection.execute("update machine set commissioned_at = $2 where id = $1", machine, begun)
        kept: list[tuple[int, tuple[datetime, datetime], bool]] = []
        for number, began, length, planned in wanted:
            span = (at(began), at(began + length))
            await connection.execute(STOP, ids[number], tenant, *span, planned)
            # A stop that would overlap one of the same machine is none of its own.
            if not any(other == number and overlap(span, known) > 0 for other, known, _ in kept):
                kept.append((number, span, planned))
    days = calendar_spans(FIRST, LAST, "day", BERLIN)
    assert [(until - since) / timedelta(hours=1) for since, until in days] == [24, 24, 23, 24, 24]
    async with database.tenant(tenant) as connection:
        # By machine the rows are asked, by site the roll-up.
        rows = await load_kpi_sums(connection, days, KpiAsk("machine" if exact else "site"))
    for number, day in enumerate(days):
        sums = [row.sums for row in rows if row.span == number]
        alive = [machine for machine in range(2) if born[machine] is None or at(born[machine] or 0) < day[1]]
        inside = [(machine, span, planned, overlap(span, day)) for machine, span, planned in kept]
        if exact:
            # A machine that is not there yet is in no group of its own.
            inside = [entry for entry in inside if entry[0] in alive]
        elif not alive:
            assert sums == []
            continue
        began = [entry for entry in inside if not entry[2] and day[0] <= entry[1][0] < day[1]]
        assert sum(entry.planned_s for entry in sums) == pytest.approx(sum(s for _, _, p, s in inside if p))
        assert sum(entry.unplanned_s for entry in sums) == pytest.approx(sum(s for _, _, p, s in inside if not p))
        assert sum(entry.failures for entry in sums) == len(began)
        assert sum(entry.repair_s for entry in sums) == sum((e[1][1] - e[1][0]).total_seconds() for e in began)
        cost = sum(60 * (machine + 1) * seconds / 3600 for machine, _, planned, seconds in inside if not planned)
        assert sum(entry.downtime_cost for entry in sums) == pytest.approx(cost)
        asked = sum(
            overlap((max(FIRST, at(born[machine] or 0)) if born[machine] is not None else FIRST, LAST), day)
            for machine in alive
        )
        assert sum(entry.asked_s for entry in sums) == pytest.approx(asked)
