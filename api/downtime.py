"""Stops: listed, given their reason and phases, cut and joined; the shifts of a site."""

from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from analytics import MICRO_STOP_S, pareto, phases
from api.context import TenantConnection
from api.identity import Engineer, Viewer
from api.machines import check_period
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import (
    DowntimeRow,
    PlannedStop,
    ShiftRow,
    StopError,
    add_planned_stop,
    list_downtime,
    list_shifts,
    mark_phases,
    merge_stops,
    set_reason,
    set_shifts,
    split_stop,
    stops_by_reason,
)
from plant import reason_of, reason_tree

router = APIRouter(tags=["downtime"])

_MARKS = ("detected_at", "notified_at", "responded_at", "repaired_at")


class Phase(BaseModel):
    """A part of a stop; of several phases where nobody noted the moment between them."""

    names: list[str]
    seconds: float


class Downtime(BaseModel):
    """A stop; ``ended_at`` is null while it lasts, ``failure_mode`` is the finding that preceded it.

    earliest_start, latest_end: where no data came before or after it, since when and until when it may have lasted;
    seen_again: the stop before it goes on after a time without data
    """

    id: int
    machine: str
    machine_id: int
    site: str
    started_at: datetime
    ended_at: datetime | None
    earliest_start: datetime | None
    latest_end: datetime | None
    seen_again: bool
    planned: bool
    reason: str | None
    reason_by: str | None
    failure_mode: str | None
    downtime_cost_per_h: float
    currency: str
    reason_key: str | None
    proposed_reason: str | None
    micro_stop: bool
    detected_at: datetime | None
    notified_at: datetime | None
    responded_at: datetime | None
    repaired_at: datetime | None
    phases: list[Phase]


class Reason(BaseModel):
    """What a person says of a stop: a reason of the tree, a note, whether it was planned, and when what happened."""

    reason_key: str | None = Field(None, description="of GET /api/v1/downtime/reasons; decides whether it was planned")
    reason: str | None = Field(None, max_length=500)
    planned: bool | None = None
    detected_at: AwareDatetime | None = None
    notified_at: AwareDatetime | None = None
    responded_at: AwareDatetime | None = None
    repaired_at: AwareDatetime | None = None


class Split(BaseModel):
    """Where to cut a stop."""

    at: AwareDatetime


class Merge(BaseModel):
    """Stops of one machine that were one."""

    ids: list[int] = Field(min_length=2, max_length=100)


class ReasonNode(BaseModel):
    """A reason of the tree."""

    key: str
    parent: str | None
    name_en: str
    name_zh: str
    planned: bool


class ParetoRow(BaseModel):
    """Unplanned stops of one reason; share of all unplanned hours, and shares added up."""

    reason: str
    branch: str
    name_en: str
    name_zh: str
    stops: int
    hours: float
    cost: float
    share: float
    running: float


class Shift(BaseModel):
    """A shift in the site's local time; one that does not end after its start ends on the next day."""

    name: str = Field(min_length=1, max_length=50)
    weekdays: list[int] = Field(min_length=1, description="on which it starts, 1 is Monday")
    starts: time
    ends: time


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
    connection: TenantConnection,
    site: str | None = None,
    machine: int | None = None,
    unexplained: Annotated[bool, Query(description="only unplanned ones without a reason")] = False,
    micro_stops: Annotated[bool, Query(description="also those shorter than five minutes")] = True,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Downtime]:
    """Stops, newest first; with ``unexplained`` those that still want a reason."""
    rows = await list_downtime(
        connection,
        site=site,
        machine_id=machine,
        after=decode_time_cursor(cursor),
        limit=limit + 1,
        unexplained=unexplained,
        least_s=0.0 if micro_stops else MICRO_STOP_S,
    )
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[_stop(row) for row in page],
        next_cursor=encode_cursor(page[-1].started_at.isoformat(), page[-1].id) if more else None,
    )


