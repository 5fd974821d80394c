"""A finding on a machine's page: its evidence, what to do, how often it was right, and what a person says of it."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from api.console.evidence import evidence_text
from api.console.forms import Form, act_button, attempt, once, quiet_button
from api.console.session import Console, Visitor, local, risk_colour
from api.findings import Finding, FindingAnswer
from api.findings import answer as answer_finding
from api.work_orders import FromFinding
from api.work_orders import answer_finding as order_for
from historian import Connection
from plant import fault_library

_VERDICTS = ("confirmed", "other_fault", "nothing_found")


class AnswerDialog:
    """Asks what was found; made once a page, opened for a finding."""

    def __init__(self, console: Console, visitor: Visitor, answered: Callable[[], Awaitable[None]]) -> None:
        """answered: called once the answer is kept"""
        self._console = console
        self._visitor = visitor
        self._answered = answered
        self._finding_id = 0
        say = visitor.say
        names = {
            fault.key: visitor.pick(fault.name_en, fault.name_zh)
            for fault in fault_library().values()
            if fault.kind != "departure"
        }
        with ui.dialog() as self._dialog, ui.card().classes("w-96 max-w-full"):
            self._title = ui.label().classes("font-semibold")
            self._verdict = ui.radio({verdict: say(f"answer_{verdict}") for verdict in _VERDICTS}, value="confirmed")
            self._mode = ui.select(names, label=say("found_instead"), clearable=True, with_input=True)
            self._mode.bind_visibility_from(self._verdict, "value", value="other_fault")
            self._note = ui.input(say("answer_note"))
            self._form = Form(visitor, found_mode=self._mode, note=self._note)
            with ui.row().classes("w-full justify-end"):
                quiet_button(say("cancel"), self._dialog.close)
                ui.button(say("save"), on_click=once(self._save)).props("unelevated no-caps color=blue-grey-7")

    def open(self, finding: Finding) -> None:
        """Ask about a finding."""
        self._finding_id = finding.id
        self._title.text = self._visitor.pick(finding.name_en, finding.name_zh)
        known = finding.answer
        self._verdict.value = known.verdict if known else "confirmed"
        self._mode.value = known.found_mode if known else None
        self._note.value = (known.note if known else None) or ""
        self._dialog.open()

    async def _save(self) -> None:
        verdict = str(self._verdict.value)
        mode = self._mode.value if verdict == "other_fault" else None

        async def work(connection: Connection) -> None:
            body = FindingAnswer.model_validate(
                {"verdict": verdict, "found_mode": mode, "note": self._note.value or None}
            )
            await answer_finding(connection, self._visitor.user, self._finding_id, body)

        if await attempt(self._console, self._visitor, work, self._form):
            self._dialog.close()
            await self._answered()


def finding_card(
    console: Console,
    visitor: Visitor,
    finding: Finding,
    zone: str,
    answer: AnswerDialog,
    ordered: Callable[[], Awaitable[None]],
) -> None:
    """One finding with its evidence and what can be done about it; ordered: called once it has a work order."""
    say = visitor.say
    colour = risk_colour(finding.probability, "running")
    with ui.element("div").classes("brain-card").style(f"border-left:5px solid {colour}"):
        with ui.row().classes("w-full items-baseline justify-between"):
            ui.label(visitor.pick(finding.name_en, finding.name_zh)).classes("text-lg font-semibold")
            ui.label(f"{say('sure')} {finding.probability:.0%}").classes("text-base font-semibold")
        ui.label(
            f"{say('since')} {local(finding.opened_at, zone)}   ·   "
            f"{say('act_before')} {local(finding.act_before, zone)}"
        ).classes("brain-quiet")
        rate = visitor.pick(finding.hit_rate.text_en, finding.hit_rate.text_zh)
        ui.label(f"{say('hit_rate')}: {rate}").classes("brain-quiet")
        if finding.part_of is not None:
            ui.label(f"{say('part_of_bus')} {finding.bus}").classes("brain-quiet")
        if finding.standard:
            ui.label(f"{say('standard')}: {finding.standard}").classes("brain-quiet").tooltip(finding.source)
        ui.label(visitor.pick(finding.cause, finding.cause_zh)).classes("text-sm mt-1")
        with ui.element("div").classes("grid grid-cols-1 md:grid-cols-2 gap-4 mt-2"):
            for direction in ("for", "against"):
                _evidence_column([row for row in finding.evidence if row["direction"] == direction], direction, visitor)
            with ui.column().classes("gap-1"):
                ui.label(say("advice")).classes("brain-title")
                ui.label(f"{say('first_check')}: {visitor.pick(finding.first_check, finding.first_check_zh)}").classes(
                    "text-sm"
                )
                for advice in finding.advice_zh if visitor.language == "zh" else finding.advice:
                    ui.label(f"• {advice}").classes("text-sm")
            others = [row for row in finding.ranking if row["failure_mode"] != finding.failure_mode]
            if others:
                with ui.column().classes("gap-1"):
                    ui.label(say("others")).classes("brain-title")
                    for row in others:
                        ui.label(_other(row, visitor)).classes("text-sm")
        if finding.answer is not None:
            ui.label(_answer(finding, visitor, zone)).classes("text-sm mt-2 font-semibold")

        async def order() -> None:
            async def work(connection: Connection) -> None:
                made = await order_for(connection, visitor.user, finding.id, FromFinding())
                ui.notify(f"{say('order_opened')}: #{made.id}")

            if await attempt(console, visitor, work):
                await ordered()

        with ui.row().classes("mt-2 gap-2"):
            act_button(visitor, say("order"), order)
            act_button(visitor, say("was_right"), lambda: answer.open(finding))


def _evidence_column(rows: list[dict[str, Any]], direction: str, visitor: Visitor) -> None:
    if not rows:
        return
    with ui.column().classes("gap-1"):
        ui.label(visitor.say(f"evidence_{direction}")).classes("brain-title")
        for row in rows:
            ui.label(evidence_text(row, visitor)).classes("text-sm")


def _answer(finding: Finding, visitor: Visitor, zone: str) -> str:
    """Who said what of it, and when."""
    assert finding.answer is not None
    said = visitor.say(f"answer_{finding.answer.verdict}")
    fault = fault_library().get(finding.answer.found_mode or "")
    if fault is not None and fault.key != finding.failure_mode:
        said += f" ({visitor.pick(fault.name_en, fault.name_zh)})"
    parts = [said, finding.answer.by, local(finding.answer.at, zone), finding.answer.note]
    return " · ".join(part for part in parts if part)


def _other(row: dict[str, Any], visitor: Visitor) -> str:
    fault = fault_library().get(row["failure_mode"])
    name = visitor.pick(fault.name_en, fault.name_zh) if fault else row["failure_mode"]
    text = f"{name} {row['probability']:.1%}"
    if row.get("unknown"):
        text += f" ({visitor.say('unknown')}: {', '.join(row['unknown'])})"
    return text
