"""Seconds in each state from running totals equal those added up interval by interval."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from historian import Database, KpiAsk, StateRow, extend_states, load_kpi_sums, replace_states
from historian.migrate import known_migrations
from tests.plant_records import one_motor

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 1, tzinfo=UTC)
STATES = ("running", "idle", "starting", "stopped", "down", "maintenance", "off_line")

# (gap before, length, state) of intervals [minutes], and where the past is rewritten from.
intervals = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 2000), st.sampled_from(STATES)), min_size=1, max_size=12
)
moments = st.integers(-100, 20_000)


def rows_of(first: datetime, parts: list[tuple[int, int, str]]) -> list[StateRow]:
    rows, moment = [], first
    for gap, length, state in parts:
        began = moment + timedelta(minutes=gap)
        moment = began + timedelta(minutes=length)
        rows.append(StateRow(began, moment, state))
    return rows


def slow(rows: list[StateRow], start: datetime, end: datetime) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for row in rows:
        inside = (min(row.ended_at, end) - max(row.started_at, start)).total_seconds()
        if inside > 0:
            seconds[row.state] = seconds.get(row.state, 0.0) + inside
    return seconds


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    past=intervals,
    rewritten=st.none() | st.tuples(st.integers(0, 11), intervals),
    extended=st.integers(0, 500),
    period=st.tuples(moments, moments),
)
async def test_totals_equal_single_intervals(
    database: Database,
    past: list[tuple[int, int, str]],
    rewritten: tuple[int, list[tuple[int, int, str]]] | None,
    extended: int,
    period: tuple[int, int],
) -> None:
    start, end = (START + timedelta(minutes=minutes) for minutes in sorted(period))
    end = max(end, start + timedelta(minutes=1))
    tenant, _ = await one_motor(database, "mine")
    async with database.connection() as connection:
        await connection.execute("delete from machine_state")  # its triggers keep the sums
        machine = await connection.fetchval("select id from machine")
        rows = rows_of(START, past)
        await replace_states(connection, machine, tenant, rows)
        if rewritten is not None and rewritten[0] < len(rows):
            kept = rows[: rewritten[0]]
            new = rows_of(rows[rewritten[0]].started_at, rewritten[1])
            new[0] = StateRow(rows[rewritten[0]].started_at, new[0].ended_at, new[0].state)
            await replace_states(connection, machine, tenant, new)
            rows = [*kept, *new]
        last = rows[-1]
        rows[-1] = StateRow(last.started_at, last.ended_at + timedelta(minutes=extended), last.state)
        await extend_states(connection, [(machine, last.started_at, rows[-1].ended_at)])
    async with database.tenant(tenant) as connection:
        (found,) = await load_kpi_sums(connection, [(start, end)], KpiAsk("machine"))
        (alone,) = await load_kpi_sums(connection, [(start, end)], KpiAsk("machine", machine=machine))
        parts = await load_kpi_sums(connection, [(start, START), (START, end)], KpiAsk()) if start < START < end else []
    seconds = {state: getattr(found.sums, f"{state}_s") for state in STATES}
    assert seconds == pytest.approx({state: slow(rows, start, end).get(state, 0.0) for state in STATES}, abs=1e-6)
    assert alone == found
    if parts:
        assert parts[0].sums.running_s + parts[1].sums.running_s == pytest.approx(found.sums.running_s)


async def test_the_migration_counts_what_was_there(database: Database) -> None:
    tenant, _ = await one_motor(database, "mine")
    parts = [(0, 60, "running"), (5, 30, "down"), (0, 10, "unheard_of"), (0, 90, "running"), (0, 5, "idle")]
    rows = rows_of(START, parts)
    async with database.connection() as connection:
        machine = await connection.fetchval("select id from machine")
        await replace_states(connection, machine, tenant, rows)
        totals = "select seconds_before from machine_state order by started_at"
        by_trigger = [row["seconds_before"] for row in await connection.fetch(totals)]
        assert by_trigger[-1] == [9000.0, 0.0, 0.0, 0.0, 1800.0, 0.0, 0.0]
        await connection.execute("drop trigger machine_state_totals on machine_state")
        await connection.execute("alter table machine_state drop column seconds_before")
        await connection.execute("drop function note_seconds_before(), counted_states()")
        (migration,) = [step for step in known_migrations() if step.name == "0009_state_totals"]
        await connection.execute(migration.sql)
        assert [row["seconds_before"] for row in await connection.fetch(totals)] == by_trigger
