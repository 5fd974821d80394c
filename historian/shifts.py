"""Shifts of sites and the baseline that their KPIs are compared with. On a tenant's connection, or the service's."""

from dataclasses import dataclass
from datetime import datetime, time

from historian.database import Connection

SITES = """
select key, time_zone, baseline_start, baseline_end from site where ($1::text is null or key = $1) order by key
"""
SHIFTS = """
select site.key as site, site.time_zone, shift.name, shift.weekdays, shift.starts, shift.ends
from shift join site on site.id = shift.site_id
where ($1::text is null or site.key = $1) order by site.key, shift.starts, shift.name
"""
SHIFTS_OF = """
select site.key as site, site.time_zone, shift.name, shift.weekdays, shift.starts, shift.ends
from machine join site on site.id = machine.site_id join shift on shift.site_id = site.id
where machine.id = $1 order by shift.starts
"""
CLEAR = "delete from shift where site_id = (select id from site where key = $1)"
ADD = """
insert into shift (tenant_id, site_id, name, weekdays, starts, ends)
select tenant_id, id, $2, $3, $4, $5 from site where key = $1
"""
SET_BASELINE = "update site set baseline_start = $2, baseline_end = $3 where key = $1 returning id"


@dataclass(frozen=True, slots=True)
class SiteCalendar:
    """A site's zone and baseline; both ends of the baseline are None where nobody has set one."""

    key: str
    time_zone: str
    baseline_start: datetime | None
    baseline_end: datetime | None


@dataclass(frozen=True, slots=True)
class ShiftRow:
    """A shift in local time; weekdays are those it starts on, 1 is Monday."""

    site: str
    time_zone: str
    name: str
    weekdays: list[int]
    starts: time
    ends: time


async def list_calendars(connection: Connection, site: str | None = None) -> list[SiteCalendar]:
    """Zone and baseline of every site, or of one."""
    return [SiteCalendar(*row.values()) for row in await connection.fetch(SITES, site)]


async def list_shifts(connection: Connection, site: str | None = None) -> list[ShiftRow]:
    """Shifts of every site, or of one."""
    return [ShiftRow(*row.values()) for row in await connection.fetch(SHIFTS, site)]


async def load_shifts_of(connection: Connection, machine_id: int) -> list[ShiftRow]:
    """The shifts in which a machine is meant to run; none: always."""
    return [ShiftRow(*row.values()) for row in await connection.fetch(SHIFTS_OF, machine_id)]


async def set_shifts(connection: Connection, site: str, shifts: list[ShiftRow]) -> bool:
    """Put these shifts in place of a site's; False where there is no such site."""
    if not await list_calendars(connection, site):
        return False
    await connection.execute(CLEAR, site)
    for shift in shifts:
        await connection.execute(ADD, site, shift.name, shift.weekdays, shift.starts, shift.ends)
    return True


async def set_baseline(connection: Connection, site: str, start: datetime, end: datetime) -> bool:
    """Say what a site's KPIs are compared with; False where there is no such site."""
    return await connection.fetchval(SET_BASELINE, site, start, end) is not None
