"""Time ranges of the big tables: made ahead and on demand, as wide as the rate asks for, dropped by retention.

On plain PostgreSQL they are partitions. On TimescaleDB they are chunks, which come by themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from historian.database import Connection, detect_edition
from plant import MICROSECONDS, to_datetime, to_microseconds

_LOCK = 0x1B_9A47
_AHEAD = timedelta(days=1)
# Rows of a range: its index is to stay in memory. At more a day, a day is cut into hours.
_MOST_ROWS_A_DAY = 50_000_000
# Empty ranges, whose readings have been compacted, are kept so long for what comes late.
_KEEP_EMPTY = timedelta(days=7)
# Dropping a range waits so long for who is reading the table, while others wait behind; the next round tries again.
_PATIENCE = "set local lock_timeout = '2s'"

# Partitions of one table, or chunks, with their bounds (catalogue only).
PARTITIONS = r"""
select format('%I', child.relname) as name,
    substring(pg_get_expr(child.relpartbound, child.oid) from $$FROM \('([^']+)'\)$$)::timestamptz as start,
    substring(pg_get_expr(child.relpartbound, child.oid) from $$TO \('([^']+)'\)$$)::timestamptz as end
from pg_inherits
join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
where parent.relname = $1 order by 2
"""
CHUNKS = """
select format('%I.%I', chunk_schema, chunk_name) as name, range_start as start, range_end as end
from timescaledb_information.chunks where hypertable_name = $1 order by 2
"""
# Readings a second over the last minutes that are rolled up (BRIN reading_1min_time).
RATE = """
select coalesce(sum(count), 0)::float8 / 600 from reading_1min
where bucket >= now() - interval '12 minutes' and bucket < now() - interval '2 minutes'
"""
CHUNK_INTERVAL = "select set_chunk_time_interval('reading', $1::interval)"
# What a tenant keeps no longer, a day at a time from the oldest on (indexes by signal and time).
OLDEST = """
select min(first) from unnest($1::int4[]) as wanted (id) cross join lateral (
    select min({column}) as first from {table} where signal_id = wanted.id
) as oldest
"""
FORGET = "delete from {table} where signal_id = any($1::int4[]) and {column} >= $2 and {column} < $3"


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table in ranges of ``width_s`` seconds at most, aligned to 1970-01-01 UTC."""

    name: str
    column: str
    width_s: int


@dataclass(frozen=True, slots=True)
class Range:
    """A partition or chunk; ``name`` is quoted where it has to be."""

    name: str
    start: datetime
    end: datetime


READING = PartitionedTable("reading", "time", 86_400)
READING_1MIN = PartitionedTable("reading_1min", "bucket", 7 * 86_400)
_TABLES = (READING, READING_1MIN)
_HOUR_S = 3600


