"""Roll-ups of one minute and one hour, right under late data: what is marked is computed anew from the readings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from historian.copying import BY_INDEX
from historian.database import Connection
from historian.energy import refresh_energy
from historian.partitions import READING_1MIN, PartitionKeeper
from plant import MICROSECONDS, to_datetime, to_microseconds

# Refreshers take turns: the older of two would overwrite the newer's rows.
LOCK = "select pg_advisory_xact_lock(x'1B0117'::int)"
# The same lock for who would rather come back than wait.
REFRESHING = "select pg_try_advisory_xact_lock(x'1B0117'::int)"

MARK = "insert into rollup_dirty (bucket) select unnest($1::timestamptz[])"
MARK_OF = """
insert into rollup_dirty (bucket, signal_ids)
select bucket, array_agg(signal_id) from unnest($1::timestamptz[], $2::int4[]) as late (bucket, signal_id) group by 1
"""

# Takes a piece of the work: the newest finished minutes first, so that live pages are right first. A minute that a
# writer holds in memory ($3: no older than this) is left to it, with all marks of it.
TAKE = """
with held as (
    select bucket from rollup_dirty where writer is not null and bucket >= $3
), piece as (
    select id from rollup_dirty where bucket < $1 and bucket not in (select bucket from held)
    order by bucket desc limit $2 for update skip locked
), taken as (
    delete from rollup_dirty using piece where rollup_dirty.id = piece.id
    returning rollup_dirty.bucket, rollup_dirty.signal_ids
)
select distinct bucket, signal_ids from taken order by bucket
"""
MARK_HOURS = """
insert into rollup_dirty_hour (bucket)
select hour from (select distinct date_trunc('hour', bucket, 'UTC') as hour from unnest($1::timestamptz[]) bucket) h
where not exists (select from rollup_dirty_hour known where known.bucket = hour and known.signal_ids is null)
"""
MARK_HOURS_OF = """
insert into rollup_dirty_hour (bucket, signal_ids)
select date_trunc('hour', bucket, 'UTC'), array_agg(distinct signal_id)
from unnest($1::timestamptz[], $2::int4[]) as late (bucket, signal_id) group by 1
"""
# Hours that are over: one that fills would be computed anew with every minute.
TAKE_HOURS = """
with piece as (
    select id from rollup_dirty_hour where bucket <= $1 order by bucket desc limit $2 for update skip locked
), taken as (
    delete from rollup_dirty_hour using piece where rollup_dirty_hour.id = piece.id
    returning rollup_dirty_hour.bucket, rollup_dirty_hour.signal_ids
)
select distinct bucket, signal_ids from taken order by bucket
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
# Some signals' minutes from raw readings (unique index reading_key).
MINUTES_OF = """
insert into reading_1min (bucket, signal_id, average, minimum, maximum, count, last)
select late.bucket, late.signal_id, minute.*
from unnest($1::timestamptz[], $2::int4[]) as late (bucket, signal_id)
cross join lateral (
    select avg(value), min(value), max(value), count(*), (array_agg(value order by time desc))[1]
    from reading
    where signal_id = late.signal_id and time >= late.bucket and time < late.bucket + interval '1 minute'
        and quality < 2 and value is not null
    having count(*) > 0
) as minute
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
# Some signals' hours from their minutes (unique index reading_1min_key).
HOURS_OF = """
insert into reading_1h (bucket, signal_id, average, minimum, maximum, count, last)
select late.bucket, late.signal_id, hour.*
from unnest($1::timestamptz[], $2::int4[]) as late (bucket, signal_id)
cross join lateral (
    select sum(average * count) / sum(count), min(minimum), max(maximum), sum(count),
        (array_agg(last order by bucket desc))[1]
    from reading_1min
    where signal_id = late.signal_id and bucket >= late.bucket and bucket < late.bucket + interval '1 hour'
    having count(*) > 0
) as hour
on conflict (signal_id, bucket) do update
set average = excluded.average, minimum = excluded.minimum, maximum = excluded.maximum,
    count = excluded.count, last = excluded.last
