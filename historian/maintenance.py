"""Work: labour, parts in stock, plans, and what was found. On a tenant's connection."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from historian.database import Connection
from plant import work_states

_OPEN = ", ".join(f"'{state.key}'" for state in work_states().values() if state.is_open)

# Two who want the same job at once wait for one another: the second sees what the first has done.
ONE_AT_A_TIME = "select pg_advisory_xact_lock(hashtextextended($1, 0))"
# A job from a finding carries its evidence as it was; one finding has one job that is not cancelled.
FROM_FINDING = """
insert into work_order (tenant_id, machine_id, kind, title, finding_id, assignee, evidence, checklist, due_at)
select tenant_id, machine_id, 'condition_based', $2, id, $3, peer_evidence || evidence, $4, act_before from finding
where id = $1 and not exists (select from work_order where finding_id = $1 and state <> 'cancelled')
returning id
"""
NOTE = """
update work_order set checklist = coalesce($2, checklist), attachments = coalesce($3, attachments),
    meter_readings = meter_readings || coalesce($4, '{}'::jsonb), verdict = coalesce($5, verdict),
    found_mode = coalesce($6, found_mode)
where id = $1 returning id
"""
DETAIL = """
select evidence, checklist, attachments, meter_readings, due_at, plan_id, verdict, found_mode,
    (select coalesce(jsonb_agg(jsonb_build_object('person', person, 'hours', hours, 'rate', rate) order by id), '[]')
        from work_labour where work_order_id = work_order.id) as labour,
    (select coalesce(jsonb_agg(jsonb_build_object('part', spare_part.key, 'quantity', quantity,
        'unit_cost', work_part.unit_cost) order by work_part.id), '[]')
        from work_part join spare_part on spare_part.id = part_id where work_order_id = work_order.id) as parts
from work_order where id = $1
"""
WORKED_ON = f"select id from work_order where id = $1 and state in ({_OPEN}) for update"
LABOUR = """
insert into work_labour (tenant_id, work_order_id, person, hours, rate, request)
select tenant_id, id, $2, $3, $4, $5 from work_order where id = $1
on conflict (work_order_id, request) do nothing
"""
# The order's hours and their mean rate, so that hours times rate is what the labour cost.
LABOUR_TOTAL = """
update work_order set labour_h = total.hours, labour_rate = total.cost / total.hours
from (select sum(hours) as hours, sum(hours * rate) as cost from work_labour where work_order_id = $1) as total
where work_order.id = $1
"""
TAKE_PART = """
update spare_part set stock = stock - $2 where key = $1 and stock >= $2 returning id, tenant_id, unit_cost
"""
PART_NOTED = "select exists (select from work_part where work_order_id = $1 and request = $2)"
PART = """
insert into work_part (tenant_id, work_order_id, part_id, quantity, unit_cost, request) values ($1, $2, $3, $4, $5, $6)
"""
PART_TOTAL = """
update work_order set parts_cost = (select sum(quantity * unit_cost) from work_part where work_order_id = $1)
where id = $1
"""
PARTS = """
select spare_part.key, spare_part.name, stock, minimum, lead_time_days, unit_cost, failure_modes,
    (select count(*)::int from finding
        where closed_at is null and part_of is null and failure_mode = any(failure_modes)) as wanted,
    (select min(act_before) from finding where closed_at is null and failure_mode = any(failure_modes)) as needed_by
from spare_part order by key
"""
SET_PART = """
insert into spare_part (tenant_id, key, name, stock, minimum, lead_time_days, unit_cost, failure_modes)
values ((select current_tenant()), $1, $2, $3, $4, $5, $6, $7)
on conflict (tenant_id, key) do update set name = excluded.name, stock = excluded.stock, minimum = excluded.minimum,
    lead_time_days = excluded.lead_time_days, unit_cost = excluded.unit_cost, failure_modes = excluded.failure_modes
