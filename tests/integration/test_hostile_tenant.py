"""A tenant that means harm gets nothing of another's: by no table, view, chunk, function, setting or guessed number.

Two tenants hold readings (raw, compacted or compressed), roll-ups, findings, alarms and jobs. Everything of the
other one carries a mark, and no answer may contain it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import numpy as np
import pytest

import historian
from historian import (
    READING,
    Connection,
    Database,
    Edition,
    PartitionKeeper,
    add_gateway,
    compact_closed,
    ensure_tenant,
    issue_edge_token,
    load_directory,
    mark_dirty,
    refresh_rollups,
    register_machines,
    store_readings,
)
from historian.latest import LatestKeeper
from plant import Batch, MachineSpec, to_microseconds

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
# A number and a word that only the other tenant has.
MARK = 777.125
WORD = "theirs-only"

RELATIONS = """
select format('%I.%I', nspname, relname) as name from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relkind in ('r', 'p', 'v', 'm', 'f') and nspname <> 'information_schema' and nspname not like 'pg_t%'
    and (nspname <> 'pg_catalog' or relname in ('pg_stats', 'pg_stats_ext', 'pg_stat_activity'))
order by 1
"""
CAGG = """
create materialized view early_minutes with (timescaledb.continuous) as
select time_bucket('1 minute', time) as bucket, signal_id, max(value) as value from reading group by 1, 2 with data
"""
ALARM = """
insert into alarm (tenant_id, machine_id, limit_key, template_version, severity, raised_at, value, acknowledged_by)
values ($1, $2, $3, 1, 'warning', now(), $4, $3)
"""
JOB = """
insert into work_order (tenant_id, machine_id, kind, title, parts_cost) values ($1, $2, 'corrective', $3, $4)
"""
STOP = (
    "insert into downtime_event (tenant_id, machine_id, started_at, planned, reason) values ($1, $2, now(), false, $3)"
)
STATE = """
insert into machine_state (tenant_id, machine_id, started_at, ended_at, state)
values ($1, $2, now() - interval '1 hour', now(), 'running')
"""
REJECTED = """
insert into quarantine (tenant_id, received_at, source, address, reason, detail, raw)
values ($1, now(), $2, $2, $2, $2, convert_to($2, 'UTF8'))
"""
FINDING = """
insert into finding (tenant_id, machine_id, failure_mode, probability, severity, opened_at, updated_at, evidence,
    ranking)
values ($1, $2, $3, 0.9, 'alarm', now(), now(), '[]', '[]') returning id
"""
NEW_JOB = "insert into work_order (tenant_id, machine_id, kind, title) values ({}, {}, 'corrective', 'me')"
NEW_STOP = """
insert into planned_stop (tenant_id, site_id, machine_id, started_at, ended_at)
values ({}, 1, {}, now(), now() + interval '1 day')
"""


@dataclass(frozen=True)
class Town:
    """Both tenants: our id, their ids."""

    mine: int
    theirs: int
    their_machine: int
    their_signal: int
    their_finding: int
    their_alarm: int
    their_job: int
    their_stop: int


async def _settle(connection: Connection, key: str, word: str, value: float) -> tuple[int, int, int]:
    """A tenant with a machine that has everything; (tenant, machine, signal)."""
    tenant = await ensure_tenant(connection, key, word)
    await register_machines(connection, tenant, [MachineSpec("works", "line", f"{word}-M1", word, "motor")])
    directory = await load_directory(connection, tenant)
    signal = directory.signal_id("works", f"{word}-M1", "speed")
    assert signal is not None
    machine = await connection.fetchval("select id from machine where tenant_id = $1", tenant)
    keeper = LatestKeeper()
    await keeper.load(connection)
    for days in (5, 0):
        start = to_microseconds(NOW - timedelta(days=days, hours=1))
        times = start + np.arange(600) * 1_000_000
        batch = Batch(times, np.full(600, signal, np.int32), np.full(600, value), np.zeros(600, np.int16))
        await PartitionKeeper().ensure(connection, READING, int(times[0]), int(times[-1]))
        await store_readings(connection, batch)
        await mark_dirty(connection, (np.unique(times // 60_000_000) * 60_000_000).tolist())
        keeper.note(batch)
    async with connection.transaction():
        await keeper.flush(connection)
    await connection.execute(ALARM, tenant, machine, word, value)
    await connection.execute(JOB, tenant, machine, word, value)
    await connection.execute(STOP, tenant, machine, word)
    await connection.execute(STATE, tenant, machine)
    await connection.execute(REJECTED, tenant, word)
    await add_gateway(connection, tenant, "works", word)
    await issue_edge_token(connection, tenant, "works", timedelta(hours=1), word)
    return tenant, machine, signal


@pytest.fixture
async def town(edition_database: Database) -> Town:
    """Us and them, with old readings made small and everything analysed."""
    async with edition_database.connection() as connection:
        mine, _, _ = await _settle(connection, "mine", "ours", 1.0)
        theirs, machine, signal = await _settle(connection, "theirs", WORD, MARK)
        finding = await connection.fetchval(FINDING, theirs, machine, WORD)
        if edition_database.edition is Edition.TIMESCALE_COMMUNITY:
            await connection.execute(CAGG)
            with suppress(asyncpg.DuplicateObjectError):  # the policy was faster
                await connection.fetch("select compress_chunk(chunk, true) from show_chunks('reading') chunk limit 1")
        await refresh_rollups(connection)
        await compact_closed(connection, NOW)
        await connection.execute("analyze")
        ids = [
            await connection.fetchval(f"select id from {table} where tenant_id = $1", theirs)
            for table in ("alarm", "work_order", "downtime_event")
        ]
    return Town(mine, theirs, machine, signal, finding, *ids)


@asynccontextmanager
async def sql_role(database: Database, tenant: int) -> AsyncIterator[Connection]:
    """Somebody who may send SQL of his own, bound to a tenant by name; the views are his, as Grafana's are."""
    role = f"reader_{uuid4().hex[:8]}"
    async with database.connection() as connection:
        await connection.execute(f"create role {role} login")
        await connection.execute(
            f"grant select on tenant, site, machine, signal, signal_latest, machine_condition, machine_state, alarm, "
            f"finding, planned_stop, downtime_event, work_order, quarantine, tenant_reading, tenant_reading_1min, "
            f"tenant_reading_1h, machine_seen, pipeline_health to {role}"
        )
        if database.edition.has_hypertables:
            await connection.execute(f"grant usage on schema _timescaledb_internal to {role}")
        await connection.execute("insert into sql_role values ($1, $2)", role, tenant)
        try:
            await connection.execute(f"set session authorization {role}")
            yield connection
        finally:
            await connection.execute("reset session authorization")
            await connection.execute(f"revoke all on all tables in schema public from {role}")
            if database.edition.has_hypertables:
                await connection.execute(f"revoke usage on schema _timescaledb_internal from {role}")
            await connection.execute(f"drop owned by {role}; drop role {role}")


