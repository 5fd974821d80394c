"""Work orders: opened, taken from state to state, closed with what was found and what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection
from plant import WorkRecord, work_states, work_steps

_COLUMNS = """
work_order.id, machine.id as machine_id, machine.code as machine, site.key as site, work_order.kind, work_order.state,
    work_order.title, work_order.finding_id, work_order.assignee, work_order.opened_at, work_order.closed_at,
    work_order.labour_h, work_order.labour_rate, work_order.parts_cost, work_order.found
"""
_FROM = """
from work_order join machine on machine.id = work_order.machine_id join site on site.id = machine.site_id
"""
# Work orders, newest first, after a cursor (index work_order_by_time).
LIST = f"""
select {_COLUMNS} {_FROM}
where ($1::int is null or machine.id = $1) and ($2::text is null or work_order.state = $2)
    and ($3::timestamptz is null or (work_order.opened_at, work_order.id) < ($3, $4::bigint))
order by work_order.opened_at desc, work_order.id desc limit $5
"""
ONE = f"select {_COLUMNS} {_FROM} where work_order.id = $1"
INSERT = """
insert into work_order (tenant_id, machine_id, kind, title, finding_id, assignee)
select machine.tenant_id, machine.id, $2, $3, $4, $5 from machine where machine.id = $1
returning id
"""
UPDATE = """
update work_order set state = $2, assignee = coalesce($3, assignee), labour_h = coalesce($4, labour_h),
    labour_rate = coalesce($5, labour_rate), parts_cost = coalesce($6, parts_cost), found = coalesce($7, found),
    closed_at = case when not $8::bool then coalesce(closed_at, now()) end
where id = $1
"""
# Two who change an order at once do so one after the other.
LOCK = "select state, assignee from work_order where id = $1 for update"
STEP = """
insert into work_step (tenant_id, work_order_id, from_state, to_state, taken_by)
select tenant_id, id, $2, $3, $4 from work_order where id = $1
"""
STEPS = """
select from_state, to_state, taken_by, taken_at from work_step where work_order_id = $1 order by id
"""
RECORD = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, labour_h, labour_rate,
    parts_cost, found)
select $1, machine.id, $4, 'done', $5, $6, $7, $8, $9, $10, $11
from machine join site on site.id = machine.site_id
where machine.tenant_id = $1 and site.key = $2 and machine.code = $3
"""
SOME = "select exists (select from work_order where tenant_id = $1)"

_RANK = {"engineer": 0, "administrator": 1}


class WorkOrderError(ValueError):
    """A work order cannot go from its state to the one asked for."""


class WorkOrderRoleError(WorkOrderError):
    """It can, but somebody else has to do it."""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A job; costs in the site's currency."""

    id: int
    machine_id: int
    machine: str
    site: str
    kind: str
    state: str
    title: str
    finding_id: int | None
    assignee: str | None
    opened_at: datetime
    closed_at: datetime | None
    labour_h: float
    labour_rate: float
    parts_cost: float
    found: str


@dataclass(frozen=True, slots=True)
class TakenStep:
    """A step of a work order from one state to another, and who took it when."""

    from_state: str
    to_state: str
    taken_by: str
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class NewWorkOrder:
    """A job to open."""

    machine_id: int
    kind: str
    title: str
    finding_id: int | None = None
    assignee: str | None = None


async def list_work_orders(
    connection: Connection,
    *,
    machine_id: int | None = None,
    state: str | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[WorkOrder]:
    """Work orders, newest first; ``after`` is (opened_at, id) of the last row of the page before."""
    moment, last_id = after or (None, None)
    rows = await connection.fetch(LIST, machine_id, state, moment, last_id, limit)
    return [WorkOrder(*row.values()) for row in rows]


async def add_work_order(connection: Connection, new: NewWorkOrder) -> WorkOrder | None:
    """Open a work order; None where there is no such machine."""
    order_id = await connection.fetchval(INSERT, new.machine_id, new.kind, new.title, new.finding_id, new.assignee)
    return await get_work_order(connection, order_id) if order_id is not None else None


async def change_work_order(
    connection: Connection,
    order_id: int,
    *,
    state: str | None = None,
    assignee: str | None = None,
    labour_h: float | None = None,
    labour_rate: float | None = None,
    parts_cost: float | None = None,
    found: str | None = None,
    by: str = "",
    role: str = "engineer",
) -> WorkOrder | None:
    """Change a work order, in the caller's transaction; None where there is none. by: who asks, with which role.

    The state it has already is no step, and asking for it again changes nothing. Raises :class:`WorkOrderError` for a
    step that its states do not allow, or for costs of an order from which no step leads on, and
    :class:`WorkOrderRoleError` for a step that is not for this role.
    """
    known = await connection.fetchrow(LOCK, order_id)
    if known is None:
        return None
    wanted = state or known["state"]
    if wanted != known["state"]:
        _check_step(order_id, known["state"], wanted, role, assignee or known["assignee"])
    elif not work_steps(wanted) and any(value is not None for value in (labour_h, labour_rate, parts_cost)):
        raise WorkOrderError(f"work order {order_id} is {wanted}: what it cost is settled")
    is_open = work_states()[wanted].is_open
    await connection.execute(UPDATE, order_id, wanted, assignee, labour_h, labour_rate, parts_cost, found, is_open)
    if wanted != known["state"]:
        await connection.execute(STEP, order_id, known["state"], wanted, by)
    return await get_work_order(connection, order_id)


def _check_step(order_id: int, state: str, wanted: str, role: str, assignee: str | None) -> None:
    step = work_steps(state).get(wanted)
    if step is None:
        allowed = ", ".join(
            key if each.role == "engineer" else f"{key} (by an {each.role})" for key, each in work_steps(state).items()
        )
        raise WorkOrderError(
            f"work order {order_id} is {state}: it cannot become {wanted}, "
            + (f"only {allowed}" if allowed else "nor anything else")
        )
    if _RANK[role] < _RANK[step.role]:
        raise WorkOrderRoleError(f"work order {order_id} is {state}: it becomes {wanted} by an {step.role}")
    if "assignee" in step.needs and not assignee:
        raise WorkOrderError(f"work order {order_id} cannot become {wanted}: say to whom (assignee)")


async def list_steps(connection: Connection, order_id: int) -> list[TakenStep]:
    """The steps that a work order has taken, in order."""
    return [TakenStep(*row.values()) for row in await connection.fetch(STEPS, order_id)]


async def record_work(connection: Connection, tenant_id: int, records: Sequence[WorkRecord]) -> None:
    """Keep finished jobs (service role); a record of an unknown machine is left out."""
    await connection.executemany(
        RECORD,
        [
            (
                tenant_id,
                record.site,
                record.machine,
                record.kind,
                record.title,
                record.opened_at,
                record.closed_at,
                record.labour_h,
                record.labour_rate,
                record.parts_cost,
                record.found,
            )
            for record in records
        ],
    )


async def has_work_orders(connection: Connection, tenant_id: int) -> bool:
    """Whether a tenant has any work order."""
    some: bool = await connection.fetchval(SOME, tenant_id)
    return some


async def get_work_order(connection: Connection, order_id: int) -> WorkOrder | None:
    """One work order, None where there is none."""
    row = await connection.fetchrow(ONE, order_id)
    return WorkOrder(*row.values()) if row is not None else None