"""

_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
# A writer that has not stored a minute so long after it began is gone, or has given it up.
HELD = timedelta(minutes=5)
_PIECE = 2000
_HOURS = 96


async def mark_dirty(connection: Connection, minutes: Iterable[int]) -> None:
    """Remember minutes (starts, microseconds) to compute, in the transaction of their readings."""
    await connection.execute(MARK, [to_datetime(minute) for minute in minutes])


async def mark_signals_dirty(connection: Connection, minutes: Sequence[int], signal_ids: Sequence[int]) -> None:
    """:func:`mark_dirty` of some signals alone: pairs of minute and signal."""
    await connection.execute(MARK_OF, [to_datetime(minute) for minute in minutes], signal_ids)


async def refresh_rollups(connection: Connection, until: datetime | None = None) -> int:
    """Bring all marked minutes before ``until`` (default: one minute ago) and hours that ended by then up to date.

    A minute that is still filling, or that a writer is about to store, stays marked. Returns how many minutes were
    computed.
    """
    if until is None:
        until = datetime.now(UTC) - _MINUTE
    computed = 0
    while minutes := await _refresh_minutes(connection, until):
        computed += minutes
    while await _refresh_hours(connection, until):
        pass
    return computed


async def _refresh_minutes(connection: Connection, until: datetime) -> int:
    if not await connection.fetchval("select exists (select from rollup_dirty where bucket < $1)", until):
        return 0
    async with connection.transaction():
        await connection.execute(LOCK)
        work = _Work.of(await connection.fetch(TAKE, until, _PIECE, until - HELD))
        if not work:
            return 0
        width = READING_1MIN.width_s * MICROSECONDS
        numbers = sorted({to_microseconds(minute) // width for minute in (*work.whole, *work.buckets)})
        await PartitionKeeper().ensure_numbers(connection, READING_1MIN, numbers)
        await connection.execute(BY_INDEX)
        if work.buckets:
            await connection.execute(MINUTES_OF, work.buckets, work.signal_ids)
            await connection.execute(MARK_HOURS_OF, work.buckets, work.signal_ids)
        if work.whole:
            await connection.execute(BY_HASH)
            for first, last in _runs(work.whole, _MINUTE):
                await connection.execute(MINUTES, first, last + _MINUTE)
            await connection.execute(MARK_HOURS, work.whole)
    return len({*work.whole, *work.buckets})


async def _refresh_hours(connection: Connection, until: datetime) -> int:
    async with connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(BY_INDEX)
        work = _Work.of(await connection.fetch(TAKE_HOURS, until - _HOUR, _HOURS))
        if work.buckets:
            await connection.execute(HOURS_OF, work.buckets, work.signal_ids)
        for first, last in _runs(work.whole, _HOUR):
            await connection.execute(HOURS, first, last + _HOUR)
        await refresh_energy(connection, [*work.whole, *work.buckets])
    return len(work.whole) + len(work.buckets)


@dataclass(frozen=True, slots=True)
class _Work:
    """Buckets to compute as a whole, in order, and single signals of others."""

    whole: list[datetime]
    buckets: list[datetime]
    signal_ids: list[int]

    @classmethod
    def of(cls, marks: Sequence[Any]) -> "_Work":
        whole = {mark["bucket"] for mark in marks if mark["signal_ids"] is None}
        single = sorted(
            {(mark["bucket"], signal) for mark in marks if mark["bucket"] not in whole for signal in mark["signal_ids"]}
        )
        return cls(sorted(whole), [bucket for bucket, _ in single], [signal for _, signal in single])

    def __bool__(self) -> bool:
        return bool(self.whole or self.buckets)


def _runs(buckets: list[datetime], width: timedelta) -> list[tuple[datetime, datetime]]:
    """Neighbouring buckets joined: first and last of each run of a sorted list."""
    runs: list[tuple[datetime, datetime]] = []
    for bucket in buckets:
        if runs and bucket - runs[-1][1] <= width:
            runs[-1] = (runs[-1][0], bucket)
        else:
            runs.append((bucket, bucket))
    return runs
