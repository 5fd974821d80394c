"""Stops: listed, and given their reason."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from api.context import TenantConnection
from api.identity import Engineer
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import PlannedStop, add_planned_stop, list_downtime, set_reason

router = APIRouter(tags=["downtime"])


class Downtime(BaseModel):
    """A stop; ``ended_at`` is null while it lasts, ``failure_mode`` is the finding that preceded it."""

    id: int
    machine: str
    machine_id: int
    site: str
    started_at: datetime
    ended_at: datetime | None
    planned: bool
    reason: str | None
    reason_by: str | None
    failure_mode: str | None
    downtime_cost_per_h: float
    currency: str


class Reason(BaseModel):
    """What a person says of a stop."""

    reason: str | None = Field(None, max_length=500)
    planned: bool | None = None


class NewPlannedStop(BaseModel):
    """Time in which a site, or one of its machines, is not meant to run."""

    site: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    machine: int | None = None
    reason: str = ""


class Created(BaseModel):
    """The id of what was made."""

    id: int


@router.get("/downtime")
async def downtime(
    connection: TenantConnection, machine: int | None = None, limit: Limit = 100, cursor: Cursor = None
) -> Page[Downtime]:
    """Stops, newest first."""
    rows = await list_downtime(connection, machine_id=machine, after=decode_time_cursor(cursor), limit=limit + 1)
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[Downtime.model_validate(row, from_attributes=True) for row in page],
        next_cursor=encode_cursor(page[-1].started_at.isoformat(), page[-1].id) if more else None,
    )


@router.patch("/downtime/{event_id}", status_code=204)
async def change_downtime(connection: TenantConnection, user: Engineer, event_id: int, body: Reason) -> None:
    """Give a stop its reason, or say that it was planned."""
    if not await set_reason(connection, event_id, user.name, reason=body.reason, planned=body.planned):
        raise not_found("stop", event_id)


@router.post("/planned-stops", status_code=201)
async def plan_stop(connection: TenantConnection, user: Engineer, body: NewPlannedStop) -> Created:
    """Plan a stop."""
    if body.ended_at <= body.started_at:
        raise Problem(422, "ended_at must be after started_at.")
    stop = PlannedStop(body.site, body.started_at, body.ended_at, body.machine, body.reason)
    stop_id = await add_planned_stop(connection, user.tenant_id, stop)
    if stop_id is None:
        raise not_found("site", body.site)
    return Created(id=stop_id)
