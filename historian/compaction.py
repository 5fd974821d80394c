"""Closed ranges of readings become blocks: a row for each signal and hour (:mod:`historian.blocks`).

For editions that cannot compress a table themselves; on TimescaleDB Community a policy does it. Late readings open
the blocks they belong to, and are compacted with them at the next round.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import numpy as np
import structlog

from historian.blocks import HOUR_US, encode_blocks
from historian.copying import READING_COLUMNS, batch_of, binary_copy, copy_out, tuple_of
from historian.database import Connection, Edition, detect_edition
from historian.partitions import READING, Range, list_ranges
from plant import Batch, to_datetime

log = structlog.get_logger()

AFTER = timedelta(hours=24)
"""How long after its end a range is compacted."""

# Readings older than this are late: a range could be at work on. Far enough from AFTER for clocks that differ.
_LATE = timedelta(hours=12)
_ROWS_AT_ONCE = 1_000_000
_LONG_S = 600.0

ONE_COMPACTOR = "select pg_try_advisory_lock(x'1B0C0'::int)"
COMPACTOR_ENDS = "select pg_advisory_unlock(x'1B0C0'::int)"
# Who brings late readings holds this shared, who publishes blocks holds it alone.
LATE_SHARED = "select pg_advisory_xact_lock_shared(x'1B0C1'::int)"
LATE_ALONE = "select pg_advisory_xact_lock(x'1B0C1'::int)"

NOTE_LATE = "insert into reading_late (since, until) values ($1, $2)"
CAME_LATE = "select exists (select from reading_late where since < $2 and until >= $1)"
# Blocks of some signals and hours back into rows (primary key reading_block).
OPEN = """
with opened as (
    delete from reading_block using unnest($1::int4[], $2::timestamptz[]) as wanted (signal_id, hour)
    where reading_block.signal_id = wanted.signal_id and reading_block.hour = wanted.hour
    returning reading_block as block
)
insert into reading (time, signal_id, value, quality)
select entry.time, (block).signal_id, entry.value, entry.quality
from opened cross join lateral reading_block_rows(block) as entry
"""
# A closed range by signal and time (its unique index).
ROWS = """
select time, signal_id, coalesce(value, 'NaN') as value, quality from {name}
where signal_id >= {first} and signal_id < {end} order by signal_id, time
"""
COUNTS = "select count(*) as rows, min(signal_id) as first, max(signal_id) as last from {name}"
PUBLISH = "insert into reading_block select * from reading_block_new"

_ROW = tuple_of(**READING_COLUMNS)


@dataclass(frozen=True, slots=True)
class Compacted:
    """A range that is in blocks now."""

    name: str
    readings: int
    blocks: int


async def open_late(connection: Connection, batch: Batch, now_us: int) -> None:
    """Before late readings are stored, in their transaction: bring the rows of their hours back.

    The unique key then decides about them as about any others.
    """
    late = batch.times < now_us - _LATE // timedelta(microseconds=1)
    if not late.any():
        return
    await connection.execute(LATE_SHARED)
    times = batch.times[late]
    await connection.execute(NOTE_LATE, to_datetime(int(times.min())), to_datetime(int(times.max())))
    if not await connection.fetchval("select exists (select from reading_block)"):
        return
    pairs = np.unique(np.stack((batch.signal_ids[late], times // HOUR_US)), axis=1)
    hours = [to_datetime(int(hour) * HOUR_US) for hour in pairs[1]]
    await connection.execute(OPEN, pairs[0].tolist(), hours)


async def compact_closed(connection: Connection, now: datetime) -> list[Compacted]:
    """Compact every range that has been over for :data:`AFTER`, oldest first.

    A range into which something came meanwhile stays as it is until the next call.
    """
    if not await connection.fetchval(ONE_COMPACTOR):
        return []
    done = []
    try:
        # What is noted matters to work in progress alone, and there is none.
        await connection.execute("delete from reading_late")
        if await detect_edition(connection) is Edition.TIMESCALE_COMMUNITY:
            return []
        for known in await list_ranges(connection, READING):
            if known.end > now - AFTER or not await connection.fetchval(f"select exists (select from {known.name})"):
                continue
            compacted = await _compact(connection, known)
            if compacted is not None:
                log.info("readings_compacted", range=known.name, readings=compacted.readings, blocks=compacted.blocks)
                done.append(compacted)
    finally:
        await connection.execute(COMPACTOR_ENDS)
    return done


async def _compact(connection: Connection, known: Range) -> Compacted | None:
    # Whatever is noted by now is read below; what is noted later is seen when the blocks are published.
    await connection.execute("delete from reading_late")
    await connection.execute("truncate reading_block_new")
    counts = await connection.fetchrow(COUNTS.format(name=known.name), timeout=_LONG_S)
    signals = counts["last"] - counts["first"] + 1
    step = max(1, signals * _ROWS_AT_ONCE // counts["rows"])
    blocks = 0
    for first in range(counts["first"], counts["last"] + 1, step):
        rows = await copy_out(connection, ROWS.format(name=known.name, first=first, end=first + step), _ROW)
        encoded = await asyncio.to_thread(list, encode_blocks(batch_of(rows)))
        await binary_copy(connection, "reading_block_new", b"".join(encoded))
        blocks += len(encoded)
    return Compacted(known.name, counts["rows"], blocks) if await _publish(connection, known) else None


async def _publish(connection: Connection, known: Range) -> bool:
    """Put the blocks in the place of the rows, both at once for whoever looks."""
    try:
        async with connection.transaction():
            await connection.execute("set local lock_timeout = '5s'")
            await connection.execute(LATE_ALONE)
            if await connection.fetchval(CAME_LATE, known.start, known.end):
                return False
            await connection.execute(PUBLISH, timeout=_LONG_S)
            await connection.execute(f"truncate {known.name}")
    except asyncpg.LockNotAvailableError:
        return False
    await connection.execute("truncate reading_block_new")
    return True
