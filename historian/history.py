"""A past that was recorded elsewhere: what machines did, their failures and the work on them (service role).

Safe to run again: what is there already stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection
from historian.operation import StateRow, replace_states
from plant import WorkRecord

MACHINE_IDS = """
select machine.code, machine.id from machine join site on site.id = machine.site_id
where machine.tenant_id = $1 and site.key = $2
"""
FAILURE = """
insert into downtime_event (tenant_id, machine_id, started_at, ended_at, planned, reason, reason_by)
values ($1, $2, $3, $4, false, $5, 'import')
on conflict do nothing
"""
WORK = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, labour_h, labour_rate,
    parts_cost, found)
select $1, $2, $3, 'done', $4, $5, $6, $7, $8, $9, $10
where not exists (
    select from work_order where machine_id = $2 and title = $4 and opened_at = $5 and closed_at = $6
)
"""
SEEN = "select exists (select from machine_state where machine_id = $1)"


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """A failure: an unplanned stop. Where its length is not known, it ends when it began."""

    machine: str
    started_at: datetime
    ended_at: datetime
    reason: str


async def import_history(
    connection: Connection,
    tenant_id: int,
    site: str,
    states: dict[str, list[StateRow]],
    failures: Sequence[FailureRecord],
    work: Sequence[WorkRecord],
) -> None:
    """Keep states, failures and jobs of a site's machines; ``KeyError`` names a machine that is not registered.

    States of a machine that has some already are left out.
    """
    ids = {row["code"]: row["id"] for row in await connection.fetch(MACHINE_IDS, tenant_id, site)}
    async with connection.transaction():
        for machine, rows in states.items():
            if not await connection.fetchval(SEEN, ids[machine]):
                await replace_states(connection, ids[machine], tenant_id, rows)
        await connection.executemany(
            FAILURE,
            [(tenant_id, ids[entry.machine], entry.started_at, entry.ended_at, entry.reason) for entry in failures],
        )
        await connection.executemany(
            WORK,
            [
                (
                    tenant_id,
                    ids[job.machine],
                    job.kind,
                    job.title,
                    job.opened_at,
                    job.closed_at,
                    job.labour_h,
                    job.labour_rate,
                    job.parts_cost,
                    job.found,
                )
                for job in work
            ],
        )
