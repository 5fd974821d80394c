"""Time ranges of the big tables: partitions made ahead and on demand, dropped by retention.

On TimescaleDB chunks come by themselves and only retention is left to do.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from historian.database import Connection, detect_edition
from plant import MICROSECONDS, to_datetime, to_microseconds

_LOCK = 0x1B_9A47
_AHEAD = timedelta(days=3)

# Partitions of one table that exist (catalogue only).
EXISTING = """
select child.relname from pg_inherits
join pg_class child on child.oid = inhrelid join pg_class parent on parent.oid = inhparent
where parent.relname = $1
"""


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """A table in ranges of ``width_s`` seconds, aligned to 1970-01-01 UTC."""

    name: str
    column: str
    width_s: int


READING = PartitionedTable("reading", "time", 86_400)
READING_1MIN = PartitionedTable("reading_1min", "bucket", 7 * 86_400)
_TABLES = (READING, READING_1MIN)


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


async def _create(connection: Connection, table: PartitionedTable, numbers: list[int]) -> None:
    async with connection.transaction():
        # Two writers must not make the same one; readers and writers of the table are not held up, because
        # attaching, unlike creating in place, does not lock them out.
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        existing = {row["relname"] for row in await connection.fetch(EXISTING, table.name)}
        for number in numbers:
            start = to_datetime(number * table.width_s * MICROSECONDS)
            end = start + timedelta(seconds=table.width_s)
            name = f"{table.name}_p{start:%Y%m%d}"
            if name in existing:
                continue
            await connection.execute(f"create table {name} (like {table.name} including all)")
            await connection.execute(
                f"alter table {table.name} attach partition {name} "
                f"for values from ('{start.isoformat()}') to ('{end.isoformat()}')"
            )


async def prepare_ahead(connection: Connection) -> None:
    """Make the partitions of the next days, so that no reading has to wait for one."""
    now = datetime.now(UTC)
    for table in _TABLES:
        await PartitionKeeper().ensure(connection, table, to_microseconds(now), to_microseconds(now + _AHEAD))


async def drop_older_than(connection: Connection, moment: datetime) -> list[str]:
    """Drop the ranges of readings and minutes that end before a moment; their names. Hours are kept."""
    if (await detect_edition(connection)).has_hypertables:
        dropped = []
        for table in _TABLES:
            rows = await connection.fetch(
                "select drop_chunks($1::regclass, older_than => $2::timestamptz)", table.name, moment
            )
            dropped += [str(row[0]) for row in rows]
        return dropped
    dropped = []
    for table in _TABLES:
        for row in await connection.fetch(EXISTING, table.name):
            start = datetime.strptime(row["relname"].rpartition("_p")[2], "%Y%m%d").replace(tzinfo=UTC)
            if start + timedelta(seconds=table.width_s) <= moment:
                await connection.execute(f"drop table {row['relname']}")
                dropped.append(row["relname"])
    return dropped
