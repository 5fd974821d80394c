"""Spare parts: what there is, what findings ask for, and what to order now."""

from typing import Any

from nicegui import ui

from api.console.forms import Form, act_button, ask, quiet_button
from api.console.session import Console, Visitor, local
from api.maintenance import Part, PartState, parts, put_part
from api.problems import Problem
from historian import Connection
from plant import fault_library

_ORDER = "#d84315"


class SpareParts:
    """The tab of spare parts."""

    def __init__(self, console: Console, visitor: Visitor) -> None:
        self._console = console
        self._visitor = visitor
        with ui.element("div").classes("brain-card"):
            with ui.row().classes("w-full items-center justify-end"):
                act_button(visitor, visitor.say("new"), self._edit_new, "add")
            self._rows = ui.column().classes("w-full gap-0 mt-2")

    async def draw(self) -> None:
        """All parts, what to order first."""
        async with self._console.connection(self._visitor) as connection:
            found = await parts(connection)
        found.sort(key=lambda part: not part.order_now)
        self._rows.clear()
        with self._rows:
            if not found:
                ui.label(self._visitor.say("no_parts")).classes("brain-quiet")
            for part in found:
                self._row(part)

    def _row(self, part: PartState) -> None:
        visitor, say = self._visitor, self._visitor.say
        with ui.row().classes("brain-row"):
            with ui.column().classes("gap-0 grow"):
                ui.label(f"{part.key} · {part.name}").classes("text-sm font-semibold")
                facts = [
                    f"{say('lead_time_days')} {part.lead_time_days:g}",
                    f"{say('unit_cost')} {part.unit_cost:,g}",
                ]
                if part.wanted:
                    facts.append(say("wanted_by_findings").format(part.wanted))
                ui.label(" · ".join(facts)).classes("brain-quiet")
                if part.order_now:
                    why = visitor.pick(part.reason, part.reason_zh)
                    ui.label(f"{say('order_now')}: {why}").classes("text-sm font-semibold").style(f"color:{_ORDER}")
                elif part.order_by is not None:
                    ui.label(f"{say('order_by')} {local(part.order_by)} UTC").classes("text-sm")
            with ui.column().classes("gap-0 items-end"):
                ui.label(f"{part.stock:g}").classes("text-lg font-semibold")
                ui.label(f"{say('minimum')} {part.minimum:g}").classes("brain-quiet")
            quiet_button(say("change"), self._editor(part)).set_enabled(visitor.may_change)

    def _editor(self, part: PartState) -> Any:
        async def edit() -> None:
            await self._edit(part)

        return edit

    async def _edit_new(self) -> None:
        await self._edit(None)

    async def _edit(self, part: PartState | None) -> None:
        visitor, say = self._visitor, self._visitor.say
        modes = {key: visitor.pick(fault.name_en, fault.name_zh) for key, fault in fault_library().items()}

        def fill() -> tuple[Form, Any]:
            key = ui.input(say("part_number"), value=part.key if part is not None else "")
            key.set_enabled(part is None)
            form = Form(
                visitor,
                key=key,
                name=ui.input(say("part_name"), value=part.name if part is not None else ""),
                stock=ui.number(say("stock"), value=part.stock if part is not None else 0),
                minimum=ui.number(say("minimum"), value=part.minimum if part is not None else 0),
                lead_time_days=ui.number(say("lead_time_days"), value=part.lead_time_days if part is not None else 0),
                unit_cost=ui.number(say("unit_cost"), value=part.unit_cost if part is not None else 0),
                failure_modes=ui.select(
                    modes,
                    label=say("asked_for_by"),
                    value=[mode for mode in part.failure_modes if mode in modes] if part is not None else [],
                    multiple=True,
                ).props("use-chips"),
            )

            async def work(connection: Connection) -> None:
                values = form.values()
                number = values.pop("key").strip()
                if not number:
                    raise Problem(422, say("wanted"), field="key")
                await put_part(connection, visitor.user, number, Part(**values))

            return form, work

        if await ask(self._console, visitor, say("spare_part"), fill):
            await self.draw()
