"""Every query of dashboards, drop-downs and alert rules, as Grafana would send it, under its role, on each edition.

Two tenants hold a plant each, with readings, roll-ups, stops and all else. Everything of the other one carries a mark.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from analytics import compute_kpis
from api.grafana.alerts import ALERTS
from api.grafana.dashboards import ALL_MACHINES, ALL_SIGNALS, ALL_SITES, DASHBOARDS
from api.grafana.panels import PanelSpec
from historian import (
    READING,
    Connection,
    Database,
    PartitionKeeper,
    StateRow,
    ensure_tenant,
    grafana_queries,
    load_directory,
    mark_dirty,
    refresh_rollups,
    register_machines,
    replace_states,
    store_readings,
)
from historian.latest import LatestKeeper
from plant import Batch, MachineSpec, to_microseconds
from tests.grafana_macros import ALL, View, expand
from tests.integration.test_hostile_tenant import sql_role

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(second=0, microsecond=0)
MARK, WORD = 777.125, "theirs-only"
ROWS = """
with finding as (
    insert into finding (tenant_id, machine_id, failure_mode, probability, severity, opened_at, updated_at, evidence)
    values ($1, $2, $3, 0.9, 'alarm', $5::timestamptz - interval '1 hour', $5::timestamptz, '[]')
), alarm as (
    insert into alarm (tenant_id, machine_id, limit_key, template_version, severity, raised_at, value)
    select $1, $2, $3 || number, 1, 'warning', $5::timestamptz - interval '1 minute' * number, $4
    from generate_series(1, 12) as number
), stop as (
    insert into downtime_event (tenant_id, machine_id, started_at, ended_at, planned, reason, earliest_start)
    values ($1, $2, $5::timestamptz - interval '3 hours', $5::timestamptz - interval '2 hours', false, $3,
            $5::timestamptz - interval '4 hours'),
        ($1, $2, $5::timestamptz - interval '50 hours', $5::timestamptz - interval '49 hours', false, null, null),
        ($1, $2, $5::timestamptz - interval '30 hours', $5::timestamptz - interval '29 hours', true, null, null)
), job as (
    insert into work_order (tenant_id, machine_id, kind, title, parts_cost, labour_h, labour_rate, state, opened_at,
        closed_at)
    values ($1, $2, 'corrective', $3, $4, 2, 100, 'done', $5::timestamptz - interval '2 hours',
        $5::timestamptz - interval '30 minutes')
), rejected as (
    insert into quarantine (tenant_id, received_at, source, address, reason, detail, raw)
    values ($1, $5::timestamptz - interval '5 minutes', $3, $3, $3, $3, convert_to($3, 'UTF8'))
)
insert into machine_condition (machine_id, tenant_id, state, health, risk, judged_at)
values ($2, $1, 'running', 20, 0.8, now())
"""


GONE_SILENT = """
update latest_block set times = array(
    select case when time > '-infinity' then now() - interval '6 minutes' else time end from unnest(times) as time
)
"""


@dataclass(frozen=True)
class Plant:
    """Ours: the tenant, a machine that has everything, and one on another site that is silent."""

    tenant: int
    machine: int
    other: int
    timescaledb: bool


async def _settle(connection: Connection, key: str, word: str, value: float) -> tuple[int, int, int]:
    tenant = await ensure_tenant(connection, key, word)
    specs = [
        MachineSpec(f"{word}-works", "line", f"{word}-M1", word, "motor", downtime_cost_per_h=100.0),
        MachineSpec(f"{word}-annex", "line", f"{word}-M2", word, "motor", currency="EUR"),
    ]
    await register_machines(connection, tenant, specs)
    directory = await load_directory(connection, tenant)
    rows = await connection.fetch("select id from machine where tenant_id = $1 order by id", tenant)
    machine, other = (row["id"] for row in rows)
    signals = [directory.signal_id(f"{word}-works", f"{word}-M1", signal) for signal in ("speed", "current_u")]
    keeper = LatestKeeper()
    await keeper.load(connection)
    for age in (timedelta(days=20), timedelta(days=3), timedelta(hours=5), timedelta(minutes=19)):
        times = np.repeat(to_microseconds(NOW - age) + np.arange(1200) * 1_000_000, 2)
        ids = np.tile(np.asarray(signals, np.int32), 1200)
        batch = Batch(times, ids, np.full(2400, value), np.zeros(2400, np.int16))
        await PartitionKeeper().ensure(connection, READING, int(times[0]), int(times[-1]))
        await store_readings(connection, batch)
        await mark_dirty(connection, (np.unique(times // 60_000_000) * 60_000_000).tolist())
        keeper.note(batch)
    async with connection.transaction():
        await keeper.flush(connection)
    # The whole run may lie between the beginning of this module and its tests: everything is dated by the former.
    await connection.execute(ROWS, tenant, machine, word, value, NOW)
    hour = timedelta(hours=1)
    states = [
        StateRow(NOW - 60 * hour, NOW - 50 * hour, "running"),
        StateRow(NOW - 50 * hour, NOW - 49 * hour, "down"),
        StateRow(NOW - 49 * hour, NOW - 3 * hour, "running"),
        StateRow(NOW - 3 * hour, NOW - 2 * hour, "down"),
        StateRow(NOW - 2 * hour, NOW - hour / 2, "running"),
    ]
    await replace_states(connection, machine, tenant, states)
    return tenant, machine, other


@pytest.fixture
async def plant(edition_database: Database) -> Plant:
    """Both tenants, rolled up; only ours is handed out."""
    async with edition_database.connection() as connection:
        tenant, machine, other = await _settle(connection, "mine", "ours", 1.0)
        await _settle(connection, "theirs", WORD, MARK)
        await connection.execute("insert into spool_position (lane, segment, byte_offset) values ('0', 1, 0)")
        for _ in range(3):
            await refresh_rollups(connection)
        await connection.execute("analyze")
    return Plant(tenant, machine, other, edition_database.edition.has_hypertables)


def view_of(plant: Plant, span: timedelta, interval: str, **values: Any) -> View:
    chosen = {"site": ALL, "machine": str(plant.machine), "signal": ALL, "statistic": "average"} | values
    alls = {"site": ALL_SITES, "machine": ALL_MACHINES, "signal": ALL_SIGNALS}
    return View(NOW - span, NOW + timedelta(minutes=5), interval, chosen, alls)


def views_of(plant: Plant) -> Iterator[View]:
    """A look at an hour, a day and a month, at everything and at a choice; with either of Grafana's time groups."""
    for span, interval in ((timedelta(hours=1), "1m"), (timedelta(days=1), "10m"), (timedelta(days=30), "1h")):
        yield view_of(plant, span, interval)
        yield view_of(plant, span, interval, site=["ours-works", "it's"], signal=["speed", "current_u"])
        if plant.timescaledb:
            yield replace(view_of(plant, span, interval), timescaledb=True)


