"""Roll-ups of one minute and one hour, right under late data: what a writer touched is computed anew."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from historian.copying import BY_INDEX
from historian.database import Connection
from historian.partitions import READING_1MIN, PartitionKeeper
from plant import MICROSECONDS, to_datetime, to_microseconds

# Refreshers take turns: the older of two would overwrite the newer's rows.
LOCK = "select pg_advisory_xact_lock(x'1B0117'::int)"

MARK = "insert into rollup_dirty (bucket) select unnest($1::timestamptz[])"

# Takes a piece of the work: the newest finished minutes first, so that live pages are right first.
TAKE = """
with piece as (
    select id from rollup_dirty where bucket < $1 order by bucket desc limit $2 for update skip locked
), taken as (
    delete from rollup_dirty using piece where rollup_dirty.id = piece.id returning rollup_dirty.bucket
)
select distinct bucket from taken order by bucket
"""
MARK_HOURS = """
insert into rollup_dirty_hour (bucket)
select distinct date_trunc('hour', bucket, 'UTC') from unnest($1::timestamptz[]) bucket
on conflict do nothing
"""
TAKE_HOURS = """
delete from rollup_dirty_hour where bucket in (
    select bucket from rollup_dirty_hour order by bucket desc limit $1 for update skip locked
) returning bucket
"""

# Minutes of a range from raw readings (BRIN reading_time), the last value of each by the unique index: half the
# work of sorting every minute. Quality 2 is bad and not rolled up.
MINUTES = """
insert into reading_1min (bucket, signal_id, average, minimum, maximum, count, last)
select minute.bucket, minute.signal_id, minute.average, minute.minimum, minute.maximum, minute.count, newest.value
from (
    select date_bin('1 minute', time, '2000-01-01Z') as bucket, signal_id, avg(value) as average,
        min(value) as minimum, max(value) as maximum, count(*) as count, max(time) as newest
    from reading
    where time >= $1 and time < $2 and quality < 2 and value is not null
    group by 1, 2
) as minute
join reading newest on newest.signal_id = minute.signal_id and newest.time = minute.newest
where newest.time >= $1 and newest.time < $2
on conflict (signal_id, bucket) do update
set average = excluded.average, minimum = excluded.minimum, maximum = excluded.maximum,
    count = excluded.count, last = excluded.last
"""
# A minute of a large plant is a hundred thousand groups: cheaper in hash tables than sorted, or looked up singly.
BY_HASH = "set local enable_sort = off; set local enable_nestloop = off; set local enable_mergejoin = off"
# Hours of a range from their minutes (BRIN reading_1min_time).
HOURS = """
insert into reading_1h (bucket, signal_id, average, minimum, maximum, count, last)
select date_trunc('hour', bucket, 'UTC') as hour, signal_id, sum(average * count) / sum(count), min(minimum),
    max(maximum), sum(count), (array_agg(last order by bucket desc))[1]
from reading_1min
where bucket >= $1 and bucket < $2
group by 1, 2
on conflict (signal_id, bucket) do update
set average = excluded.average, minimum = excluded.minimum, maximum = excluded.maximum,
    count = excluded.count, last = excluded.last
"""

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_PIECE = 2000
_HOURS = 96


async def mark_dirty(connection: Connection, minutes: Iterable[int]) -> None:
    """Remember minutes (starts, microseconds) to roll up, in the transaction of their readings."""
    await connection.execute(MARK, [to_datetime(minute) for minute in minutes])


async def refresh_rollups(connection: Connection, until: datetime | None = None) -> int:
    """Bring all marked minutes before ``until`` (default: one minute ago) and their hours up to date.

    A minute that is still filling stays marked. Returns how many minutes were computed.
    """
    if until is None:
        until = datetime.now(UTC) - _MINUTE
    computed = 0
    while minutes := await _refresh_minutes(connection, until):
        computed += minutes
    while await _refresh_hours(connection):
        pass
    return computed


async def _refresh_minutes(connection: Connection, until: datetime) -> int:
    pending = await connection.fetchrow(
        "select min(bucket) as first, max(bucket) as last from (select bucket from rollup_dirty where bucket < $1) d",
        until,
    )
    if pending["first"] is None:
        return 0
    async with connection.transaction():
        await connection.execute(LOCK)
        minutes = [row["bucket"] for row in await connection.fetch(TAKE, until, _PIECE)]
        if not minutes:
            return 0
        width = READING_1MIN.width_s * MICROSECONDS
        numbers = sorted({to_microseconds(minute) // width for minute in minutes})
        await PartitionKeeper().ensure_numbers(connection, READING_1MIN, numbers)
        await connection.execute(BY_INDEX)
        await connection.execute(BY_HASH)
        for first, last in _runs(minutes, _MINUTE):
            await connection.execute(MINUTES, first, last + _MINUTE)
        await connection.execute(MARK_HOURS, minutes)
    return len(minutes)


async def _refresh_hours(connection: Connection) -> int:
    async with connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(BY_INDEX)
        hours = [row["bucket"] for row in await connection.fetch(TAKE_HOURS, _HOURS)]
        for first, last in _runs(sorted(hours), _HOUR):
            await connection.execute(HOURS, first, last + _HOUR)
    return len(hours)


def _runs(buckets: list[datetime], width: timedelta) -> list[tuple[datetime, datetime]]:
    """Neighbouring buckets joined: first and last of each run of a sorted list."""
    runs: list[tuple[datetime, datetime]] = []
    for bucket in buckets:
        if runs and bucket - runs[-1][1] <= width:
            runs[-1] = (runs[-1][0], bucket)
        else:
            runs.append((bucket, bucket))
    return runs
