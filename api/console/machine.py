"""One machine: what is wrong, how that is known, what to do; and its trends."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from api.alarms import to_alarm
from api.console.alarms import alarm_card
from api.console.charts import chart_option, grouped
from api.console.evidence import evidence_text
from api.console.forms import attempt
from api.console.machine_record import MachineRecord
from api.console.session import Console, Visitor, frame, keep_updated, local, page, risk_colour
from api.findings import Finding, to_finding
from api.machines import MachineDetail, machine_detail, signal_trend
from api.problems import Problem
from api.work_orders import FromFinding, answer_finding
from historian import Connection, list_alarms, list_findings
from plant import fault_library, template_library, unit

_RANGES = {"15 min": 0.25, "1 h": 1.0, "8 h": 8.0, "1 d": 24.0, "5 d": 120.0}
_POINTS = 600


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
            page = _MachinePage(console, visitor, detail)
            await page.load_record()
            await page.update()
            keep_updated(5.0, page.update)


class _MachinePage:
    def __init__(self, console: Console, visitor: Visitor, detail: MachineDetail) -> None:
        self._console = console
        self._visitor = visitor
        self._id = detail.id
        self._zone = detail.time_zone
        self._template = template_library().get(detail.template)
        self._seen: list[Any] = []
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
                self._record = MachineRecord(console, visitor, detail)
                with ui.element("div").classes("brain-card"):
                    ui.label(visitor.say("values")).classes("brain-title")
                    self._values = ui.element("div").classes("grid grid-cols-2 gap-x-4 gap-y-1 text-sm")
                with ui.element("div").classes("brain-card"):
                    ui.label(visitor.say("nameplate")).classes("brain-title")
                    self._nameplate(detail)

    async def load_record(self) -> None:
        """What people keep of the machine."""
        await self._record.draw()

    async def update(self) -> None:
        """Everything that changes."""
        async with self._console.connection(self._visitor) as connection:
            detail = await machine_detail(connection, self._id)
            findings = [to_finding(row) for row in await list_findings(connection, machine_id=self._id, is_open=True)]
            alarms = [to_alarm(row) for row in await list_alarms(connection, machine_id=self._id, is_active=True)]
        findings.sort(key=lambda finding: -finding.probability)
        self._show_head(detail)
        self._show_values(detail)
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

    def _nameplate(self, detail: MachineDetail) -> None:
        fields = {field.key: field for field in self._template.nameplate} if self._template else {}
        with ui.element("div").classes("grid grid-cols-2 gap-x-4 gap-y-1 text-sm"):
            for key, value in detail.nameplate.items():
                field = fields.get(key)
                name = self._visitor.pick(field.name_en, field.name_zh) if field else key
                ui.label(name).classes("brain-quiet")
                symbol = unit(field.unit).symbol if field else ""
                text = f"{value:g} {symbol}" if isinstance(value, int | float) else str(value)
                ui.label(text).style("text-align:right")

    def _show_findings(self, findings: list[Finding]) -> None:
        self._findings.clear()
        with self._findings:
            if not findings:
                with ui.element("div").classes("brain-card"):
                    ui.label(self._visitor.say("no_findings")).classes("brain-quiet")
            for finding in findings:
                self._finding_card(finding)

    def _finding_card(self, finding: Finding) -> None:
        visitor, say = self._visitor, self._visitor.say
        colour = risk_colour(finding.probability, "running")
        with ui.element("div").classes("brain-card").style(f"border-left:5px solid {colour}"):
            with ui.row().classes("w-full items-baseline justify-between"):
                ui.label(visitor.pick(finding.name_en, finding.name_zh)).classes("text-lg font-semibold")
                ui.label(f"{say('sure')} {finding.probability:.0%}").classes("text-base font-semibold")
            ui.label(
                f"{say('since')} {local(finding.opened_at, self._zone)}   ·   "
                f"{say('act_before')} {local(finding.act_before, self._zone)}"
            ).classes("brain-quiet")
            ui.label(visitor.pick(finding.cause, finding.cause_zh)).classes("text-sm mt-1")
            with ui.element("div").classes("grid grid-cols-1 md:grid-cols-2 gap-4 mt-2"):
                for direction in ("for", "against"):
                    rows = [row for row in finding.evidence if row["direction"] == direction]
                    if not rows:
                        continue
                    with ui.column().classes("gap-1"):
                        ui.label(say(f"evidence_{direction}")).classes("brain-title")
                        for row in rows:
                            ui.label(evidence_text(row, visitor)).classes("text-sm")
                with ui.column().classes("gap-1"):
                    ui.label(say("advice")).classes("brain-title")
                    ui.label(
                        f"{say('first_check')}: {visitor.pick(finding.first_check, finding.first_check_zh)}"
                    ).classes("text-sm")
                    for advice in finding.advice_zh if visitor.language == "zh" else finding.advice:
                        ui.label(f"• {advice}").classes("text-sm")
                others = [row for row in finding.ranking if row["failure_mode"] != finding.failure_mode]
                if others:
                    with ui.column().classes("gap-1"):
                        ui.label(say("others")).classes("brain-title")
                        for row in others:
                            ui.label(_other(row, visitor)).classes("text-sm")

            async def order() -> None:
                async def work(connection: Connection) -> None:
                    made = await answer_finding(connection, visitor.user, finding.id, FromFinding())
                    ui.notify(f"{say('order_opened')}: #{made.id}")

                if await attempt(self._console, visitor, work):
                    await self.load_record()

            button = ui.button(say("order"), on_click=order).classes("mt-2")
            button.props("dense no-caps outline color=blue-grey-7")
            button.set_enabled(visitor.may_change)

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


def _other(row: dict[str, Any], visitor: Visitor) -> str:
    fault = fault_library().get(row["failure_mode"])
    name = visitor.pick(fault.name_en, fault.name_zh) if fault else row["failure_mode"]
    text = f"{name} {row['probability']:.1%}"
    if row.get("unknown"):
        text += f" ({visitor.say('unknown')}: {', '.join(row['unknown'])})"
    return text