PANELS = [panel for board in DASHBOARDS for row in board.rows for panel in row.panels]


def panel_id(panel: PanelSpec) -> str:
    return f"{panel.query}-{panel.title or 'only'}"


def is_there(panel: PanelSpec, view: View) -> bool:
    """Whether the test's plant has something to show: no stop in the last hour, no silent machine on the first site."""
    if panel.query in ("kpis.downtime", "kpis.pareto", "kpis.worst"):
        return view.until - view.since > timedelta(hours=2)
    return panel.query != "pipeline.silent" or view.values["site"] == ALL


def betrays(found: Any) -> bool:
    return str(MARK) in str(found) or WORD in str(found)


@pytest.mark.timeout(900)
async def test_every_panel_shows_what_is_there_and_nothing_of_another_tenant(
    edition_database: Database, plant: Plant
) -> None:
    async with sql_role(edition_database, plant.tenant) as connection:
        for panel in PANELS:
            for view in views_of(plant):
                sql = expand(panel.sql, view)
                rows = [dict(row) for row in await connection.fetch(sql)]
                assert not betrays(rows), panel.query
                if panel.query == "machine.trend" and panel.title not in ("currents", "other_signals"):
                    assert not rows
                elif is_there(panel, view):
                    assert rows, (panel_id(panel), view)
                for row in rows:
                    assert tuple(row) == panel.columns, panel_id(panel)
                    check_types(panel, row)


