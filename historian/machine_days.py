"""What machine-days come to: levels by which machines of one type are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from historian.database import Connection

STORE = """
insert into machine_day (machine_id, tenant_id, day, hours, levels) values ($1, $2, $3, $4, $5)
on conflict (machine_id, day) do nothing
"""
# Days of all machines from one on (index machine_day_by_day).
SINCE = "select machine_id, tenant_id, day, hours, levels from machine_day where day >= $1 order by machine_id, day"
FORGET = "delete from machine_day where day < $1"
# Machines of which a person found that a finding of this mode means nothing (index work_order_by_finding).
SOUND = """
select distinct finding.machine_id from work_order join finding on finding.id = work_order.finding_id
where finding.failure_mode = $1 and work_order.state in ('done', 'closed') and work_order.verdict = 'nothing_found'
"""


@dataclass(frozen=True, slots=True)
class MachineDay:
    """A machine's levels on a day (UTC); hours: of which it is known that it ran."""

    machine_id: int
    tenant_id: int
    day: date
    hours: float
    levels: dict[str, float]


async def store_machine_days(connection: Connection, days: Sequence[MachineDay]) -> None:
    """Keep days; those that are there already stay as they are."""
    await connection.executemany(
        STORE, [(one.machine_id, one.tenant_id, one.day, one.hours, one.levels) for one in days]
    )


async def load_machine_days(connection: Connection, since: date) -> list[MachineDay]:
    """Days of all machines from ``since`` on, by machine and day (service role)."""
    return [MachineDay(*row.values()) for row in await connection.fetch(SINCE, since)]


async def forget_machine_days(connection: Connection, before: date) -> None:
    """Drop the days before one; nothing looks at them again (service role)."""
    await connection.execute(FORGET, before)


async def answered_as_sound(connection: Connection, failure_mode: str) -> set[int]:
    """Machines of which a person said that nothing was found, in answer to a finding of this mode (service role)."""
    return {row["machine_id"] for row in await connection.fetch(SOUND, failure_mode)}
