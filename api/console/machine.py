"""One machine: what is wrong, how that is known, what to do; and its trends."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from api.alarms import to_alarm
from api.console.alarms import alarm_card
from api.console.charts import chart_option, grouped
from api.console.findings import AnswerDialog, finding_card
from api.console.machine_record import MachineRecord
from api.console.session import Console, Visitor, frame, keep_updated, local, page, risk_colour
from api.findings import Finding, rates_by_mode, to_finding
from api.machines import Detectability, MachineDetail, machine_detail, signal_trend
from api.problems import Problem
from historian import list_alarms, list_findings
from plant import template_library, unit

_RANGES = {"15 min": 0.25, "1 h": 1.0, "8 h": 8.0, "1 d": 24.0, "5 d": 120.0}
_POINTS = 600
_THERMAL = {"thermal_capacity": "%", "minutes_to_trip": "min", "minutes_until_restart": "min"}


def build(console: Console) -> None:
    """Register the page."""

    @page("/machines/{machine_id}")
    async def machine(machine_id: int) -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        try:
            async with console.connection(visitor) as connection:
                detail = await machine_detail(connection, machine_id)
        except Problem:
            with frame(console, visitor, "fleet"):
                ui.label(visitor.say("not_found"))
            return
        with frame(console, visitor, "fleet"):
            shown = _MachinePage(console, visitor, detail)
            await shown.update()
            await shown.load_record()
            keep_updated(5.0, shown.update)


class _MachinePage:
    def __init__(self, console: Console, visitor: Visitor, detail: MachineDetail) -> None:
        self._console = console
        self._visitor = visitor
        self._id = detail.id
        self._zone = detail.time_zone
        self._template = template_library().get(detail.template)
        self._seen: list[Any] = []
        self._told: list[Detectability] = []
        # Outside of what is drawn anew while somebody writes into it.
        self._answer = AnswerDialog(console, visitor, self.update)
        self._head = ui.row().classes("brain-card w-full items-center gap-6 flex-wrap")
        with ui.element("div").classes("w-full grid gap-3 grid-cols-1 xl:grid-cols-3"):
            with ui.column().classes("gap-3 xl:col-span-2 w-full"):
                self._findings = ui.column().classes("w-full gap-3")
                with ui.element("div").classes("brain-card"):
                    with ui.row().classes("items-center w-full justify-between"):
                        ui.label(visitor.say("trends")).classes("brain-title")
                        self._range = ui.toggle(list(_RANGES), value="1 h", on_change=self._draw).props(
                            "dense no-caps unelevated toggle-color=blue-grey-7"
                        )
                    self._charts = []
                    signals = list(self._template.signals) if self._template else []
                    for name, chosen in grouped(signals):
                        ui.label(visitor.say(name)).classes("brain-quiet mt-2")
                        self._charts.append((chosen, ui.echart({}).classes("w-full").style("height:190px")))
            with ui.column().classes("gap-3 w-full"):
                self._alarms = ui.column().classes("w-full gap-2")
                self._detectability = ui.element("div").classes("brain-card")
                with ui.element("div").classes("brain-card"):
                    ui.label(visitor.say("values")).classes("brain-title")
                    self._values = ui.element("div").classes("grid grid-cols-2 gap-x-4 gap-y-1 text-sm")
                with ui.element("div").classes("brain-card"):
                    ui.label(visitor.say("nameplate")).classes("brain-title")
                    self._nameplate(detail)
                self._record = MachineRecord(console, visitor, detail)

    async def load_record(self) -> None:
        """What people keep of the machine."""
        await self._record.draw()

    async def update(self) -> None:
        """Everything that changes."""
        async with self._console.connection(self._visitor) as connection:
            detail = await machine_detail(connection, self._id)
            rates = await rates_by_mode(connection)
            rows = await list_findings(connection, machine_id=self._id, is_open=True)
            findings = [to_finding(row, rates) for row in rows]
            alarms = [to_alarm(row) for row in await list_alarms(connection, machine_id=self._id, is_active=True)]
        findings.sort(key=lambda finding: -finding.probability)
        self._show_head(detail)
        self._show_values(detail)
        self._show_detectability(detail)
        seen = [*findings, *alarms]
        if seen != self._seen or not self._findings.default_slot.children:
            self._seen = seen
            self._show_findings(findings)
            self._alarms.clear()
            with self._alarms:
                for alarm in alarms:
                    alarm_card(self._console, self._visitor, alarm, self._zone)
        await self._draw()

    def _show_head(self, detail: MachineDetail) -> None:
        say = self._visitor.say
        self._head.clear()
        with self._head:
            with ui.column().classes("gap-0"):
                ui.label(f"{detail.code} · {detail.name}").classes("text-lg font-semibold")
                ui.label(f"{detail.site_name} / {detail.line}").classes("brain-quiet")
            for key, text, colour in (
                ("state", say(detail.state), risk_colour(None, detail.state)),
                ("risk", say("learning") if detail.risk is None else f"{detail.risk:.0%}", None),
                ("health", say("learning") if detail.health is None else f"{detail.health:.0f}", None),
            ):
                with ui.column().classes("gap-0"):
                    label = ui.label(text).classes("brain-number").style("font-size:20px")
                    if key == "risk" and detail.risk is not None and detail.risk >= 0.1:
                        label.style(f"color:{risk_colour(detail.risk, detail.state)}")
                    elif colour and key == "state" and detail.state in ("down", "off_line"):
                        label.style(f"color:{colour}")
                    ui.label(say(key)).classes("brain-quiet")
                    if key == "health" and detail.held_since is not None:
                        ui.label(f"{say('held_since')} {local(detail.held_since, self._zone)}").classes(
                            "brain-quiet"
                        ).tooltip(say("held_hint"))

    def _show_detectability(self, detail: MachineDetail) -> None:
        """What its sensors can show now, and why not the rest."""
        if detail.detectability == self._told and self._detectability.default_slot.children:
            return
        self._told = detail.detectability
        visitor, say = self._visitor, self._visitor.say
        told = [entry for entry in detail.detectability if entry.because is None]
        untold: dict[str, list[Detectability]] = {}
        for entry in detail.detectability:
            if entry.because is not None:
                untold.setdefault(visitor.pick(entry.why_en, entry.why_zh), []).append(entry)

        def names(entries: list[Detectability]) -> str:
            return visitor.pick(
                "; ".join(entry.name_en for entry in entries), "、".join(entry.name_zh for entry in entries)
            )

        self._detectability.clear()
        with self._detectability:
            ui.label(say("detectability")).classes("brain-title")
            ui.label(f"{len(told)} / {len(detail.detectability)} {say('can_be_told')}").classes("text-sm")
            ui.label(names(told)).classes("brain-quiet")
            for why, entries in untold.items():
                ui.label(f"{say('cannot_tell')}: {names(entries)}").classes("text-sm mt-2")
                ui.label(why).classes("brain-quiet")
                if entries[0].because == "not_measured":
                    for settled in {visitor.pick(entry.settled_by_en, entry.settled_by_zh): None for entry in entries}:
                        ui.label(f"{say('settled_by')}: {settled}").classes("brain-quiet")

    def _show_values(self, detail: MachineDetail) -> None:
        self._values.clear()
        with self._values:
            for signal in detail.signals:
                ui.label(self._visitor.pick(signal.name_en, signal.name_zh)).classes("brain-quiet")
                text = self._visitor.say("no_data")
                if signal.value is not None:
                    symbol = unit(signal.unit).symbol
                    text = ("✓" if signal.value else "–") if signal.unit == "bool" else f"{signal.value:,.4g} {symbol}"
                label = ui.label(text).style("font-variant-numeric:tabular-nums; text-align:right")
                if signal.quality not in (None, "good"):
                    label.style("color:#d84315").tooltip(str(signal.quality))
            for key, symbol in _THERMAL.items():
                value = detail.indicators.get(key)
                if value is not None:
                    ui.label(self._visitor.say(key)).classes("brain-quiet")
                    ui.label(f"{value:.0f} {symbol}").style("font-variant-numeric:tabular-nums; text-align:right")

    def _nameplate(self, detail: MachineDetail) -> None:
        fields = {field.key: field for field in self._template.nameplate} if self._template else {}
        with ui.element("div").classes("grid grid-cols-2 gap-x-4 gap-y-1 text-sm"):
            for key, value in detail.nameplate.items():
                field = fields.get(key)
                name = self._visitor.pick(field.name_en, field.name_zh) if field else key
                ui.label(name).classes("brain-quiet")
                symbol = unit(field.unit).symbol if field else ""
                text = f"{value:g} {symbol}" if isinstance(value, int | float) else str(value) or "–"
                ui.label(text).style("text-align:right")

    def _show_findings(self, findings: list[Finding]) -> None:
        self._findings.clear()
        with self._findings:
            if not findings:
                with ui.element("div").classes("brain-card"):
                    ui.label(self._visitor.say("no_findings")).classes("brain-quiet")
            for finding in findings:
                finding_card(self._console, self._visitor, finding, self._zone, self._answer, self.load_record)

    async def _draw(self) -> None:
        end = datetime.now(UTC)
        start = end - timedelta(hours=_RANGES[str(self._range.value)])
        async with self._console.connection(self._visitor) as connection:
            detail = await machine_detail(connection, self._id)
            limits = self._template.resolved_limits(detail.nameplate) if self._template else []
            for chosen, chart in self._charts:
                trends = [
                    (signal, await signal_trend(connection, self._id, signal.key, start, end, _POINTS))
                    for signal in chosen
                ]
                chart.options.clear()
                chart.options.update(chart_option(trends, limits, self._visitor, self._zone))
                chart.update()
