"""What a work order holds: check list, labour, parts, meter readings."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from nicegui import ui

from api.console.forms import Form, act_button, ask, attempt
from api.console.session import Console, Visitor
from api.problems import Problem
from api.work_orders import JobDetail, Labour, UsedPart, WorkOrderChange, add_labour, change, use_part
from historian import Connection, WorkOrder, maintenance

_Cost = tuple[str, str, float]


class JobCards:
    """Cards of one job; shut: it is over, nothing more is noted. changed: called when something was noted."""

    def __init__(
        self,
        console: Console,
        visitor: Visitor,
        order: WorkOrder,
        job: JobDetail,
        currency: str,
        changed: Callable[[], Awaitable[None]],
        *,
        shut: bool,
    ) -> None:
        self._console = console
        self._visitor = visitor
        self._order = order
        self._job = job
        self._currency = currency
        self._changed = changed
        self._shut = shut

    def checklist(self) -> None:
        """Steps to tick."""
        visitor = self._visitor
        with ui.element("div").classes("brain-card"):
            ui.label(visitor.say("checklist")).classes("brain-title")
            if not self._job.checklist:
                ui.label(visitor.say("none")).classes("brain-quiet")
            for number, step in enumerate(self._job.checklist):
                box = ui.checkbox(
                    visitor.pick(step["text_en"], step["text_zh"]),
                    value=bool(step["done"]),
                    on_change=self._ticker(number),
                )
                box.props("dense size=sm").classes("w-full text-sm py-1")
                box.set_enabled(visitor.may_change and not self._shut)

    def _ticker(self, number: int) -> Any:
        async def tick(event: Any) -> None:
            steps = [
                {**step, "done": bool(event.value)} if place == number else step
                for place, step in enumerate(self._job.checklist)
            ]

            async def work(connection: Connection) -> None:
                await change(connection, self._visitor.user, self._order.id, WorkOrderChange(checklist=steps))

            await attempt(self._console, self._visitor, work)
            await self._changed()

        return tick

    def costs(self) -> None:
        """Labour and parts."""
        with ui.element("div").classes("brain-card"):
            self._head("labour", self._add_labour)
            self._costs(_labour(self._order, self._job, self._visitor))
            self._head("used_parts", self._add_part)
            self._costs(_parts(self._order, self._job))

    def readings(self) -> None:
        """What meters showed."""
        with ui.element("div").classes("brain-card"):
            self._head("meter_readings", self._add_reading)
            if not self._job.meter_readings:
                ui.label(self._visitor.say("none")).classes("brain-quiet")
            for name, value in self._job.meter_readings.items():
                with ui.row().classes("w-full gap-4 text-sm justify-between"):
                    ui.label(name)
                    ui.label(f"{value:,g}")

    def _head(self, title: str, add: Callable[[], Awaitable[None]]) -> None:
        with ui.row().classes("w-full items-center justify-between min-h-8"):
            ui.label(self._visitor.say(title)).classes("brain-title mb-0")
            if not self._shut:
                act_button(self._visitor, self._visitor.say("note_down"), add, "add")

    def _costs(self, rows: list[_Cost]) -> None:
        if not rows:
            ui.label(self._visitor.say("none")).classes("brain-quiet")
        for name, text, cost in rows:
            with ui.row().classes("w-full gap-4 text-sm justify-between flex-nowrap"):
                ui.label(name).classes("grow")
                ui.label(text).classes("brain-quiet whitespace-nowrap")
                ui.label(f"{cost:,.0f} {self._currency}").classes("w-24 text-right whitespace-nowrap")

    async def _add_labour(self) -> None:
        say = self._visitor.say

        def fill() -> tuple[Form, Any]:
            request = uuid4().hex
            form = Form(
                self._visitor,
                person=ui.input(say("person"), value=self._visitor.user.name),
                hours=ui.number(say("labour_hours")),
                rate=ui.number(f"{say('rate')} [{self._currency}/{say('hours')}]"),
            )

            async def work(connection: Connection) -> None:
                await add_labour(
                    connection, self._visitor.user, self._order.id, Labour(**form.values(), request=request)
                )

            return form, work

        if await ask(self._console, self._visitor, say("labour"), fill):
            await self._changed()

    async def _add_part(self) -> None:
        say = self._visitor.say
        async with self._console.connection(self._visitor) as connection:
            stocked = await maintenance.list_parts(connection)

        def fill() -> tuple[Form, Any]:
            request = uuid4().hex
            parts = {part.key: f"{part.key} · {part.name} ({say('stock')} {part.stock:g})" for part in stocked}
            form = Form(
                self._visitor,
                part=ui.select(parts, label=say("part"), with_input=True),
                quantity=ui.number(say("quantity"), value=1),
            )

            async def work(connection: Connection) -> None:
                await use_part(
                    connection, self._visitor.user, self._order.id, UsedPart(**form.values(), request=request)
                )

            return form, work

        if await ask(self._console, self._visitor, say("used_parts"), fill):
            await self._changed()

    async def _add_reading(self) -> None:
        say = self._visitor.say

        def fill() -> tuple[Form, Any]:
            # The number's field has the request's name: what is wrong with the number is said there.
            form = Form(self._visitor, name=ui.input(say("meter")), meter_readings=ui.number(say("reading")))

            async def work(connection: Connection) -> None:
                values = form.values()
                if not values["name"].strip():
                    raise Problem(422, say("wanted"), field="name")
                body = WorkOrderChange(meter_readings={values["name"].strip(): values["meter_readings"]})
                await change(connection, self._visitor.user, self._order.id, body)

            return form, work

        if await ask(self._console, self._visitor, say("meter_readings"), fill):
            await self._changed()


def _labour(order: WorkOrder, job: JobDetail, visitor: Visitor) -> list[_Cost]:
    """(person, hours and rate, cost); one row for hours that came as a sum, as an import brings them."""
    rows = [(row["person"], row["hours"], row["rate"]) for row in job.labour]
    if not rows and order.labour_h:
        rows = [("", order.labour_h, order.labour_rate)]
    return [(name, f"{hours:g} {visitor.say('hours')} × {rate:,.0f}", hours * rate) for name, hours, rate in rows]


def _parts(order: WorkOrder, job: JobDetail) -> list[_Cost]:
    """(part, quantity and unit cost, cost); one row for a cost that came as a sum."""
    if not job.parts and order.parts_cost:
        return [("", "", order.parts_cost)]
    return [
        (row["part"], f"{row['quantity']:g} × {row['unit_cost']:,.0f}", row["quantity"] * row["unit_cost"])
        for row in job.parts
    ]
