"""Work orders: opened from a finding or by hand, closed with what was found and what it cost."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from api.context import TenantConnection
from api.findings import Verdict
from api.identity import Engineer, Viewer
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import (
    Connection,
    NewWorkOrder,
    WorkOrderError,
    WorkOrderRoleError,
    add_work_order,
    change_work_order,
    get_finding,
    get_work_order,
    list_steps,
    list_work_orders,
    maintenance,
)
from plant import fault_library, work_states, work_steps

router = APIRouter(tags=["work orders"])

Kind = Literal["corrective", "preventive", "condition_based", "inspection"]


def _state(key: str) -> str:
    if key not in work_states():
        raise ValueError(f"must be one of {', '.join(work_states())}")
    return key


State = Annotated[str, AfterValidator(_state)]
_REQUEST = Field(None, max_length=100, description="a name of your own: what is sent again by it is noted once")
_NOTES = ("verdict", "found_mode", "checklist", "attachments", "meter_readings")


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
    verdict: Verdict | None = Field(None, description="whether what the finding said was found")
    found_mode: str | None = Field(None, description="the failure mode that was found")
    checklist: list[dict[str, Any]] | None = None
    attachments: list[str] | None = Field(None, description="references; the files lie elsewhere")
    meter_readings: dict[str, float] | None = None


class Step(BaseModel):
    """A step from one state to another, who took it and when."""

    from_state: str
    to_state: str
    taken_by: str
    taken_at: datetime


class WorkState(BaseModel):
    """A state of work orders; is_open: it is being worked on; is_done: its cost counts; next: where it can go.

    next: state -> the least role that may take it there
    """

    key: str
    name_en: str
    name_zh: str
    is_open: bool
    is_done: bool
    next: dict[str, str]


class JobDetail(BaseModel):
    """What a work order holds beside its row: evidence as it was, check list, labour, parts, what was found."""

    evidence: list[dict[str, Any]]
    checklist: list[dict[str, Any]]
    attachments: list[str]
    meter_readings: dict[str, float]
    due_at: datetime | None
    plan_id: int | None
    verdict: str | None
    found_mode: str | None
    labour: list[dict[str, Any]]
    parts: list[dict[str, Any]]
    steps: list[Step]


class FromFinding(BaseModel):
    """Who is to answer a finding."""

    assignee: str | None = None


class Labour(BaseModel):
    """Hours somebody worked on a job, and what an hour costs."""

    person: str = Field(min_length=1, max_length=100)
    hours: float = Field(gt=0)
    rate: float = Field(ge=0)
    request: str | None = _REQUEST


class UsedPart(BaseModel):
    """A spare part taken from stock."""

    part: str
    quantity: float = Field(gt=0)
    request: str | None = _REQUEST


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


@router.get("/work-orders/states")
async def states(_user: Viewer) -> list[WorkState]:
    """The states that a work order goes through, and who may take it from one to which."""
    return [
        WorkState(**state.model_dump(), next={key: step.role for key, step in work_steps(state.key).items()})
        for state in work_states().values()
    ]


@router.post("/work-orders", status_code=201)
async def open_work_order(connection: TenantConnection, _user: Engineer, body: WorkOrderToOpen) -> WorkOrder:
    """Open a job."""
    new = NewWorkOrder(body.machine, body.kind, body.title, body.finding_id, body.assignee)
    row = await add_work_order(connection, new)
    if row is None:
        raise not_found("machine", body.machine)
    return WorkOrder.model_validate(row, from_attributes=True)


@router.patch("/work-orders/{order_id}")
async def change(connection: TenantConnection, user: Engineer, order_id: int, body: WorkOrderChange) -> WorkOrder:
    """Change a job, or take it to its next state (``GET /work-orders/states``); asking again changes nothing."""
    known = await get_work_order(connection, order_id)
    if known is None:
        raise not_found("work order", order_id)
    closing = body.state is not None and work_states()[body.state].is_done and not work_states()[known.state].is_done
    if closing and known.finding_id is not None and not (body.verdict or body.found or known.found):
        raise Problem(
            422,
            "Say what was found: verdict (confirmed, other_fault, nothing_found), found, or both.",
            detail_zh="请填写检查结论或实际发现的问题。",
            field="verdict",
        )
    if body.found_mode is not None and body.found_mode not in fault_library():
        raise Problem(422, f"found_mode must be one of {', '.join(fault_library())}.", field="found_mode")
    changes = body.model_dump()
    notes = {name: changes.pop(name) for name in _NOTES}
    try:
        row = await change_work_order(connection, order_id, **changes, by=user.name, role=user.role)
    except WorkOrderRoleError as problem:
        raise Problem(403, f"{problem}; your role is {user.role}.") from None
    except WorkOrderError as problem:
        raise Problem(409, f"{problem}.", detail_zh="工单当前状态不允许此操作，请刷新页面。") from None
    await maintenance.note_work(connection, order_id, **notes)
    return WorkOrder.model_validate(row, from_attributes=True)


@router.get("/work-orders/{order_id}")
async def work_order(connection: TenantConnection, order_id: int) -> JobDetail:
    """Everything a job holds."""
    job = await maintenance.get_job(connection, order_id)
    if job is None:
        raise not_found("work order", order_id)
    steps = [Step.model_validate(step, from_attributes=True) for step in await list_steps(connection, order_id)]
    held = {name: getattr(job, name) for name in JobDetail.model_fields if name != "steps"}
    return JobDetail(**held, steps=steps)


@router.post("/findings/{finding_id}/work-order", status_code=201)
async def answer_finding(
    connection: TenantConnection, _user: Engineer, finding_id: int, body: FromFinding
) -> WorkOrder:
    """Open the job that answers a finding: with its evidence, its advice as a check list, and its time to act."""
    finding = await get_finding(connection, finding_id)
    if finding is None:
        raise not_found("finding", finding_id)
    order = await open_answer(connection, finding_id, finding.failure_mode, finding.origin, body.assignee)
    if order is None:
        raise Problem(409, f"Finding {finding_id} has a work order already.", detail_zh="该诊断已有工单。")
    return order


async def open_answer(
    connection: Connection, finding_id: int, failure_mode: str, origin: str | None, assignee: str | None = None
) -> WorkOrder | None:
    """The job for a finding; None where it has one already."""
    fault = fault_library().get(failure_mode)
    checklist, title = [], failure_mode
    if fault is not None:
        words = fault.words(origin)
        title = f"{words.name_en} {words.name_zh}"
        pairs = zip((words.first_check_en, *words.advice_en), (words.first_check_zh, *words.advice_zh), strict=False)
        checklist = [{"text_en": english, "text_zh": chinese, "done": False} for english, chinese in pairs]
    order_id = await maintenance.open_from_finding(connection, finding_id, title, assignee, checklist)
    if order_id is None:
        return None
    return WorkOrder.model_validate(await get_work_order(connection, order_id), from_attributes=True)


@router.post("/work-orders/{order_id}/labour", status_code=204)
async def add_labour(connection: TenantConnection, _user: Engineer, order_id: int, body: Labour) -> None:
    """Note hours worked; the job's hours and cost follow."""
    if not await maintenance.add_labour(connection, order_id, body.person, body.hours, body.rate, body.request):
        raise Problem(409, f"Work order {order_id} is not being worked on.", detail_zh="该工单已关闭。")


@router.post("/work-orders/{order_id}/parts", status_code=204)
async def use_part(connection: TenantConnection, _user: Engineer, order_id: int, body: UsedPart) -> None:
    """Take a spare part from stock; the job's cost follows."""
    if not await maintenance.use_part(connection, order_id, body.part, body.quantity, body.request):
        raise Problem(
            409,
            f"There are no {body.quantity:g} of {body.part} in stock, or the job is closed.",
            detail_zh=f"{body.part} 库存不足 {body.quantity:g}，或工单已关闭。",
            field="quantity",
        )
