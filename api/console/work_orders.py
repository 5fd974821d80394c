"""Work orders: those of a state, findings that none answers yet, and new ones."""

from datetime import datetime
from typing import Any, get_args

from nicegui import ui

from api.console.forms import Form, act_button, ask, attempt, machine_select, quiet_button
from api.console.session import Console, Visitor, local
from api.findings import Finding
from api.findings import findings as list_findings
from api.work_orders import FromFinding, Kind, WorkOrder, WorkOrderToOpen, answer_finding, open_work_order, work_orders
from historian import Connection, list_fleet
from historian import WorkOrder as WorkOrderRow
from plant import work_states

_NEW, _OPEN, _DONE, _OVER = "#ef9f27", "#5b8fc7", "#7d8c99", "#c7ced4"
_SHOWN = 50
_ANSWERS_SHOWN = 20


class WorkOrders:
    """The tab of work orders."""

    def __init__(self, console: Console, visitor: Visitor, zones: dict[str, str]) -> None:
        self._console = console
        self._visitor = visitor
        self._zones = zones
        self._cursor: str | None = None
        say = visitor.say
        self._findings = ui.column().classes("w-full gap-3")
        with ui.element("div").classes("brain-card"):
            with ui.row().classes("w-full items-center justify-between gap-2"):
                states = {key: state_name(key, visitor) for key in work_states()}
                self._state = ui.select(
                    {**states, "": say("all")}, value=next(iter(states)), label=say("state"), on_change=self.draw
                )
                self._state.props("dense stack-label").classes("w-40")
                act_button(visitor, say("new"), self._add, "add")
            self._rows = ui.column().classes("w-full gap-0 mt-2")
            self._more = quiet_button(say("more"), self._load_more)

    async def draw(self) -> None:
        """Everything, as it is now."""
        self._cursor = None
        self._rows.clear()
        async with self._console.connection(self._visitor) as connection:
            waiting = await list_findings(connection, unanswered=True, limit=_ANSWERS_SHOWN)
            await self._append(connection)
        self._findings.clear()
        if waiting.items:
            with self._findings, ui.element("div").classes("brain-card"):
                ui.label(self._visitor.say("unanswered")).classes("brain-title")
                for finding in waiting.items:
                    self._finding(finding)

    async def _load_more(self) -> None:
        async with self._console.connection(self._visitor) as connection:
            await self._append(connection)

    async def _append(self, connection: Connection) -> None:
        page = await work_orders(connection, state=self._state.value or None, limit=_SHOWN, cursor=self._cursor)
        self._cursor = page.next_cursor
        self._more.set_visibility(self._cursor is not None)
        with self._rows:
            if not page.items and not self._rows.default_slot.children:
                ui.label(self._visitor.say("no_orders")).classes("brain-quiet")
            for order in page.items:
                order_row(order, self._visitor, self._zones.get(order.site, "UTC"))

    def _finding(self, finding: Finding) -> None:
        visitor, zone = self._visitor, self._zones.get(finding.site, "UTC")

        async def answer() -> None:
            async def work(connection: Connection) -> None:
                await answer_finding(connection, visitor.user, finding.id, FromFinding())

            if await attempt(self._console, visitor, work):
                await self.draw()

        with ui.row().classes("brain-row"):
            ui.link(finding.machine, f"/machines/{finding.machine_id}").classes("font-semibold")
            ui.label(visitor.pick(finding.name_en, finding.name_zh)).classes("text-sm")
            ui.label(f"{visitor.say('sure')} {finding.probability:.0%}").classes("text-sm")
            ui.label(f"{visitor.say('act_before')} {local(finding.act_before, zone)}").classes("brain-quiet grow")
            act_button(visitor, visitor.say("order"), answer, "build")

    async def _add(self) -> None:
        if await new_order(self._console, self._visitor):
            await self.draw()


def order_row(order: WorkOrder | WorkOrderRow, visitor: Visitor, zone: str, *, with_machine: bool = True) -> None:
    """A work order in a list."""
    with ui.row().classes("brain-row"):
        state_mark(order.state, visitor)
        ui.link(f"#{order.id} {order.title}", f"/work-orders/{order.id}").classes("text-sm font-semibold grow")
        if with_machine:
            ui.link(order.machine, f"/machines/{order.machine_id}").classes("text-sm w-20")
        if order.assignee:
            ui.label(order.assignee).classes("text-sm")
        ui.label(visitor.say(f"kind_{order.kind}")).classes("brain-quiet")
        ui.label(_when(order.opened_at, order.closed_at, visitor, zone)).classes("brain-quiet")


def state_name(key: str, visitor: Visitor) -> str:
    """A state in words."""
    state = work_states()[key]
    return visitor.pick(state.name_en, state.name_zh)


def state_mark(state: str, visitor: Visitor) -> None:
    """The state of a work order."""
    known = work_states()[state]
    colour = (
        _NEW if state == next(iter(work_states())) else _OPEN if known.is_open else _DONE if known.is_done else _OVER
    )
    ui.label(state_name(state, visitor)).classes("text-xs px-2 py-0.5 rounded whitespace-nowrap").style(
        f"border:1px solid {colour}; border-left:5px solid {colour}"
    )


def _when(opened: datetime, closed: datetime | None, visitor: Visitor, zone: str) -> str:
    if closed is not None:
        return f"{visitor.say('closed_at')} {local(closed, zone)}"
    return f"{visitor.say('opened_at')} {local(opened, zone)}"


async def new_order(console: Console, visitor: Visitor, machine: int | None = None) -> bool:
    """Ask for a job by hand; machine: the one it is for, if that is known."""
    async with console.connection(visitor) as connection:
        machines = await list_fleet(connection)

    def fill() -> tuple[Form, Any]:
        say = visitor.say
        form = Form(
            visitor,
            machine=machine_select(visitor, machines, machine),
            title=ui.input(say("title")),
            kind=ui.select(
                {kind: say(f"kind_{kind}") for kind in get_args(Kind)}, label=say("kind"), value="corrective"
            ),
            assignee=ui.input(say("assignee")),
        )

        async def work(connection: Connection) -> None:
            values = form.values()
            body = WorkOrderToOpen(**{**values, "assignee": values["assignee"] or None})
            await open_work_order(connection, visitor.user, body)

        return form, work

    return await ask(console, visitor, visitor.say("new_order"), fill)