class PartitionKeeper:
    """Remembers which partitions exist, so that a writer asks the catalogue only once for each."""

    def __init__(self) -> None:
        self._known: set[tuple[str, int]] = set()

    async def ensure(self, connection: Connection, table: PartitionedTable, first_us: int, last_us: int) -> None:
        """Make the partitions of a closed range of time, in a transaction of their own."""
        width = table.width_s * MICROSECONDS
        numbers = list(range(first_us // width, last_us // width + 1))
        await self.ensure_numbers(connection, table, numbers)

    async def ensure_numbers(self, connection: Connection, table: PartitionedTable, numbers: list[int]) -> None:
        """Make the partitions of these numbers (microseconds since the epoch divided by the width)."""
        missing = [number for number in numbers if (table.name, number) not in self._known]
        if not missing:
            return
        if not (await detect_edition(connection)).has_hypertables:
            await _create(connection, table, missing)
        self._known.update((table.name, number) for number in missing)

    def forget(self) -> None:
        """Ask the catalogue again (retention may have dropped some)."""
        self._known.clear()


async def list_ranges(connection: Connection, table: PartitionedTable) -> list[Range]:
    """The partitions or chunks of a table, oldest first."""
    statement = CHUNKS if (await detect_edition(connection)).has_hypertables else PARTITIONS
    return [Range(*row.values()) for row in await connection.fetch(statement, table.name)]


async def _create(connection: Connection, table: PartitionedTable, numbers: list[int]) -> None:
    async with connection.transaction():
        # Two writers must not make the same one; readers and writers of the table are not held up, because
        # attaching, unlike creating in place, does not lock them out.
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        existing = await list_ranges(connection, table)
        hourly = table is READING and await _is_fast(connection)
        for number in numbers:
            start = to_datetime(number * table.width_s * MICROSECONDS)
            end = start + timedelta(seconds=table.width_s)
            inside = [known for known in existing if known.start < end and known.end > start]
            if any(known.start <= start and known.end >= end for known in inside):
                continue
            step = timedelta(seconds=_HOUR_S if inside or hourly else table.width_s)
            while start < end:
                if not any(known.start == start for known in inside):
                    await _attach(connection, table, Range(_name(table, start, step), start, start + step))
                start += step


def _name(table: PartitionedTable, start: datetime, width: timedelta) -> str:
    hour = f"_{start:%H}" if width.total_seconds() < table.width_s else ""
    return f"{table.name}_p{start:%Y%m%d}{hour}"


async def _attach(connection: Connection, table: PartitionedTable, new: Range) -> None:
    await connection.execute(f"create table {new.name} (like {table.name} including all)")
    await connection.execute(
        f"alter table {table.name} attach partition {new.name} "
        f"for values from ('{new.start.isoformat()}') to ('{new.end.isoformat()}')"
    )


async def _is_fast(connection: Connection) -> bool:
    return float(await connection.fetchval(RATE)) * 86_400 > _MOST_ROWS_A_DAY


async def prepare_ahead(connection: Connection) -> None:
    """Make the partitions of the next day, so that no reading has to wait for one; suit new ones to the rate."""
    now = datetime.now(UTC)
    for table in _TABLES:
        await PartitionKeeper().ensure(connection, table, to_microseconds(now), to_microseconds(now + _AHEAD))
    if (await detect_edition(connection)).has_hypertables:
        await connection.execute(CHUNK_INTERVAL, timedelta(hours=1 if await _is_fast(connection) else 24))


async def drop_older_than(connection: Connection, moment: datetime) -> list[str]:
    """Drop the ranges of readings and minutes that end before a moment; their names. Hours are kept.

    A range that somebody is reading is left to the next call.
    """
    dropped = []
    for table in _TABLES:
        over = [known for known in await list_ranges(connection, table) if known.end <= moment]
        dropped += [known.name for known in over if await _drop(connection, table, known, only_empty=False)]
    await connection.execute("delete from reading_block where hour < $1", moment - timedelta(hours=1))
    return dropped


async def drop_empty(connection: Connection, now: datetime) -> list[str]:
    """Drop ranges of readings that are over for a week and hold none; their names."""
    over = [known for known in await list_ranges(connection, READING) if known.end <= now - _KEEP_EMPTY]
    return [known.name for known in over if await _drop(connection, READING, known, only_empty=True)]


async def _drop(connection: Connection, table: PartitionedTable, known: Range, *, only_empty: bool) -> bool:
    try:
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(f"lock table {known.name} in access exclusive mode")
            if only_empty and await connection.fetchval(f"select exists (select from {known.name})"):
                return False
            if (await detect_edition(connection)).has_hypertables:
                await connection.execute(
                    "select drop_chunks($1::regclass, older_than => $2::timestamptz, newer_than => $3::timestamptz)",
                    table.name,
                    known.end,
                    known.start,
                )
            else:
                await connection.execute(f"drop table {known.name}")
    except asyncpg.LockNotAvailableError:
        return False
    return True


async def forget_older_than(connection: Connection, moments: Mapping[str, datetime]) -> int:
    """Delete readings and minutes of tenants (by key) that keep them for a shorter time than the installation.

    How many rows were deleted; hours are kept.
    """
    deleted = 0
    for tenant, moment in moments.items():
        rows = await connection.fetch(
            "select signal.id from signal join tenant on tenant.id = signal.tenant_id where tenant.key = $1", tenant
        )
        signals = [row["id"] for row in rows]
        for table, column in (("reading", "time"), ("reading_block", "hour"), ("reading_1min", "bucket")):
            # A block is of the hour that begins there.
            until = moment - timedelta(hours=1) if table == "reading_block" else moment
            statement = FORGET.format(table=table, column=column)
            while True:
                oldest = await connection.fetchval(OLDEST.format(table=table, column=column), signals)
                if oldest is None or oldest >= until:
                    break
                done = await connection.execute(statement, signals, oldest, min(until, oldest + timedelta(days=1)))
                deleted += int(done.split()[-1])
    return deleted