def _stop(row: DowntimeRow) -> Downtime:
    end = row.ended_at or datetime.now(UTC)
    marks = [getattr(row, name) for name in _MARKS]
    return Downtime(
        **{name: getattr(row, name) for name in Downtime.model_fields if hasattr(row, name)},
        proposed_reason=None if row.reason_key else reason_of(row.failure_mode),
        micro_stop=(end - row.started_at).total_seconds() < MICRO_STOP_S,
        phases=[Phase(names=list(part.names), seconds=part.seconds) for part in phases(row.started_at, end, marks)],
    )


def _problem(status: int, problem: StopError, field: str = "") -> Problem:
    return Problem(status, f"{problem}.", detail_zh=f"{problem.text_zh}。", field=field)


@router.get("/downtime/reasons")
async def reasons(_user: Viewer) -> list[ReasonNode]:
    """The reason tree, parents before their children."""
    return [ReasonNode.model_validate(reason, from_attributes=True) for reason in reason_tree().values()]


@router.get("/downtime/pareto")
async def downtime_pareto(
    connection: TenantConnection,
    start: AwareDatetime,
    end: AwareDatetime,
    site: str | None = None,
    machine: int | None = None,
) -> list[ParetoRow]:
    """Unplanned stops by reason, the costliest hours first; micro-stops and those without a reason apart."""
    check_period(start, end)
    shares = await stops_by_reason(connection, start, end, MICRO_STOP_S, site=site, machine=machine)
    return [ParetoRow.model_validate(row, from_attributes=True) for row in pareto(shares)]


@router.patch("/downtime/{event_id}", status_code=204)
async def change_downtime(connection: TenantConnection, user: Engineer, event_id: int, body: Reason) -> None:
    """Give a stop its reason, say that it was planned, or when it was detected, notified, responded to, repaired."""
    planned = body.planned
    if body.reason_key is not None:
        if body.reason_key not in reason_tree():
            raise Problem(422, f"reason_key must be one of {', '.join(reason_tree())}.")
        planned = reason_tree()[body.reason_key].planned
    if not await set_reason(
        connection, event_id, user.name, reason=body.reason, planned=planned, reason_key=body.reason_key
    ):
        raise not_found("stop", event_id)
    marks = [getattr(body, name) for name in _MARKS]
    if any(marks):
        try:
            await mark_phases(connection, event_id, marks)
        except StopError as problem:
            raise _problem(422, problem, next(name for name in _MARKS if getattr(body, name) is not None)) from None


@router.post("/downtime/{event_id}/split", status_code=201)
async def split(connection: TenantConnection, user: Engineer, event_id: int, body: Split) -> Created:
    """Cut a stop in two; the id of the second."""
    try:
        second = await split_stop(connection, event_id, body.at, user.name)
    except StopError as problem:
        raise _problem(409, problem, "at") from None
    if second is None:
        raise not_found("stop", event_id)
    return Created(id=second)


@router.post("/downtime/merge")
async def merge(connection: TenantConnection, user: Engineer, body: Merge) -> Created:
    """Join stops of one machine into the first of them; its id."""
    try:
        merged = await merge_stops(connection, body.ids, user.name)
    except StopError as problem:
        raise _problem(409, problem) from None
    if merged is None:
        raise not_found("stop", ", ".join(map(str, body.ids)))
    return Created(id=merged)


@router.get("/sites/{site}/shifts")
async def shifts(connection: TenantConnection, site: str) -> list[Shift]:
    """The shifts in which a site works; none: it always does."""
    return [Shift.model_validate(row, from_attributes=True) for row in await list_shifts(connection, site)]


@router.put("/sites/{site}/shifts", status_code=204)
async def put_shifts(connection: TenantConnection, _user: Engineer, site: str, body: list[Shift]) -> None:
    """Put these shifts in place of a site's. What lies outside of them is planned standstill from then on."""
    if any(not 1 <= day <= 7 for shift in body for day in shift.weekdays):
        raise Problem(422, "weekdays are 1 (Monday) to 7 (Sunday).")
    if len({shift.name for shift in body}) < len(body):
        raise Problem(422, "Two shifts have the same name.")
    rows = [ShiftRow(site, "", shift.name, sorted(set(shift.weekdays)), shift.starts, shift.ends) for shift in body]
    if not await set_shifts(connection, site, rows):
        raise not_found("site", site)


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
