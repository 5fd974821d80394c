"""Work orders: opened from a finding or by hand, closed with what was found and what it cost."""

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.context import TenantConnection
from api.identity import Engineer
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import NewWorkOrder, WorkOrderError, add_work_order, change_work_order, list_work_orders

router = APIRouter(tags=["work orders"])

Kind = Literal["corrective", "preventive", "condition_based", "inspection"]
State = Literal["open", "in_progress", "done", "cancelled"]


class WorkOrder(BaseModel):
    """A job; costs in the site's currency, hours in h."""

    id: int
    machine: str
    machine_id: int
    site: str
    kind: Kind
    state: State
    title: str
    finding_id: int | None
    assignee: str | None
    opened_at: datetime
    closed_at: datetime | None
    labour_h: float
    labour_rate: float
    parts_cost: float
    found: str


class WorkOrderToOpen(BaseModel):
    """A job to open."""

    machine: int
    kind: Kind = "condition_based"
    title: str = Field(min_length=1, max_length=200)
    finding_id: int | None = None
    assignee: str | None = None


class WorkOrderChange(BaseModel):
    """What changes; what is left out stays."""

    state: State | None = None
    assignee: str | None = None
    labour_h: float | None = Field(None, ge=0)
    labour_rate: float | None = Field(None, ge=0)
    parts_cost: float | None = Field(None, ge=0)
    found: str | None = Field(None, max_length=2000)


@router.get("/work-orders")
async def work_orders(
    connection: TenantConnection,
    machine: int | None = None,
    state: State | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[WorkOrder]:
    """Work orders, newest first."""
    rows = await list_work_orders(
        connection, machine_id=machine, state=state, after=decode_time_cursor(cursor), limit=limit + 1
    )
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[WorkOrder.model_validate(row, from_attributes=True) for row in page],
        next_cursor=encode_cursor(page[-1].opened_at.isoformat(), page[-1].id) if more else None,
    )


@router.post("/work-orders", status_code=201)
async def open_work_order(connection: TenantConnection, _user: Engineer, body: WorkOrderToOpen) -> WorkOrder:
    """Open a job."""
    new = NewWorkOrder(body.machine, body.kind, body.title, body.finding_id, body.assignee)
    row = await add_work_order(connection, new)
    if row is None:
        raise not_found("machine", body.machine)
    return WorkOrder.model_validate(row, from_attributes=True)


@router.patch("/work-orders/{order_id}")
async def change(connection: TenantConnection, _user: Engineer, order_id: int, body: WorkOrderChange) -> WorkOrder:
    """Change a job: open -> in_progress -> done or cancelled."""
    try:
        row = await change_work_order(connection, order_id, **body.model_dump())
    except WorkOrderError as problem:
        raise Problem(409, f"{problem}.") from None
    if row is None:
        raise not_found("work order", order_id)
    return WorkOrder.model_validate(row, from_attributes=True)
