"""Alarms (ISA-18.2): active or cleared, acknowledged, shelved."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from api.context import TenantConnection
from api.identity import Engineer
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import AlarmRow, Connection, acknowledge_alarm, get_alarm, list_alarms, shelve_alarm
from plant import template_library

router = APIRouter(tags=["alarms"])


class LimitRow(BaseModel):
    """The limit that made an alarm, as it was then: delay in s, deadband in ``unit``.

    verified: whether someone with the standard's text has signed the number
    """

    indicator: str
    unit: str
    above: bool
    delay_s: float
    deadband: float
    standard: str
    edition: str
    source: str
    verified: bool


class Alarm(BaseModel):
    """An alarm; ``value`` is the worst since it was raised, in ``unit``. ``limit`` is null where nobody kept it."""

    id: int
    machine: str
    machine_id: int
    site: str
    limit_key: str
    name_en: str
    name_zh: str
    standard: str
    unit: str
    template_version: int
    limit: LimitRow | None
    severity: str
    raised_at: datetime
    cleared_at: datetime | None
    threshold: float | None
    value: float | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None
    shelved_until: datetime | None
    shelved_by: str | None


class Acknowledgement(BaseModel):
    """What a person says while acknowledging."""

    note: str | None = Field(None, max_length=2000)


class Shelving(BaseModel):
    """Until when an alarm is put aside."""

    until: AwareDatetime


def to_alarm(row: AlarmRow) -> Alarm:
    """A stored alarm with the limit that made it."""
    kept = row.limit_row or _limit_row(row)
    return Alarm(
        id=row.id,
        machine=row.machine,
        machine_id=row.machine_id,
        site=row.site,
        limit_key=row.limit_key,
        name_en=kept.get("name_en", row.limit_key),
        name_zh=kept.get("name_zh", row.limit_key),
        standard=kept.get("cited", ""),
        unit=kept.get("unit", ""),
        template_version=row.template_version,
        limit=LimitRow.model_validate(kept) if kept else None,
        severity=row.severity,
        raised_at=row.raised_at,
        cleared_at=row.cleared_at,
        threshold=row.threshold,
        value=row.value,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        note=row.acknowledge_note,
        shelved_until=row.shelved_until,
        shelved_by=row.shelved_by,
    )


def _limit_row(row: AlarmRow) -> dict[str, Any]:
    """The limit of an alarm that was raised before limits were kept; nothing where the template has changed since."""
    template = template_library().get(row.template)
    if template is None or template.version != row.template_version:
        return {}
    limits = {entry.limit.key: entry for entry in template.resolved_limits(template.complete_nameplate({}))}
    return limits[row.limit_key].row() if row.limit_key in limits else {}


@router.get("/alarms")
async def alarms(
    connection: TenantConnection,
    machine: int | None = None,
    active: bool | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Alarm]:
    """Alarms, newest first."""
    rows = await list_alarms(
        connection, machine_id=machine, is_active=active, after=decode_time_cursor(cursor), limit=limit + 1
    )
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[to_alarm(row) for row in page],
        next_cursor=encode_cursor(page[-1].raised_at.isoformat(), page[-1].id) if more else None,
    )


@router.post("/alarms/{alarm_id}/acknowledge")
async def acknowledge(
    connection: TenantConnection, user: Engineer, alarm_id: int, body: Acknowledgement | None = None
) -> Alarm:
    """Say that a person has seen it; the first one counts."""
    if not await acknowledge_alarm(connection, alarm_id, user.name, body.note if body else None):
        raise not_found("alarm", alarm_id)
    return await _alarm(connection, alarm_id)


@router.post("/alarms/{alarm_id}/shelve")
async def shelve(connection: TenantConnection, user: Engineer, alarm_id: int, body: Shelving) -> Alarm:
    """Put it aside until a time."""
    if body.until <= datetime.now(UTC):
        raise Problem(422, "until must be in the future.")
    if not await shelve_alarm(connection, alarm_id, body.until, user.name):
        raise not_found("alarm", alarm_id)
    return await _alarm(connection, alarm_id)


async def _alarm(connection: Connection, alarm_id: int) -> Alarm:
    row = await get_alarm(connection, alarm_id)
    if row is None:
        raise not_found("alarm", alarm_id)
    return to_alarm(row)