def check_types(panel: PanelSpec, row: dict[str, Any]) -> None:
    """Grafana wants time first, then words, then a number; a table wants plain values."""
    if panel.shape == "time_series":
        assert isinstance(row["time"], datetime | int | float | Decimal), panel.query
        assert isinstance(row["metric"], str)
        assert isinstance(row["value"], float)
        return
    for name, value in row.items():
        if name == "time" or name.endswith("_at") or name == "act_before":
            assert value is None or isinstance(value, datetime), name
        else:
            assert value is None or isinstance(value, str | int | float), (panel.query, name, type(value))


async def test_another_tenant_s_numbers_in_an_address_show_nothing(edition_database: Database, plant: Plant) -> None:
    async with edition_database.connection() as connection:
        theirs = [row["id"] for row in await connection.fetch("select id from machine where code like $1", f"{WORD}%")]
    assert theirs
    async with sql_role(edition_database, plant.tenant) as connection:
        for panel in PANELS:
            for number in theirs:
                view = view_of(plant, timedelta(hours=1), "1m", machine=str(number), site=[f"{WORD}-works"])
                assert not betrays([dict(row) for row in await connection.fetch(expand(panel.sql, view))]), panel.query


async def test_drop_downs_offer_our_own(edition_database: Database, plant: Plant) -> None:
    view = view_of(plant, timedelta(hours=1), "1m")
    async with sql_role(edition_database, plant.tenant) as connection:
        offered = {
            name: [tuple(row.values()) for row in await connection.fetch(expand(sql, view))]
            for name, sql in grafana_queries().items()
            if name.startswith("variables.")
        }
    assert offered["variables.tenant"] == [("ours",)]
    assert [key for key, _ in offered["variables.site"]] == ["ours-annex", "ours-works"]
    assert offered["variables.machine"][0] == (plant.machine, "ours-M1 · ours")
    assert ("winding_temperature",) in offered["variables.signal"]
    async with sql_role(edition_database, plant.tenant) as connection:
        one_site = replace(view, values={**view.values, "site": ["ours-annex"]})
        rows = await connection.fetch(expand(grafana_queries()["variables.machine"], one_site))
    assert [row[0] for row in rows] == [plant.other]


async def test_alert_rules_see_what_they_are_for(edition_database: Database, plant: Plant) -> None:
    async with edition_database.connection() as connection:
        await connection.execute(GONE_SILENT)
        await connection.execute("update spool_position set committed_at = now() + interval '1 hour'")
    async with sql_role(edition_database, plant.tenant) as connection:
        found = {}
        for alert in ALERTS:
            rows = [dict(row) for row in await connection.fetch(grafana_queries()[alert.query])]
            assert not betrays(rows)
            for row in rows:
                numbers = [name for name, value in row.items() if isinstance(value, float | int)]
                assert numbers == ["value"], "one number a row; all else becomes a label"
                labels = tuple(value for name, value in row.items() if name != "value")
                found[alert.name, *labels] = row["value"] > alert.above
    assert found == {
        ("link_lost", "ours-works"): True,
        ("writer_behind",): True,
        ("machine_at_risk", "ours-works", "ours-M1", "ours"): True,
        ("alarm_flood", "ours-works"): False,
        ("alarm_flood", "ours-annex"): False,
    }


async def test_a_role_that_is_bound_to_nobody_sees_nothing(edition_database: Database, plant: Plant) -> None:
    async with sql_role(edition_database, plant.tenant) as connection:
        await connection.execute("reset session authorization")
        await connection.execute("delete from sql_role")
        await connection.execute(f"set session authorization {await _last_role(connection)}")
        for view in ("machine_seen", "pipeline_health"):
            assert await connection.fetch(f"select * from {view}") == []


async def _last_role(connection: Connection) -> str:
    name: str = await connection.fetchval(
        "select rolname from pg_roles where rolname like 'reader_%' order by oid desc"
    )
    return name