"""
# Plans with when they were done last and what their machines have run since (primary key machine_state).
PLANS = f"""
select plan.id, plan.machine_id, machine.code as machine, site.key as site, plan.title, plan.kind, plan.every_days,
    plan.every_running_h, plan.checklist, last.since,
    coalesce((
        select sum(extract(epoch from ended_at - greatest(started_at, last.since))) / 3600 from machine_state
        where machine_id = plan.machine_id and ended_at > last.since and state in ('running', 'idle', 'starting')
    ), 0)::float8 as running_h,
    exists (select from work_order where plan_id = plan.id and state in ({_OPEN})) as open
from maintenance_plan plan join machine on machine.id = plan.machine_id join site on site.id = machine.site_id
cross join lateral (
    select coalesce(max(closed_at), plan.starts_at) as since from work_order
    where plan_id = plan.id and state in ('done', 'closed')
) as last
where machine.scrapped_at is null
order by plan.id
"""
ADD_PLAN = """
insert into maintenance_plan (tenant_id, machine_id, title, kind, every_days, every_running_h, checklist)
select tenant_id, id, $2, $3, $4, $5, $6 from machine where id = $1 returning id
"""
FROM_PLAN = f"""
insert into work_order (tenant_id, machine_id, kind, title, plan_id, checklist, due_at)
select tenant_id, machine_id, kind, title, id, checklist, $2 from maintenance_plan
where id = $1 and not exists (select from work_order where plan_id = $1 and state in ({_OPEN})) returning id
"""
LIFE = """
update machine set commissioned_at = coalesce($2, commissioned_at), scrapped_at = coalesce($3, scrapped_at),
    replacement_value = coalesce($4, replacement_value), numerically_controlled = coalesce($5, numerically_controlled)
where id = $1 returning id
"""
READ_LIFE = """
select commissioned_at, scrapped_at, replacement_value, numerically_controlled from machine where id = $1
"""
DOCUMENTS = "select title, reference, added_at from machine_document where machine_id = $1 order by id"
ADD_DOCUMENT = """
insert into machine_document (tenant_id, machine_id, title, reference) select tenant_id, id, $2, $3 from machine
where id = $1 returning id
"""


@dataclass(frozen=True, slots=True)
class JobDetail:
    """What a work order holds beside its list row."""

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


@dataclass(frozen=True, slots=True)
class SparePart:
    """A part in stock; wanted: open findings that ask for it, the soonest acts before ``needed_by``."""

    key: str
    name: str
    stock: float
    minimum: float
    lead_time_days: float
    unit_cost: float
    failure_modes: list[str]
    wanted: int = 0
    needed_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Life:
    """From commissioning to scrapping, and what a machine would cost new; None where nobody said."""

    commissioned_at: datetime | None
    scrapped_at: datetime | None
    replacement_value: float | None
    numerically_controlled: bool | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Work that comes back; since: when it was done last, running_h: what the machine has run since [h]."""

    id: int
    machine_id: int
    machine: str
    site: str
    title: str
    kind: str
    every_days: float | None
    every_running_h: float | None
    checklist: list[dict[str, Any]]
    since: datetime
    running_h: float
    open: bool


async def open_from_finding(
    connection: Connection, finding_id: int, title: str, assignee: str | None, checklist: list[dict[str, Any]]
) -> int | None:
    """A work order for a finding, in the caller's transaction; None where there is none, or it has one already."""
    await connection.execute(ONE_AT_A_TIME, f"finding {finding_id}")
    order_id: int | None = await connection.fetchval(FROM_FINDING, finding_id, title, assignee, checklist)
    return order_id


async def note_work(
    connection: Connection,
    order_id: int,
    *,
    checklist: list[dict[str, Any]] | None = None,
    attachments: list[str] | None = None,
    meter_readings: dict[str, float] | None = None,
    verdict: str | None = None,
    found_mode: str | None = None,
) -> bool:
    """Note what was seen and found; what is None stays. False where there is no such order."""
    arguments = (checklist, attachments, meter_readings, verdict, found_mode)
    return await connection.fetchval(NOTE, order_id, *arguments) is not None


