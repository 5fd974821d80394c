"""A past for the queries benchmark: written by the server itself, as a plant of this size would have left it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from historian import (
    READING,
    READING_1MIN,
    Connection,
    LatestKeeper,
    PartitionKeeper,
    compact_closed,
    prepare_ahead,
    store_readings,
)
from plant import MICROSECONDS, Batch, to_microseconds

# Roll-ups and readings of a part of the machines: an index finds them as it would among all.
_PART = 50
_RAW_PART = 200
_MINUTE_DAYS = 2
_RAW_HOURS = 2

CONDITIONS = """
insert into machine_condition (machine_id, tenant_id, state, state_since, health, risk, judged_at, explanation)
select id, tenant_id, 'running', now() - interval '3 hours', 100 - id % 40, (id % 100) / 100.0, now(), '{}'
from machine
on conflict (machine_id) do nothing
"""
# Four intervals a day.
STATES = """
insert into machine_state (machine_id, tenant_id, started_at, ended_at, state, seconds_before)
select machine_id, tenant_id, since, since + interval '6 hours', state, array[
    coalesce(count(*) filter (where state = 'running') over earlier, 0) * 21600,
    coalesce(count(*) filter (where state = 'idle') over earlier, 0) * 21600, 0,
    coalesce(count(*) filter (where state = 'stopped') over earlier, 0) * 21600, 0, 0, 0
]
from (
    select machine.id as machine_id, machine.tenant_id, since,
        (array['running', 'idle', 'running', 'stopped'])
            [1 + (extract(hour from since)::int / 6 + machine.id) % 4] as state
    from generate_series($1::timestamptz, $2::timestamptz - interval '6 hours', interval '6 hours') since
    cross join machine
) as quarter_day
window earlier as (partition by machine_id order by since rows between unbounded preceding and 1 preceding)
"""
STOPS = """
insert into downtime_event (tenant_id, machine_id, started_at, ended_at, planned, reason)
select tenant_id, id, since + id % 500 * interval '1 minute', since + (id % 500 + 40) * interval '1 minute',
    id % 3 = 0, 'bearing'
from generate_series($1::timestamptz, $2::timestamptz - interval '10 days', interval '10 days') since cross join machine
"""
JOBS = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, labour_h, labour_rate,
    parts_cost)
select tenant_id, id, 'corrective', 'done', 'bearing', since, since + interval '1 day', 3, 60, 240
from generate_series($1::timestamptz, $2::timestamptz - interval '20 days', interval '20 days') since cross join machine
"""
ALARMS = """
insert into alarm (tenant_id, machine_id, limit_key, template_version, severity, raised_at, cleared_at, value)
select tenant_id, id, 'vibration_de_warning', 1, 'warning', since + id * interval '7 seconds',
    case when id % 50 > 0 or since < $2::timestamptz - interval '20 days' then since + interval '1 hour' end, 3.1
from generate_series($1::timestamptz, $2::timestamptz - interval '15 days', interval '15 days') since cross join machine
"""
FINDINGS = """
insert into finding (tenant_id, machine_id, failure_mode, probability, severity, opened_at, updated_at, closed_at,
    evidence, ranking)
select tenant_id, id, 'bearing_wear_de', 0.9, 'alarm', $1::timestamptz + id * interval '11 seconds', now(),
    case when id % 50 > 0 then $1::timestamptz + interval '9 days' end, '[]', '[]'
from machine
"""
# By time, as they are written in life: one signal's rows lie far apart.
ROLLUP = """
insert into {table} (bucket, signal_id, average, minimum, maximum, count, last)
select bucket, id, 10 + sin(extract(epoch from bucket) / 9000 + id), 9, 12, 60, 10
from generate_series($1::timestamptz, $2::timestamptz - interval '{width}', interval '{width}') bucket
cross join (
    select id from signal where machine_id in (select id from machine order by id limit $3) order by id
) as chosen
"""
_LONG_S = 3600.0


async def fill(connection: Connection, machines: int, days: int, say: Callable[[str], None]) -> dict[str, int]:
    """Fill an installation whose machines are registered; rows by table."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - timedelta(days=days)
    part = max(20, machines // _PART)
    await prepare_ahead(connection)
    rows: dict[str, int] = {}

    async def run(table: str, statement: str, *arguments: object) -> None:
        say(f"filling {table} ...")
        rows[table] = int((await connection.execute(statement, *arguments, timeout=_LONG_S)).split()[-1])

    await run("machine_condition", CONDITIONS)
    await run("machine_state", STATES, start, end)
    await run("downtime_event", STOPS, start, end)
    await run("work_order", JOBS, start, end)
    await run("alarm", ALARMS, start, end)
    await run("finding", FINDINGS, start)
    await run("reading_1h", ROLLUP.format(table="reading_1h", width="1 hour"), start, end, part)
    minutes = end - timedelta(days=_MINUTE_DAYS)
    await PartitionKeeper().ensure(connection, READING_1MIN, to_microseconds(minutes), to_microseconds(end))
    await run("reading_1min", ROLLUP.format(table="reading_1min", width="1 minute"), minutes, end, part)
    rows["reading"] = await _readings(connection, max(5, machines // _RAW_PART), say)
    await _newest(connection)
    await connection.execute("vacuum analyze", timeout=_LONG_S)
    return rows


async def _readings(connection: Connection, machines: int, say: Callable[[str], None]) -> int:
    """The last hours of some machines a second, and of a closed day, which is compacted."""
    say("filling reading ...")
    ids = [
        row["id"]
        for row in await connection.fetch(
            "select id from signal where machine_id in (select id from machine order by id limit $1) order by id",
            machines,
        )
    ]
    keeper, stored = PartitionKeeper(), 0
    now = to_microseconds(datetime.now(UTC))
    closed = to_microseconds(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3))
    for start in (closed, now - _RAW_HOURS * 3600 * MICROSECONDS):
        for minute in range(_RAW_HOURS * 60):
            seconds = start + (minute * 60 + np.arange(60)) * MICROSECONDS
            times, signals = np.repeat(seconds, len(ids)), np.tile(np.asarray(ids, np.int32), 60)
            values = np.round(10 + np.sin(times / 9e9 + signals), 2)
            await keeper.ensure(connection, READING, int(times[0]), int(times[-1]))
            batch = Batch(times, signals, values, np.zeros(len(times), np.int16))
            stored += await store_readings(connection, batch)
    await compact_closed(connection, datetime.now(UTC))
    return stored


async def _newest(connection: Connection) -> None:
    ids = np.asarray([row["id"] for row in await connection.fetch("select id from signal order by id")], np.int32)
    keeper = LatestKeeper()
    times = np.full(len(ids), to_microseconds(datetime.now(UTC)))
    keeper.note(Batch(times, ids, np.full(len(ids), 10.0), np.zeros(len(ids), np.int16)))
    async with connection.transaction():
        await keeper.flush(connection)
