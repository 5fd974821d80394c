"""The roll-up equals the rows themselves, after any history of inserts, changes and deletions, and for any period."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import compute_kpis
from historian import Connection, Database, KpiAsk, ensure_tenant, load_kpi_sums, register_machines
from historian import kpi as exact
from historian.kpi_sums import SUMS
from plant import MachineSpec

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 28, 20, tzinfo=UTC)
STATES = ("running", "idle", "stopped", "down", "maintenance", "off_line")

state = """
insert into machine_state (machine_id, tenant_id, started_at, ended_at, state) select id, tenant_id, $2, $3, $4
from machine where id = $1 on conflict do nothing
"""
stop = """
insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned, earliest_start, latest_end,
    seen_again)
select id, tenant_id, $2::timestamptz, $3::timestamptz, $4, $2::timestamptz - nullif($5::int, 0) * interval '1 minute',
    $3::timestamptz + nullif($6::int, 0) * interval '1 minute', $5 = 0
from machine where id = $1 on conflict do nothing
"""
job = """
insert into work_order (machine_id, tenant_id, kind, state, title, closed_at, labour_h, labour_rate, parts_cost)
select id, tenant_id, $4, 'done', 'job', $2, 2, 100, $3 from machine where id = $1
"""
alarm = """
insert into alarm (machine_id, tenant_id, limit_key, template_version, severity, raised_at, cleared_at)
select id, tenant_id, 'limit', 1, 'alarm', $2, $2 from machine where id = $1
"""
energy = """
insert into machine_energy (machine_id, tenant_id, bucket, kwh, seconds, basis)
select id, tenant_id, date_trunc('hour', $2::timestamptz), $3, 1800, 'power' from machine where id = $1
on conflict (machine_id, bucket) do update set kwh = excluded.kwh
"""

# Only the newest state goes on.
NEWEST = (
    "where started_at = (select max(started_at) from machine_state its where its.machine_id = machine_state.machine_id)"
)

minute = st.integers(0, 5000)
length = st.integers(0, 3000)
doubt = st.just(0) | st.integers(0, 300)
machine = st.integers(0, 2)
# On the hour, and anywhere.
border = st.integers(-10, 200).map(lambda hours: timedelta(hours=hours)) | st.timedeltas(
    timedelta(hours=-10), timedelta(hours=200)
)
events = st.one_of(
    st.tuples(st.just("stop"), machine, minute, length, st.booleans(), doubt, doubt),
    st.tuples(st.just("job"), machine, minute, st.sampled_from(["corrective", "preventive", "inspection"])),
    st.tuples(st.just("alarm"), machine, minute),
    st.tuples(st.just("energy"), machine, minute, st.integers(1, 50)),
)
changes = st.sampled_from(
    [
        "update downtime_event set planned = not planned",
        "update downtime_event set ended_at = started_at + interval '90 minutes', latest_end = null",
        "update downtime_event set ended_at = null, latest_end = null where id % 2 = 0",
        "update downtime_event set earliest_start = started_at - interval '75 minutes', seen_again = false",
        "delete from downtime_event where id % 2 = 1",
        "update work_order set parts_cost = parts_cost + 50, kind = 'condition_based'",
        "update work_order set state = 'cancelled' where id % 2 = 1",
        "update work_order set state = 'closed' where id % 2 = 0",
        "update work_order set state = 'in_progress', closed_at = null where id % 3 = 0",
        f"update machine_state set ended_at = ended_at + interval '200 minutes' {NEWEST}",
        "update machine_state set ended_at = greatest(started_at, ended_at - interval '45 minutes')",
        "update machine_state set state = 'down' where state = 'idle'",
        "delete from machine_state where state = 'off_line'",
        "update machine set line = 'moved' where id % 2 = 1",
        "update machine set downtime_cost_per_h = downtime_cost_per_h * 2",
        "delete from alarm where id % 2 = 1",
        "delete from machine_energy",
    ]
)


async def _three(connection: Connection) -> tuple[int, list[int]]:
    tenant = await ensure_tenant(connection, "mine", "mine")
    specs = [
        MachineSpec("s", f"line-{n % 2}", f"M{n}", f"M{n}", "motor", downtime_cost_per_h=1000.0 + n) for n in range(3)
    ]
    await register_machines(connection, tenant, specs)
    await connection.execute(
        "truncate machine_state, downtime_event, work_order, alarm, machine_energy, kpi_rollup cascade"
    )
    rows = await connection.fetch("select id from machine order by id")
    return tenant, [row["id"] for row in rows]


async def _happen(connection: Connection, ids: list[int], entry: tuple) -> None:  # type: ignore[type-arg]
    kind, number, began, *rest = entry
    at = START + timedelta(minutes=began)
    if kind == "stop":
        await connection.execute(stop, ids[number], at, at + timedelta(minutes=rest[0]), *rest[1:])
    elif kind == "job":
        await connection.execute(job, ids[number], at, float(began), rest[0])
    elif kind == "alarm":
        await connection.execute(alarm, ids[number], at)
    else:
        await connection.execute(energy, ids[number], at, float(rest[0]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(
        st.lists(st.tuples(st.integers(1, 900), st.sampled_from(STATES)), max_size=6), min_size=3, max_size=3
    ),
    happened=st.lists(events, max_size=12),
    changed=st.lists(changes, max_size=4),
    borders=st.lists(border, min_size=3, max_size=3, unique=True).map(sorted),
    group_by=st.sampled_from(["site", "line", "template"]),
)
async def test_equals_the_rows(
    database: Database,
    lives: list[list[tuple[int, str]]],
    happened: list[tuple],  # type: ignore[type-arg]
    changed: list[str],
    borders: list[timedelta],
    group_by: str,
) -> None:
    start, middle, end = (START + since for since in borders)
    async with database.connection() as connection:
        tenant, ids = await _three(connection)
        for number, life in enumerate(lives):
            moment = START
            for minutes, what in life:
                until = moment + timedelta(minutes=minutes)
                await connection.execute(state, ids[number], moment, until, what)
                moment = until
        for entry in happened:
            await _happen(connection, ids, entry)
        for statement in changed:
            await connection.execute(statement)
        # Running totals know nothing of states changed behind their back: formed anew, as the services would.
        await connection.execute("update machine_state set seconds_before = null")
        for row in await connection.fetch("select * from machine_state order by machine_id, started_at"):
            await connection.execute(
                "delete from machine_state where machine_id = $1 and started_at = $2",
                row["machine_id"],
                row["started_at"],
            )
            await connection.execute(state, row["machine_id"], row["started_at"], row["ended_at"], row["state"])
    spans = [(start, middle), (middle, end)]
    async with database.tenant(tenant) as connection:
        rolled = await load_kpi_sums(connection, spans, KpiAsk(group_by))
        chosen = exact._CHOSEN.format(key=exact.GROUP_KEYS[group_by])
        arguments = [[since for since, _ in spans], [until for _, until in spans], None, None, None, None]
        slow: dict[tuple[str, int], dict[str, float]] = {}
        for statement in exact._FACTS:
            for row in await connection.fetch(chosen + statement, *arguments):
                slow.setdefault((row["key"], row["number"] - 1), {}).update(exact._amounts(row))
    for row in rolled:
        wanted = slow.get((row.key, row.span), {})
        for name in SUMS:
            if name in ("machines", "asked_s", "replacement_value", "controlled", "operators", "networked", "scrapped"):
                continue
            assert getattr(row.sums, name) == pytest.approx(wanted.get(name, 0.0), abs=2e-3), name


async def test_long_periods_of_many_machines_are_counted_in_whole_hours(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, end = START + timedelta(minutes=20), START + timedelta(days=3, minutes=40)
    async with database.connection() as connection:
        tenant, ids = await _three(connection)
        await connection.execute(state, ids[0], START, START + timedelta(days=9), "running")
    async with database.tenant(tenant) as connection:
        for most, wanted in ((3, (start, end)), (2, (START, START + timedelta(days=3, hours=1)))):
            monkeypatch.setattr("analytics.kpi._MOST_EXACT", most)
            (group,) = await compute_kpis(connection, start=start, end=end)
            assert (group.start, group.end) == wanted
            assert group.exposure.operating_h == (wanted[1] - wanted[0]) / timedelta(hours=1)
            (machine, *_) = await compute_kpis(connection, start=start, end=end, group_by="machine")
            assert (machine.start, machine.end) == (start, end)


async def test_nobody_changes_sums_by_hand(database: Database) -> None:
    async with database.connection() as connection:
        tenant, _ = await _three(connection)
    for statement in (
        "insert into kpi_rollup (tenant_id, hours, bucket, site_id, line, template) values (1, 1, now(), 1, 'l', 't')",
        "update kpi_rollup set failures = 0",
        "select kpi_count_machines(array[1], 1)",
        "select kpi_count_alarms(array[1], array[now()], array[1])",
    ):
        async with database.tenant(tenant) as connection:
            with pytest.raises(Exception, match="permission denied"):
                await connection.execute(statement)
