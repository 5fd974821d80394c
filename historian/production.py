"""What machines made: pieces counted over a time, for performance, quality and OEE. On a tenant's connection."""

from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection

ADD = """
insert into production_count (tenant_id, machine_id, started_at, ended_at, pieces, good, ideal_s)
select tenant_id, id, $2, $3, $4, $5, $6 from machine where id = $1
on conflict (machine_id, started_at) do update
set ended_at = excluded.ended_at, pieces = excluded.pieces, good = excluded.good, ideal_s = excluded.ideal_s
returning machine_id
"""


@dataclass(frozen=True, slots=True)
class Production:
    """Pieces of a machine in [started_at, ended_at); ideal_s: planned run time of one piece [s]."""

    machine_id: int
    started_at: datetime
    ended_at: datetime
    pieces: float
    good: float
    ideal_s: float


async def add_production(connection: Connection, made: Production) -> bool:
    """Keep a count, or correct the one that began at that moment; False where there is no such machine."""
    found = await connection.fetchval(
        ADD, made.machine_id, made.started_at, made.ended_at, made.pieces, made.good, made.ideal_s
    )
    return found is not None
