"""How far each spool lane is in the table, and what could not be taken as a reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection
from plant import Rejected, to_datetime

POSITIONS = """
select lane, segment, byte_offset, committed_readings, stored_readings, quarantined from spool_position
"""
# The server's clock, and when a lane was last moved on.
CLOCK = "select clock_timestamp() as now, max(committed_at) as committed_at from spool_position"

# Moves a lane on, in the transaction of its readings. A position never goes back.
MOVE = """
insert into spool_position (lane, segment, byte_offset, committed_readings, stored_readings, quarantined)
values ($1, $2, $3, $4, $5, $6)
on conflict (lane) do update
set segment = excluded.segment, byte_offset = excluded.byte_offset,
    committed_readings = spool_position.committed_readings + excluded.committed_readings,
    stored_readings = spool_position.stored_readings + excluded.stored_readings,
    quarantined = spool_position.quarantined + excluded.quarantined,
    committed_at = now()
"""
# Where a lane stands, held until the transaction ends: two writers on one lane take turns and see it.
LOCKED_POSITION = "select segment, byte_offset from spool_position where lane = $1 for update"

# A lane that nobody has moved yet: whoever comes second waits here for the first.
BEGIN_LANE = "insert into spool_position (lane, segment, byte_offset) values ($1, 0, 0) on conflict do nothing"

QUARANTINE = """
insert into quarantine (tenant_id, received_at, source, address, reason, detail, raw)
values ($1, $2, $3, $4, $5, $6, $7)
"""


@dataclass(frozen=True, slots=True)
class Position:
    """A lane's place in its spool, and its counts since ever.

    committed_readings: taken from the spool; stored_readings: of those, new to the table
    """

    segment: int = 0
    byte_offset: int = 0
    committed_readings: int = 0
    stored_readings: int = 0
    quarantined: int = 0


async def load_positions(connection: Connection) -> dict[str, Position]:
    """Positions of all lanes."""
    return {row["lane"]: Position(*list(row.values())[1:]) for row in await connection.fetch(POSITIONS)}


async def read_clock(connection: Connection) -> tuple[datetime, datetime | None]:
    """(the server's time, when something was last committed)."""
    row = await connection.fetchrow(CLOCK)
    return row["now"], row["committed_at"]


async def locked_position(connection: Connection, lane: str) -> tuple[int, int]:
    """(segment, byte offset) of a lane, locked for this transaction; (0, 0) for a new one."""
    row = await connection.fetchrow(LOCKED_POSITION, lane)
    if row is None:
        await connection.execute(BEGIN_LANE, lane)
        row = await connection.fetchrow(LOCKED_POSITION, lane)
    return row["segment"], row["byte_offset"]


async def move_position(
    connection: Connection, lane: str, segment: int, byte_offset: int, committed: int, stored: int, quarantined: int
) -> None:
    """Set a lane's place and add to its counts."""
    await connection.execute(MOVE, lane, segment, byte_offset, committed, stored, quarantined)


async def quarantine(connection: Connection, tenant_id: int, rejected: Sequence[Rejected]) -> None:
    """Keep what could not be taken as a reading."""
    await connection.executemany(
        QUARANTINE,
        [
            (
                tenant_id,
                to_datetime(entry.received_at),
                *(text.replace("\x00", "\\0") for text in (entry.source, entry.address, entry.reason, entry.detail)),
                entry.raw,
            )
            for entry in rejected
        ],
    )