async def test_kpis_are_those_of_the_product(edition_database: Database, plant: Plant) -> None:
    for span in (timedelta(hours=1), timedelta(hours=29, minutes=30), timedelta(hours=55), timedelta(days=10)):
        # The product takes long periods in whole hours.
        hour = NOW.replace(minute=0)
        view = replace(view_of(plant, span, "1h", machine=ALL), since=hour - span, until=hour)
        async with sql_role(edition_database, plant.tenant) as connection:
            rows = await connection.fetch(expand(grafana_queries()["kpis.by_site"], view))
        async with edition_database.tenant(plant.tenant) as connection:
            groups = await compute_kpis(connection, start=view.since, end=view.until)
        assert {row["site"] for row in rows} == {group.key for group in groups}
        for row in rows:
            group = next(group for group in groups if group.key == row["site"])
            values = {value.key: value for value in group.values}
            for key, column in {
                "availability": "availability", "mtbf": "mtbf_h", "mttr": "mttr_h",
                "unplanned_downtime_h": "unplanned_h", "planned_downtime_h": "planned_h",
                "unplanned_downtime_cost": "downtime_cost",
                "maintenance_cost": "maintenance_cost", "networked_share": "networked_share",
            }.items():  # fmt: skip
                assert row[column] == pytest.approx(values[key].value), (span, row["site"], key)
            assert row["coverage"] == pytest.approx(values["availability"].coverage)
            assert row["currency"] == group.currency


async def test_hours_in_steps_add_up_to_the_whole(edition_database: Database, plant: Plant) -> None:
    view = view_of(plant, timedelta(days=4), "6h", machine=ALL)
    async with sql_role(edition_database, plant.tenant) as connection:
        steps = await connection.fetch(expand(grafana_queries()["kpis.downtime"], view))
        pareto = await connection.fetch(expand(grafana_queries()["kpis.pareto"], view))
        worst = await connection.fetch(expand(grafana_queries()["kpis.worst"], view))
    assert sum(row["value"] for row in steps) == pytest.approx(2.0)
    assert {row["reason"]: row["unplanned_h"] for row in pareto} == pytest.approx({"ours": 1.0, "unknown": 1.0})
    assert [(row["unplanned_h"], row["downtime_cost"]) for row in worst] == [(pytest.approx(2.0), pytest.approx(200.0))]


async def _tables_of(connection: Connection, *names: str) -> set[str]:
    """Names of tables with their partitions or chunks."""
    rows = await connection.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = any($1::regclass[])", list(names)
    )
    return {row["name"].rpartition(".")[2] for row in rows} | set(names)


async def test_long_ranges_leave_readings_alone(edition_database: Database, plant: Plant) -> None:
    async with edition_database.connection() as connection:
        raw = await _tables_of(connection, "reading", "reading_block")
        minutes = await _tables_of(connection, "reading_1min")
    async with sql_role(edition_database, plant.tenant) as connection:
        for panel in PANELS:
            for span, forbidden in ((timedelta(days=1), raw), (timedelta(days=30), raw | minutes)):
                sql = expand(panel.sql, view_of(plant, span, "1h"))
                plan = "\n".join(row[0] for row in await connection.fetch(f"explain {sql}"))
                touched = set(re.findall(r" on (?:\w+\.)?(\w+)", plan))
                assert not touched & forbidden, (panel_id(panel), span, plan)


async def test_short_trends_find_readings_by_their_key(edition_database: Database, plant: Plant) -> None:
    async with edition_database.connection() as connection:
        raw = await _tables_of(connection, "reading")
    trend = next(panel for panel in PANELS if panel.title == "currents")
    async with sql_role(edition_database, plant.tenant) as connection:
        await connection.execute("set enable_seqscan = off")  # on a table this small it would be cheaper
        sql = expand(trend.sql, view_of(plant, timedelta(hours=1), "1m"))
        plan = "\n".join(row[0] for row in await connection.fetch(f"explain {sql}"))
    touched = set(re.findall(r"(?:Scan|Scan using \w+) on (?:\w+\.)?(\w+)", plan))
    assert touched & raw
    for table in raw:
        assert f"Seq Scan on {table}" not in plan
