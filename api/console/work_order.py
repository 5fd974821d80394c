"""One work order: who does it, how it goes on, what was found."""

from typing import Any, get_args

from nicegui import ui

from api.console.evidence import evidence_text
from api.console.forms import Form, act_button, ask, attempt, confirmed
from api.console.job_cards import JobCards
from api.console.session import Console, Visitor, frame, local, page
from api.console.work_orders import state_mark, state_name
from api.findings import Verdict
from api.work_orders import JobDetail, WorkOrderChange, change, work_order
from historian import Connection, WorkOrder, get_work_order, list_sites
from plant import WorkStep, fault_library, work_states, work_steps


def build(console: Console) -> None:
    """Register the page."""

    @page("/work-orders/{order_id}")
    async def one(order_id: int) -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        with frame(console, visitor, "upkeep"):
            await _OrderPage(console, visitor, order_id).draw()


class _OrderPage:
    def __init__(self, console: Console, visitor: Visitor, order_id: int) -> None:
        self._console = console
        self._visitor = visitor
        self._id = order_id
        self._zone = "UTC"
        self._currency = ""
        self._column = ui.column().classes("w-full gap-3")

    async def draw(self) -> None:
        """Everything, as it is now."""
        async with self._console.connection(self._visitor) as connection:
            order = await get_work_order(connection, self._id)
            job = await work_order(connection, self._id) if order is not None else None
            sites = {site["key"]: site for site in await list_sites(connection)}
        self._column.clear()
        with self._column:
            if order is None or job is None:
                ui.label(self._visitor.say("no_such_order"))
                return
            self._zone, self._currency = sites[order.site]["time_zone"], sites[order.site]["currency"]
            shut = not work_states()[order.state].is_open
            self._head(order, job)
            cards = JobCards(self._console, self._visitor, order, job, self._currency, self.draw, shut=shut)
            with ui.element("div").classes("w-full grid gap-3 grid-cols-1 lg:grid-cols-2"):
                cards.checklist()
                cards.costs()
                cards.readings()
                if job.steps:
                    self._history(job)
                if job.evidence:
                    with ui.element("div").classes("brain-card"):
                        ui.label(self._visitor.say("evidence")).classes("brain-title")
                        for row in job.evidence:
                            ui.label(evidence_text(row, self._visitor)).classes("text-sm")

    def _history(self, job: JobDetail) -> None:
        with ui.element("div").classes("brain-card"):
            ui.label(self._visitor.say("history")).classes("brain-title")
            for step in job.steps:
                names = " → ".join(state_name(key, self._visitor) for key in (step.from_state, step.to_state))
                ui.label(f"{local(step.taken_at, self._zone)} · {names} · {step.taken_by}").classes("text-sm")

    async def _try(self, work: Any) -> None:
        await attempt(self._console, self._visitor, work)
        await self.draw()

    def _head(self, order: WorkOrder, job: JobDetail) -> None:
        visitor, say = self._visitor, self._visitor.say
        with ui.element("div").classes("brain-card"):
            with ui.row().classes("items-center gap-3 flex-wrap"):
                ui.label(f"#{order.id} {order.title}").classes("text-lg font-semibold")
                state_mark(order.state, visitor)
            facts = [
                (say("kind"), say(f"kind_{order.kind}")),
                (say("assignee"), order.assignee or "–"),
                (say("opened_at"), local(order.opened_at, self._zone)),
                (say("due"), local(job.due_at, self._zone)),
                (say("closed_at"), local(order.closed_at, self._zone)),
                (say("cost_of_job"), f"{order.labour_h * order.labour_rate + order.parts_cost:,.0f} {self._currency}"),
            ]
            with ui.row().classes("gap-x-6 gap-y-2 mt-2 flex-wrap"):
                with ui.column().classes("gap-0"):
                    ui.link(order.machine, f"/machines/{order.machine_id}").classes("text-sm font-semibold")
                    ui.label(say("machine")).classes("brain-quiet")
                for name, text in facts:
                    with ui.column().classes("gap-0"):
                        ui.label(text).classes("text-sm")
                        ui.label(name).classes("brain-quiet")
            self._found(order, job)
            with ui.row().classes("gap-2 mt-3 flex-wrap"):
                for step in work_steps(order.state).values():
                    button = act_button(visitor, state_name(step.to, visitor), self._step(order, job, step), "east")
                    button.set_enabled(visitor.may_change and visitor.user.role in (step.role, "administrator"))
                if work_states()[order.state].is_open:
                    act_button(visitor, say("assign"), lambda: self._assign(order), "person")

    def _found(self, order: WorkOrder, job: JobDetail) -> None:
        said = [self._visitor.say(job.verdict)] if job.verdict else []
        fault = fault_library().get(job.found_mode or "")
        said += [self._visitor.pick(fault.name_en, fault.name_zh)] if fault is not None else []
        said += [order.found] if order.found else []
        if said:
            ui.label(self._visitor.say("found")).classes("brain-title mt-3 mb-0")
            ui.label(" · ".join(said)).classes("text-sm whitespace-pre-wrap")

    def _step(self, order: WorkOrder, job: JobDetail, step: WorkStep) -> Any:
        say, name = self._visitor.say, state_name(step.to, self._visitor)
        finishes = work_states()[step.to].is_done and not work_states()[order.state].is_done

        async def work(connection: Connection) -> None:
            await change(connection, self._visitor.user, order.id, WorkOrderChange(state=step.to))

        async def take() -> None:
            if finishes:
                await self._finish(order, job, step)
            elif "assignee" in step.needs and not order.assignee:
                await self._assign(order, step)
            elif work_steps(step.to) or await confirmed(self._visitor, say("step_question").format(name), name):
                await self._try(work)

        return take

    async def _finish(self, order: WorkOrder, job: JobDetail, step: WorkStep) -> None:
        visitor, say = self._visitor, self._visitor.say
        modes = {
            key: visitor.pick(fault.name_en, fault.name_zh)
            for key, fault in fault_library().items()
            if fault.kind == "machine"
        }

        def fill() -> tuple[Form, Any]:
            form = Form(
                visitor,
                verdict=ui.select(
                    {key: say(key) for key in get_args(Verdict)},
                    label=say("verdict"),
                    value=job.verdict,
                    clearable=True,
                ),
                found_mode=ui.select(
                    modes, label=say("found_mode"), value=job.found_mode, with_input=True, clearable=True
                ),
                found=ui.textarea(say("found"), value=order.found),
            )

            async def work(connection: Connection) -> None:
                body = WorkOrderChange(state=step.to, **form.values())
                await change(connection, visitor.user, order.id, body)

            return form, work

        if await ask(self._console, visitor, state_name(step.to, visitor), fill):
            await self.draw()

    async def _assign(self, order: WorkOrder, step: WorkStep | None = None) -> None:
        def fill() -> tuple[Form, Any]:
            form = Form(self._visitor, assignee=ui.input(self._visitor.say("assignee"), value=order.assignee or ""))

            async def work(connection: Connection) -> None:
                body = WorkOrderChange(state=step.to if step is not None else None, **form.values())
                await change(connection, self._visitor.user, order.id, body)

            return form, work

        if await ask(self._console, self._visitor, self._visitor.say("assign"), fill):
            await self.draw()