def betrays(found: Any) -> bool:
    """Whether an answer has something of theirs in it."""
    text = str(found)
    return str(MARK) in text or WORD in text or WORD.encode().hex() in text


async def _try(connection: Connection, statement: str, *arguments: Any) -> Any:
    """The answer, or None where the database refuses."""
    answer, refusal = None, None
    try:
        async with connection.transaction():
            answer = await connection.fetch(statement, *arguments)
    except asyncpg.PostgresError as error:
        refusal = error
    # A division by zero that only a foreign row can cause tells that there is one.
    assert not isinstance(refusal, asyncpg.DivisionByZeroError), statement
    assert not betrays((answer, refusal)), statement
    return answer


async def _see_everything(connection: Connection, names: list[str]) -> int:
    """Ask every relation there is; how many answered."""
    answered = 0
    for name in names:
        rows = await _try(connection, f"select entry::text from {name} as entry")
        if rows is not None:
            answered += 1
    return answered


async def _relations(database: Database) -> list[str]:
    async with database.connection() as connection:
        return [row["name"] for row in await connection.fetch(RELATIONS)]


async def test_the_marks_are_there_for_the_owner(edition_database: Database, town: Town) -> None:
    """The suite proves something only if the other tenant's data can be found at all."""
    async with edition_database.connection() as connection:
        for name in ("reading_all", "reading_1min", "alarm", "finding", "work_order", "machine", "latest_block"):
            assert betrays([dict(row) for row in await connection.fetch(f"select * from {name}")]), name
        if edition_database.edition is Edition.POSTGRESQL:
            assert await connection.fetchval("select count(*) from reading_block") > 0
    assert town.mine != town.theirs


async def test_no_relation_shows_anything_to_the_api_s_role(edition_database: Database, town: Town) -> None:
    names = await _relations(edition_database)
    async with edition_database.tenant(town.mine) as connection:
        assert await _see_everything(connection, names) > 10
        own = await connection.fetchval("select count(*) from tenant_reading")
        assert own == 1200
    async with edition_database.connection() as connection:
        chunks = [name for name in names if "hyper_" in name or "reading_p" in name]
        assert chunks
        for name in chunks:
            allowed = await connection.fetchval("select has_table_privilege('brain_api', $1, 'select')", name)
            assert not allowed, name


async def test_a_role_with_its_own_sql_stays_its_tenant_s(edition_database: Database, town: Town) -> None:
    names = await _relations(edition_database)
    async with sql_role(edition_database, town.mine) as connection:
        for attempt in (
            "select 1",
            f"select set_config('brain.tenant_id', '{town.theirs}', false)",
            "set role brain_api",
            "set row_security = off",
            f"insert into sql_role values (current_user, {town.theirs})",
            f"update sql_role set tenant_id = {town.theirs}",
            f"create or replace function public.current_tenant() returns int language sql as 'select {town.theirs}'",
            f"create function pg_temp.current_tenant() returns int language sql as 'select {town.theirs}'",
            "set search_path = pg_temp, public",
        ):
            await _try(connection, attempt)
            assert await _see_everything(connection, names), attempt
        assert await connection.fetchval("select count(*) from public.tenant_reading") == 1200


