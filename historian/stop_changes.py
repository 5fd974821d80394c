"""Stops that people cut in two, join, and give a reason and phases; and what they add up to by reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from historian.database import Connection

ONE = """
select started_at, ended_at, latest_end from downtime_event where id = $1 for update
"""
MARK = """
update downtime_event set detected_at = coalesce($2, detected_at), notified_at = coalesce($3, notified_at),
    responded_at = coalesce($4, responded_at), repaired_at = coalesce($5, repaired_at)
where id = $1 returning id
"""
CUT = """
update downtime_event set ended_at = $2, latest_end = null, edited_by = $3,
    detected_at = case when detected_at <= $2 then detected_at end,
    notified_at = case when notified_at <= $2 then notified_at end,
    responded_at = case when responded_at <= $2 then responded_at end,
    repaired_at = case when repaired_at <= $2 then repaired_at end
where id = $1
"""
REST = """
insert into downtime_event (tenant_id, machine_id, started_at, ended_at, latest_end, planned, reason, reason_key,
    failure_mode, edited_by)
select tenant_id, machine_id, $2, $3, $5, planned, reason, reason_key, failure_mode, $4 from downtime_event
where id = $1
returning id
"""
SOME = """
select id, machine_id, started_at, ended_at, latest_end from downtime_event
where id = any($1) order by started_at for update
"""
BETWEEN = """
select exists (
    select from downtime_event where machine_id = $1 and started_at > $2 and started_at < $3 and not (id = any($4))
)
"""
DROP = "delete from downtime_event where id = any($1)"
EXTEND = "update downtime_event set ended_at = $2, latest_end = $4, edited_by = $3 where id = $1"
# Unplanned stops of a period by reason, clipped to it; those that last count until now (index downtime_by_time).
BY_REASON = """
select case when whole < $3 then 'micro_stop' else coalesce(reason_key, 'unexplained') end as reason,
    count(*)::int as stops, (sum(inside) / 3600)::float8 as hours, (sum(inside / 3600 * rate))::float8 as cost
from (
    select event.reason_key, machine.downtime_cost_per_h as rate,
        extract(epoch from coalesce(ended_at, now()) - started_at) as whole,
        extract(epoch from least(coalesce(ended_at, now()), $2) - greatest(started_at, $1)) as inside
    from downtime_event event
    join machine on machine.id = event.machine_id join site on site.id = machine.site_id
    where not planned and started_at < $2 and coalesce(ended_at, now()) > $1
        and ($4::text is null or site.key = $4) and ($5::int is null or machine.id = $5)
) as stop
group by 1
"""


class StopError(ValueError):
    """A stop cannot be cut or joined as asked for; says why in English, and in Chinese."""

    def __init__(self, text: str, text_zh: str) -> None:
        super().__init__(text)
        self.text_zh = text_zh


@dataclass(frozen=True, slots=True)
class StopShare:
    """Unplanned stops of one reason in a period; cost in the machines' currency."""

    reason: str
    stops: int
    hours: float
    cost: float


async def mark_phases(connection: Connection, event_id: int, marks: Sequence[datetime | None]) -> bool:
    """Note detected, notified, responded, repaired (None: as it was); False where there is no such stop.

    Raises :class:`StopError` where they are out of order.
    """
    try:
        return await connection.fetchval(MARK, event_id, *marks) is not None
    except asyncpg.CheckViolationError:
        raise StopError(
            f"stop {event_id}: it begins, is detected, notified, responded to and repaired in this order",
            "时间须按顺序：开始、发现、通知、响应、修复",
        ) from None


async def split_stop(connection: Connection, event_id: int, at: datetime, user: str) -> int | None:
    """Cut a stop in two; the id of the second, None where there is no such stop.

    Raises :class:`StopError` where it lasts, or the moment is not inside of it.
    """
    stop = await connection.fetchrow(ONE, event_id)
    if stop is None:
        return None
    if stop["ended_at"] is None:
        raise StopError(f"stop {event_id} lasts: it can be split when it has ended", "停机尚未结束，结束后才能拆分")
    if not stop["started_at"] < at < stop["ended_at"]:
        raise StopError(f"{at.isoformat()} is not inside of stop {event_id}", "该时刻不在停机时段内")
    await connection.execute(CUT, event_id, at, user)
    second: int = await connection.fetchval(REST, event_id, at, stop["ended_at"], user, stop["latest_end"])
    return second


async def merge_stops(connection: Connection, event_ids: Sequence[int], user: str) -> int | None:
    """Join stops of one machine into the first of them; its id, None where one of them is not there.

    Raises :class:`StopError` where they are of several machines, one lasts, or another stop lies between them.
    """
    stops = await connection.fetch(SOME, list(event_ids))
    if len(stops) != len(set(event_ids)):
        return None
    first, last = stops[0], stops[-1]
    if len({stop["machine_id"] for stop in stops}) > 1:
        raise StopError("stops of several machines cannot be one", "不同设备的停机不能合并")
    if any(stop["ended_at"] is None for stop in stops):
        raise StopError("a stop that lasts can be merged when it has ended", "停机尚未结束，结束后才能合并")
    ids = [stop["id"] for stop in stops]
    if await connection.fetchval(BETWEEN, first["machine_id"], first["started_at"], last["started_at"], ids):
        raise StopError("another stop lies between them: name it as well", "其间还有其他停机记录，请一并选择")
    await connection.execute(DROP, ids[1:])
    await connection.execute(EXTEND, first["id"], last["ended_at"], user, last["latest_end"])
    merged: int = first["id"]
    return merged


async def stops_by_reason(
    connection: Connection,
    start: datetime,
    end: datetime,
    micro_s: float,
    *,
    site: str | None = None,
    machine: int | None = None,
) -> list[StopShare]:
    """Unplanned stops that touch [start, end) by reason; those shorter than ``micro_s`` as ``micro_stop``."""
    return [StopShare(*row.values()) for row in await connection.fetch(BY_REASON, start, end, micro_s, site, machine)]
