"""Stops as people see them: listed, given a reason, planned ahead. On a tenant's connection."""

from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection

# Stops, newest first, after a cursor (index downtime_by_time).
LIST = """
select event.id, machine.id as machine_id, machine.code as machine, site.key as site, event.started_at, event.ended_at,
    event.planned, event.reason, event.reason_by, event.failure_mode, machine.downtime_cost_per_h,
    site.currency, event.reason_key, event.edited_by, event.detected_at, event.notified_at, event.responded_at,
    event.repaired_at, event.earliest_start, event.latest_end, event.seen_again
from downtime_event event
join machine on machine.id = event.machine_id join site on site.id = machine.site_id
where ($1::int is null or machine.id = $1)
    and ($2::timestamptz is null or (event.started_at, event.id) < ($2, $3::bigint))
    and (not $5 or not event.planned and event.reason_key is null and coalesce(event.reason, '') = '')
    and ($6::text is null or site.key = $6)
    and ($7::float8 = 0 or coalesce(event.ended_at, now()) - event.started_at >= make_interval(secs => $7))
order by event.started_at desc, event.id desc limit $4
"""
SET_REASON = """
update downtime_event set reason = coalesce($2, reason), reason_by = $3, planned = coalesce($4, planned),
    reason_key = coalesce($5, reason_key)
where id = $1 returning id
"""
ADD_PLANNED = """
insert into planned_stop (tenant_id, site_id, machine_id, started_at, ended_at, reason)
select $1, site.id, $3, $4, $5, $6 from site
where site.key = $2 and ($3::int is null or exists (select from machine where id = $3 and site_id = site.id))
returning id
"""


@dataclass(frozen=True, slots=True)
class DowntimeRow:
    """A stop; ``ended_at`` is None while it lasts.

    earliest_start, latest_end: where no data came before or after it, since when and until when it may have lasted;
    seen_again: the stop before it goes on after a time without data
    """

    id: int
    machine_id: int
    machine: str
    site: str
    started_at: datetime
    ended_at: datetime | None
    planned: bool
    reason: str | None
    reason_by: str | None
    failure_mode: str | None
    downtime_cost_per_h: float
    currency: str
    reason_key: str | None = None
    edited_by: str | None = None
    detected_at: datetime | None = None
    notified_at: datetime | None = None
    responded_at: datetime | None = None
    repaired_at: datetime | None = None
    earliest_start: datetime | None = None
    latest_end: datetime | None = None
    seen_again: bool = False


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """Time in which a site, or one of its machines, is not meant to run."""

    site: str
    started_at: datetime
    ended_at: datetime
    machine_id: int | None = None
    reason: str = ""


async def list_downtime(
    connection: Connection,
    *,
    site: str | None = None,
    machine_id: int | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
    unexplained: bool = False,
    least_s: float = 0.0,
) -> list[DowntimeRow]:
    """Stops, newest first; unexplained: only unplanned ones without a reason; least_s: only those that last so long.

    after: (started_at, id) of the last row of the page before
    """
    moment, last_id = after or (None, None)
    arguments = (machine_id, moment, last_id, limit, unexplained, site, least_s)
    return [DowntimeRow(*row.values()) for row in await connection.fetch(LIST, *arguments)]


async def set_reason(
    connection: Connection,
    event_id: int,
    user: str,
    *,
    reason: str | None = None,
    planned: bool | None = None,
    reason_key: str | None = None,
) -> bool:
    """Give a stop its reason, or say that it was planned; False where there is no such stop."""
    return await connection.fetchval(SET_REASON, event_id, reason, user, planned, reason_key) is not None


async def add_planned_stop(connection: Connection, tenant_id: int, stop: PlannedStop) -> int | None:
    """Plan a stop; its id, None where site or machine are not known."""
    stop_id: int | None = await connection.fetchval(
        ADD_PLANNED, tenant_id, stop.site, stop.machine_id, stop.started_at, stop.ended_at, stop.reason
    )
    return stop_id