async def get_job(connection: Connection, order_id: int) -> JobDetail | None:
    """Everything a work order holds."""
    row = await connection.fetchrow(DETAIL, order_id)
    return JobDetail(*row.values()) if row is not None else None


async def add_labour(
    connection: Connection, order_id: int, person: str, hours: float, rate: float, request: str | None = None
) -> bool:
    """Hours somebody worked, in the caller's transaction; False where there is no order that is being worked on.

    request: a name of the sender's own for it; what is sent again by the same name is noted once
    """
    if await connection.fetchval(WORKED_ON, order_id) is None:
        return False
    await connection.execute(LABOUR, order_id, person, hours, rate, request)
    await connection.execute(LABOUR_TOTAL, order_id)
    return True


async def use_part(
    connection: Connection, order_id: int, part: str, quantity: float, request: str | None = None
) -> bool:
    """Take a part out of stock for an order, in the caller's transaction; request: as in :func:`add_labour`.

    False where there is no such part with so many in stock, or no order that is being worked on; nothing is taken then.
    """
    if await connection.fetchval(WORKED_ON, order_id) is None:
        return False
    if request is not None and await connection.fetchval(PART_NOTED, order_id, request):
        return True
    taken = await connection.fetchrow(TAKE_PART, part, quantity)
    if taken is None:
        return False
    await connection.execute(PART, taken["tenant_id"], order_id, taken["id"], quantity, taken["unit_cost"], request)
    await connection.execute(PART_TOTAL, order_id)
    return True


async def list_parts(connection: Connection) -> list[SparePart]:
    """All spare parts, with the open findings that ask for them."""
    return [SparePart(*row.values()) for row in await connection.fetch(PARTS)]


async def set_part(connection: Connection, part: SparePart) -> None:
    """Keep a part, or bring it up to date."""
    await connection.execute(
        SET_PART,
        part.key,
        part.name,
        part.stock,
        part.minimum,
        part.lead_time_days,
        part.unit_cost,
        part.failure_modes,
    )


async def list_plans(connection: Connection) -> list[Plan]:
    """All plans of machines that are not scrapped."""
    return [Plan(*row.values()) for row in await connection.fetch(PLANS)]


async def add_plan(
    connection: Connection,
    machine_id: int,
    title: str,
    kind: str,
    every_days: float | None,
    every_running_h: float | None,
    checklist: list[dict[str, Any]],
) -> int | None:
    """Plan work that comes back; None where there is no such machine."""
    plan_id: int | None = await connection.fetchval(
        ADD_PLAN, machine_id, title, kind, every_days, every_running_h, checklist
    )
    return plan_id


async def open_from_plan(connection: Connection, plan_id: int, due_at: datetime) -> int | None:
    """A work order for a plan that is due, in the caller's transaction; None where it has an open one already."""
    await connection.execute(ONE_AT_A_TIME, f"plan {plan_id}")
    order_id: int | None = await connection.fetchval(FROM_PLAN, plan_id, due_at)
    return order_id


async def set_life(
    connection: Connection,
    machine_id: int,
    commissioned_at: datetime | None,
    scrapped_at: datetime | None,
    replacement_value: float | None,
    numerically_controlled: bool | None,
) -> bool:
    """A machine's life and worth; what is None stays. False where there is no such machine."""
    arguments = (commissioned_at, scrapped_at, replacement_value, numerically_controlled)
    return await connection.fetchval(LIFE, machine_id, *arguments) is not None


async def get_life(connection: Connection, machine_id: int) -> Life | None:
    """A machine's life and worth; None where there is no such machine."""
    row = await connection.fetchrow(READ_LIFE, machine_id)
    return Life(*row.values()) if row is not None else None


async def list_documents(connection: Connection, machine_id: int) -> list[dict[str, Any]]:
    """Documents of a machine: title, reference, added_at."""
    return [dict(row) for row in await connection.fetch(DOCUMENTS, machine_id)]


async def add_document(connection: Connection, machine_id: int, title: str, reference: str) -> bool:
    """Keep where a document lies; False where there is no such machine."""
    return await connection.fetchval(ADD_DOCUMENT, machine_id, title, reference) is not None
