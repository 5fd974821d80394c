"""Planned work, spare parts, and the life of machines."""

from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field

from analytics import due, ordering
from api.context import TenantConnection
from api.identity import Engineer
from api.problems import Problem, not_found
from historian import maintenance

router = APIRouter(tags=["maintenance"])


class PlanToMake(BaseModel):
    """Work that comes back by the calendar, by running hours, or by whichever is first."""

    machine: int
    title: str = Field(min_length=1, max_length=200)
    kind: Literal["preventive", "inspection"] = "preventive"
    every_days: float | None = Field(None, gt=0)
    every_running_h: float | None = Field(None, gt=0)
    checklist: list[str] = []


class PlanState(BaseModel):
    """A plan: ``used`` is 1 when it is due; running_h since it was done last."""

    id: int
    machine: str
    machine_id: int
    site: str
    title: str
    kind: str
    every_days: float | None
    every_running_h: float | None
    since: datetime
    running_h: float
    used: float
    due_at: datetime | None
    open: bool


class Part(BaseModel):
    """A spare part; failure_modes: whose findings ask for it."""

    name: str
    stock: float = Field(ge=0)
    minimum: float = Field(0, ge=0)
    lead_time_days: float = Field(0, ge=0)
    unit_cost: float = Field(0, ge=0)
    failure_modes: list[str] = []


class PartState(Part):
    """A part with what open findings ask for, and whether it must be ordered now."""

    key: str
    wanted: int
    needed_by: datetime | None
    order_now: bool
    order_by: datetime | None
    reason: str
    reason_zh: str


class Life(BaseModel):
    """From commissioning to scrapping; what is left out stays."""

    commissioned_at: AwareDatetime | None = None
    scrapped_at: AwareDatetime | None = None
    replacement_value: float | None = Field(None, ge=0)
    numerically_controlled: bool | None = None


class Document(BaseModel):
    """A document of a machine; reference: where it lies."""

    title: str = Field(min_length=1, max_length=200)
    reference: str = Field(min_length=1, max_length=2000)


@router.get("/maintenance-plans")
async def plans(connection: TenantConnection) -> list[PlanState]:
    """All plans, and how far each is used up."""
    now = datetime.now(UTC)
    found = []
    for plan in await maintenance.list_plans(connection):
        state = due(plan, now)
        values = {name: getattr(plan, name) for name in PlanState.model_fields if hasattr(plan, name)}
        found.append(PlanState(**values, used=state.used, due_at=state.due_at))
    return found


@router.post("/maintenance-plans", status_code=201)
async def make_plan(connection: TenantConnection, _user: Engineer, body: PlanToMake) -> dict[str, int]:
    """Plan work that comes back."""
    if body.every_days is None and body.every_running_h is None:
        raise Problem(
            422,
            "Give every_days, every_running_h, or both.",
            detail_zh="请填写间隔天数或运行小时，或两者都填。",
            field="every_days",
        )
    checklist = [{"text_en": text, "text_zh": text, "done": False} for text in body.checklist]
    plan_id = await maintenance.add_plan(
        connection, body.machine, body.title, body.kind, body.every_days, body.every_running_h, checklist
    )
    if plan_id is None:
        raise not_found("machine", body.machine)
    return {"id": plan_id}


@router.post("/maintenance-plans/open-due", status_code=201)
async def open_due(connection: TenantConnection, _user: Engineer) -> dict[str, list[int]]:
    """Open a work order for every plan that is due and has none."""
    now = datetime.now(UTC)
    opened = [
        await maintenance.open_from_plan(connection, plan.id, now)
        for plan in await maintenance.list_plans(connection)
        if due(plan, now).is_due and not plan.open
    ]
    return {"opened": [order for order in opened if order is not None]}


@router.get("/spare-parts")
async def parts(connection: TenantConnection) -> list[PartState]:
    """Spare parts, and which to order now: stock against minimum, forecast against lead time."""
    now = datetime.now(UTC)
    found = []
    for part in await maintenance.list_parts(connection):
        order = ordering(part, now)
        values = {name: getattr(part, name) for name in PartState.model_fields if hasattr(part, name)}
        found.append(
            PartState(
                **values,
                order_now=order.order_now,
                order_by=order.order_by,
                reason=order.reason_en,
                reason_zh=order.reason_zh,
            )
        )
    return found


@router.put("/spare-parts/{key}", status_code=204)
async def put_part(connection: TenantConnection, _user: Engineer, key: str, body: Part) -> None:
    """Keep a spare part, or bring it up to date."""
    await maintenance.set_part(connection, maintenance.SparePart(key, **body.model_dump()))


@router.patch("/machines/{machine_id}/life", status_code=204)
async def change_life(connection: TenantConnection, _user: Engineer, machine_id: int, body: Life) -> None:
    """Commission or scrap a machine, say what it is worth; KPIs count it in between."""
    if body.commissioned_at and body.scrapped_at and body.scrapped_at <= body.commissioned_at:
        raise Problem(
            422, "scrapped_at must be after commissioned_at.", detail_zh="报废时间须晚于投运时间。", field="scrapped_at"
        )
    if not await maintenance.set_life(connection, machine_id, **body.model_dump()):
        raise not_found("machine", machine_id)


@router.get("/machines/{machine_id}/life")
async def life(connection: TenantConnection, machine_id: int) -> Life:
    """A machine's life and worth, as far as somebody said."""
    found = await maintenance.get_life(connection, machine_id)
    if found is None:
        raise not_found("machine", machine_id)
    return Life.model_validate(found, from_attributes=True)


@router.get("/machines/{machine_id}/documents")
async def documents(connection: TenantConnection, machine_id: int) -> list[dict[str, Any]]:
    """Documents of a machine."""
    return await maintenance.list_documents(connection, machine_id)


@router.post("/machines/{machine_id}/documents", status_code=204)
async def add_document(connection: TenantConnection, _user: Engineer, machine_id: int, body: Document) -> None:
    """Keep where a document lies."""
    if not await maintenance.add_document(connection, machine_id, body.title, body.reference):
        raise not_found("machine", machine_id)
