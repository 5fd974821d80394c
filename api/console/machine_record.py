"""What people keep of a machine: its jobs, its documents, its life."""

from typing import Any

from nicegui import ui

from api.console.forms import Day, Form, act_button, ask
from api.console.session import Console, Visitor
from api.console.work_orders import new_order, order_row
from api.machines import MachineDetail
from api.maintenance import Document, Life, add_document, change_life, documents, life
from historian import Connection, list_work_orders

_SHOWN = 5
# Anything else that is kept as a reference is text: a link must not run as a script.
_LINKS = ("http://", "https://")


class MachineRecord:
    """Two cards on the page of a machine."""

    def __init__(self, console: Console, visitor: Visitor, detail: MachineDetail) -> None:
        self._console = console
        self._visitor = visitor
        self._detail = detail
        self._column = ui.column().classes("w-full gap-3")

    async def draw(self) -> None:
        """Everything, as it is now."""
        say, machine = self._visitor.say, self._detail.id
        async with self._console.connection(self._visitor) as connection:
            orders = await list_work_orders(connection, machine_id=machine, limit=_SHOWN)
            papers = await documents(connection, machine)
            lived = await life(connection, machine)
        self._column.clear()
        with self._column:
            with ui.element("div").classes("brain-card"):
                with ui.row().classes("w-full items-center justify-between"):
                    ui.label(say("work_orders")).classes("brain-title")
                    act_button(self._visitor, say("new"), self._add_order, "add")
                if not orders:
                    ui.label(say("no_orders")).classes("brain-quiet")
                for order in orders:
                    order_row(order, self._visitor, self._detail.time_zone, with_machine=False)
            with ui.element("div").classes("brain-card"):
                with ui.row().classes("w-full items-center justify-between"):
                    ui.label(say("life_and_documents")).classes("brain-title")
                    with ui.row().classes("gap-2"):
                        act_button(self._visitor, say("change"), lambda: self._change_life(lived), "edit")
                        act_button(self._visitor, say("add_document"), self._add_document, "add")
                self._show_life(lived)
                for paper in papers:
                    self._show_document(paper)

    def _show_life(self, lived: Life) -> None:
        say, zone = self._visitor.say, self._detail.time_zone
        facts = [
            (say(key), Day.text(moment, zone) if moment is not None else "–")
            for key, moment in (("commissioned_at", lived.commissioned_at), ("scrapped_at", lived.scrapped_at))
        ]
        worth = f"{lived.replacement_value:,.0f} {self._detail.currency}" if lived.replacement_value else "–"
        facts.append((say("replacement_value"), worth))
        facts.append((say("numerically_controlled"), say("yes" if lived.numerically_controlled else "no")))
        with ui.element("div").classes("grid grid-cols-2 gap-x-4 gap-y-1 text-sm"):
            for name, text in facts:
                ui.label(name).classes("brain-quiet")
                ui.label(text).style("text-align:right")

    def _show_document(self, paper: dict[str, Any]) -> None:
        with ui.row().classes("w-full items-baseline gap-2 mt-1 text-sm"):
            if paper["reference"].startswith(_LINKS):
                ui.link(paper["title"], paper["reference"], new_tab=True)
            else:
                ui.label(paper["title"])
                ui.label(paper["reference"]).classes("brain-quiet break-all")

    async def _add_order(self) -> None:
        if await new_order(self._console, self._visitor, self._detail.id):
            await self.draw()

    async def _change_life(self, lived: Life) -> None:
        say, zone = self._visitor.say, self._detail.time_zone

        def fill() -> tuple[Form, Any]:
            form = Form(
                self._visitor,
                commissioned_at=Day(say("commissioned_at"), zone, lived.commissioned_at),
                scrapped_at=Day(say("scrapped_at"), zone, lived.scrapped_at),
                replacement_value=ui.number(say("replacement_value"), value=lived.replacement_value),
                numerically_controlled=ui.select(
                    {True: say("yes"), False: say("no")},
                    label=say("numerically_controlled"),
                    value=lived.numerically_controlled,
                ),
            )

            async def work(connection: Connection) -> None:
                await change_life(connection, self._visitor.user, self._detail.id, Life(**form.values()))

            return form, work

        if await ask(self._console, self._visitor, say("life"), fill):
            await self.draw()

    async def _add_document(self) -> None:
        say = self._visitor.say

        def fill() -> tuple[Form, Any]:
            form = Form(self._visitor, title=ui.input(say("title")), reference=ui.input(say("reference")))

            async def work(connection: Connection) -> None:
                await add_document(connection, self._visitor.user, self._detail.id, Document(**form.values()))

            return form, work

        if await ask(self._console, self._visitor, say("add_document"), fill):
            await self.draw()