async def test_spying_functions_and_errors_see_no_foreign_row(edition_database: Database, town: Town) -> None:
    heard: list[str] = []

    def hear(_: Connection, message: object) -> None:
        heard.append(str(message))

    async with sql_role(edition_database, town.mine) as connection:
        connection.add_log_listener(hear)
        await connection.execute("set client_min_messages = notice")
        await connection.execute(
            "create function pg_temp.spy(anyelement) returns bool language plpgsql cost 0.0000001 as "
            "$$ begin raise notice 'saw %', $1; return true; end $$"
        )
        for view, column in (
            ("tenant_reading", "value"),
            ("tenant_reading_1min", "maximum"),
            ("tenant_reading_1h", "maximum"),
            ("signal_latest", "value"),
            ("machine", "code"),
            ("alarm", "value"),
            ("finding", "failure_mode"),
            ("work_order", "title"),
        ):
            await _try(connection, f"select 1 from {view} where pg_temp.spy({column})")
            await _try(connection, f"select 1 from {view} where 1 / ({column} <> '{MARK}')::int > 0")
            await _try(connection, f"select {column}::text::bool from {view}")
            await _try(
                connection, f"explain (analyze, verbose) select * from {view} where signal_id = {town.their_signal}"
            )
            await _try(connection, f"select count(*), min({column}) from {view} group by {column}")
        connection.remove_log_listener(hear)
    assert heard, "the spy spoke of our own rows"
    assert not betrays(heard)


async def test_guessed_numbers_lead_nowhere(edition_database: Database, town: Town) -> None:
    start, end = NOW - timedelta(days=10), NOW + timedelta(days=1)
    questions = {
        "machine": lambda c: historian.get_machine(c, town.their_machine),
        "signals": lambda c: historian.list_signals(c, town.their_machine),
        "signal": lambda c: historian.find_signal(c, town.their_machine, "speed"),
        "trend": lambda c: historian.read_trend(c, town.their_signal, start, end, 100),
        "short trend": lambda c: historian.read_trend(c, town.their_signal, NOW - timedelta(hours=1), end, 100),
        "export": lambda c: historian.export_rows(c, town.their_signal, start, end),
        "states": lambda c: historian.list_states(c, town.their_machine, start, end),
        "findings": lambda c: historian.list_findings(c, machine_id=town.their_machine),
        "finding": lambda c: historian.get_finding(c, town.their_finding),
        "alarms": lambda c: historian.list_alarms(c, machine_id=town.their_machine),
        "alarm": lambda c: historian.get_alarm(c, town.their_alarm),
        "acknowledge": lambda c: historian.acknowledge_alarm(c, town.their_alarm, "me", "seen"),
        "shelve": lambda c: historian.shelve_alarm(c, town.their_alarm, end, "me"),
        "downtime": lambda c: historian.list_downtime(c, machine_id=town.their_machine),
        "reason": lambda c: historian.set_reason(c, town.their_stop, "me", reason="other"),
        "kpis": lambda c: historian.load_kpi_sums(c, [(start, end)], historian.KpiAsk(machine=town.their_machine)),
    }
    for name, ask in questions.items():
        async with edition_database.tenant(town.mine) as connection:
            found = await ask(connection)
        empty = len(found) == 0 if hasattr(found, "__len__") else not found
        assert empty, name
    async with edition_database.connection() as connection:
        assert await connection.fetchval("select acknowledged_by from alarm where id = $1", town.their_alarm) == WORD


async def test_nothing_of_theirs_can_be_changed(edition_database: Database, town: Town) -> None:
    def state_of(rows: list[Any]) -> str:
        return str([dict(row) for row in rows])

    tables = ("alarm", "finding", "downtime_event", "work_order", "planned_stop", "machine", "signal", "site")
    async with edition_database.connection() as connection:
        before = {
            table: state_of(await connection.fetch(f"select * from {table} where tenant_id = $1", town.theirs))
            for table in tables
        }
    async with edition_database.tenant(town.mine) as connection:
        for table in tables:
            await _try(connection, f"delete from {table} where tenant_id = {town.theirs}")
            await _try(connection, f"delete from {table}")
        for statement in (
            f"update alarm set acknowledged_by = 'me' where id = {town.their_alarm}",
            f"update downtime_event set reason = 'me' where id = {town.their_stop}",
            f"update work_order set title = 'me' where id = {town.their_job}",
            f"update work_order set tenant_id = {town.theirs}",
            NEW_JOB.format(town.theirs, town.their_machine),
            NEW_STOP.format(town.theirs, town.their_machine),
        ):
            await _try(connection, statement)
        stop = historian.PlannedStop("works", NOW, NOW + timedelta(days=1), town.their_machine)
        assert await historian.add_planned_stop(connection, town.mine, stop) is None
    async with edition_database.connection() as connection:
        for table in tables:
            rows = await connection.fetch(f"select * from {table} where tenant_id = $1", town.theirs)
            assert state_of(rows) == before[table], table
