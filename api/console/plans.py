"""Plans: work that comes back, how far each is used up, and what is due."""

from typing import Any

from nicegui import ui

from api.console.forms import Form, act_button, ask, attempt, machine_select
from api.console.session import Console, Visitor, local
from api.maintenance import PlanState, PlanToMake, make_plan, open_due, plans
from historian import Connection, list_fleet

_DUE, _SOON, _CALM = "#d84315", "#ef9f27", "#7d8c99"


class Plans:
    """The tab of plans; opened: called when work orders were opened."""

    def __init__(self, console: Console, visitor: Visitor, zones: dict[str, str], opened: Any) -> None:
        self._console = console
        self._visitor = visitor
        self._zones = zones
        self._opened = opened
        with ui.element("div").classes("brain-card"):
            with ui.row().classes("w-full items-center gap-2 justify-end"):
                self._due = act_button(visitor, visitor.say("open_due"), self._open_due, "playlist_add_check")
                act_button(visitor, visitor.say("new"), self._add, "add")
            self._rows = ui.column().classes("w-full gap-0 mt-2")

    async def draw(self) -> None:
        """All plans, what is due first."""
        async with self._console.connection(self._visitor) as connection:
            found = await plans(connection)
        found.sort(key=lambda plan: -plan.used)
        self._due.set_enabled(self._visitor.may_change and any(plan.used >= 1 and not plan.open for plan in found))
        self._rows.clear()
        with self._rows:
            if not found:
                ui.label(self._visitor.say("no_plans")).classes("brain-quiet")
            for plan in found:
                self._row(plan)

    def _row(self, plan: PlanState) -> None:
        say, zone = self._visitor.say, self._zones.get(plan.site, "UTC")
        colour = _DUE if plan.used >= 1 else _SOON if plan.used >= 0.8 else _CALM
        with ui.row().classes("brain-row"):
            with ui.row().classes("items-center gap-2 flex-nowrap"):
                with ui.element("div").style("width:80px; height:8px; background:#8883; border-radius:4px"):
                    ui.element("div").style(
                        f"width:{min(plan.used, 1) * 100:.0f}%; height:8px; background:{colour}; border-radius:4px"
                    )
                ui.label(f"{plan.used:.0%}").classes("text-sm w-12")
            ui.link(plan.machine, f"/machines/{plan.machine_id}").classes("text-sm font-semibold")
            ui.label(plan.title).classes("text-sm grow")
            every = []
            if plan.every_days is not None:
                every.append(f"{plan.every_days:g} {say('days')}")
            if plan.every_running_h is not None:
                every.append(f"{plan.running_h:,.0f} / {plan.every_running_h:g} {say('running_h')}")
            ui.label(f"{say(f'kind_{plan.kind}')} · {say('every')} {', '.join(every)}").classes("brain-quiet")
            if plan.due_at is not None:
                ui.label(f"{say('due')} {local(plan.due_at, zone)}").classes("brain-quiet")
            if plan.open:
                ui.label(say("order_is_open")).classes("text-sm")

    async def _open_due(self) -> None:
        async def work(connection: Connection) -> None:
            made = await open_due(connection, self._visitor.user)
            ui.notify(f"{self._visitor.say('order_opened')}: {', '.join(f'#{number}' for number in made['opened'])}")

        if await attempt(self._console, self._visitor, work):
            await self.draw()
            await self._opened()

    async def _add(self) -> None:
        say = self._visitor.say
        async with self._console.connection(self._visitor) as connection:
            machines = await list_fleet(connection)

        def fill() -> tuple[Form, Any]:
            form = Form(
                self._visitor,
                machine=machine_select(self._visitor, machines),
                title=ui.input(say("title")),
                kind=ui.select(
                    {kind: say(f"kind_{kind}") for kind in ("preventive", "inspection")},
                    label=say("kind"),
                    value="preventive",
                ),
                every_days=ui.number(say("every_days")),
                every_running_h=ui.number(say("every_running_h")),
                checklist=ui.textarea(say("checklist_lines")),
            )

            async def work(connection: Connection) -> None:
                values = form.values()
                steps = [line.strip() for line in (values.pop("checklist") or "").splitlines() if line.strip()]
                await make_plan(connection, self._visitor.user, PlanToMake(**values, checklist=steps))

            return form, work

        if await ask(self._console, self._visitor, say("new_plan"), fill):
            await self.draw()
