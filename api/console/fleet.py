"""The fleet: who needs a person now, and every machine at a glance."""

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from nicegui import ui

from api.console.session import STATE_COLOURS, Console, Visitor, frame, keep_updated, local, page, risk_colour
from api.machines import sorted_rows
from historian import FleetRow, list_fleet, list_sites
from plant import fault_library

_AT_RISK = 0.1
_SHOWN = 25


def build(console: Console) -> None:
    """Register the page."""

    @page("/")
    async def fleet() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            zones = {site["key"]: site["time_zone"] for site in await list_sites(connection)}
        with frame(console, visitor, "fleet"):
            numbers = _Numbers(visitor)
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("needs_you")).classes("brain-title")
                table = _table(visitor)
                calm = ui.label(visitor.say("nothing")).classes("brain-quiet")
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("map")).classes("brain-title")
                ui.label(visitor.say("map_hint")).classes("brain-quiet")
                chart = ui.echart(_map([], visitor), on_point_click=_open_machine).classes("w-full")
                _legend(visitor)

            async def update() -> None:
                async with console.connection(visitor) as connection:
                    rows = await list_fleet(connection)
                numbers.show(rows)
                matters = [row for row in sorted_rows(rows, "-risk") if row.finding_id is not None]
                # A disturbance of a whole bus is one matter: its other machines are counted, not listed.
                sharing = Counter(row.part_of for row in matters)
                ranked = [row for row in matters if row.part_of is None]
                table.rows = [
                    _row(row, sharing[row.finding_id], visitor, zones.get(row.site, "UTC")) for row in ranked[:_SHOWN]
                ]
                table.update()
                table.set_visibility(bool(ranked))
                calm.set_visibility(not ranked)
                option = _map(rows, visitor)
                chart.style(f"height:{option.pop('height')}px")
                chart.options.clear()
                chart.options.update(option)
                chart.update()

            await update()
            keep_updated(2.0, update)


class _Numbers:
    """The figures at the top."""

    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._labels: dict[str, ui.label] = {}
        with ui.row().classes("w-full gap-3 items-stretch flex-wrap"):
            for key in ("machines", "at_risk", "open_findings", "active_alarms", "newest"):
                with ui.element("div").classes("brain-card").style("width:auto; flex:1 1 130px"):
                    self._labels[key] = ui.label("–").classes("brain-number")
                    ui.label(visitor.say(key)).classes("brain-quiet")
            with ui.element("div").classes("brain-card").style("width:auto; flex:2 1 260px"):
                self._states = ui.row().classes("gap-4 items-end")

    def show(self, rows: list[FleetRow]) -> None:
        """Bring the figures up to date."""
        risky = sum(1 for row in rows if row.risk is not None and row.risk >= _AT_RISK)
        newest = max((row.judged_at for row in rows if row.judged_at is not None), default=None)
        figures = {
            "machines": str(len(rows)),
            "at_risk": str(risky),
            "open_findings": str(sum(row.finding_id is not None and row.part_of is None for row in rows)),
            "active_alarms": str(sum(row.active_alarms for row in rows)),
            "newest": self._visitor.say("no_data") if newest is None else _ago(newest),
        }
        for key, text in figures.items():
            self._labels[key].text = text
        self._labels["at_risk"].style(f"color:{RISKY if risky else 'inherit'}")
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.state] = counts.get(row.state, 0) + 1
        self._states.clear()
        with self._states:
            for state, count in sorted(counts.items(), key=lambda item: -item[1]):
                with ui.column().classes("gap-0"):
                    number = ui.label(str(count)).classes("text-lg font-semibold")
                    if state in ("down", "off_line"):
                        number.style(f"color:{STATE_COLOURS[state]}")
                    ui.label(self._visitor.say(state)).classes("brain-quiet")


RISKY = "#d84315"


def _ago(moment: datetime) -> str:
    seconds = max(0, round((datetime.now(UTC) - moment).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _table(visitor: Visitor) -> ui.table:
    columns = [
        {"name": key, "label": visitor.say(key), "field": key, "align": "left", "style": style}
        for key, style in (
            ("machine", "font-weight:600"),
            ("failure_mode", "font-weight:600"),
            ("sure", ""),
            ("risk", ""),
            ("since", ""),
            ("act_before", ""),
            ("advice", "white-space:normal; min-width:260px"),
        )
    ]
    table = ui.table(columns=columns, rows=[], row_key="id").classes("w-full").props("flat dense")
    table.add_slot(
        "body-cell-risk",
        """<q-td :props="props"><div style="display:flex;align-items:center;gap:6px">
        <div style="width:60px;height:8px;background:#8884;border-radius:4px">
        <div :style="{width: props.row.risk_share * 60 + 'px', background: props.row.colour}"
        style="height:8px;border-radius:4px"></div></div>
        <span>{{ props.row.risk }}</span></div></q-td>""",
    )
    table.on("rowClick", lambda event: ui.navigate.to(f"/machines/{event.args[1]['id']}"))
    return table


def _row(row: FleetRow, sharing: int, visitor: Visitor, zone: str) -> dict[str, Any]:
    """sharing: how many more machines have part in the same matter"""
    fault = fault_library().get(row.failure_mode or "")
    words = fault.words(row.origin) if fault else None
    risk = row.risk or 0.0
    return {
        "id": row.id,
        "machine": f"{row.bus}: {row.code} +{sharing}" if sharing else row.code,
        "failure_mode": visitor.pick(words.name_en, words.name_zh) if words else row.failure_mode,
        "sure": f"{row.probability or 0:.0%}",
        "risk": f"{risk:.0%}",
        "risk_share": risk,
        "colour": risk_colour(risk, row.state),
        "since": local(row.finding_since, zone),
        "act_before": local(row.act_before, zone),
        "advice": visitor.pick(words.advice_en[0], words.advice_zh[0]) if words else "",
    }


def _map(rows: list[FleetRow], visitor: Visitor) -> dict[str, Any]:
    """All machines on one canvas, line by line: one drawing whatever the number."""
    ordered = sorted(rows, key=lambda row: (row.site, row.line, row.code))
    across = max(10, min(100, math.ceil(math.sqrt(max(1, len(ordered)) * 4))))
    deep = max(1, math.ceil(len(ordered) / across))
    size = 46 if across <= 20 else max(10, 1200 // across)
    data = []
    for number, row in enumerate(ordered):
        fault = fault_library().get(row.failure_mode or "")
        risk = visitor.say("learning") if row.risk is None else f"{visitor.say('risk')} {row.risk:.0%}"
        words = [row.code, row.name, f"{row.line} · {visitor.say(row.state)}", risk]
        if fault is not None:
            words.append(visitor.pick(fault.name_en, fault.name_zh))
        data.append(
            {
                "value": [number % across, deep - 1 - number // across, row.id],
                "name": "<br>".join(words),
                "itemStyle": {"color": risk_colour(row.risk, row.state)},
                "label": {"show": size > 30, "formatter": row.code, "fontSize": 10, "color": "#fff"},
            }
        )
    hidden = {"type": "value", "show": False}
    return {
        "height": deep * (size + 4) + 16,
        "animation": False,
        "grid": {"left": 4, "right": 4, "top": 4, "bottom": 4},
        "tooltip": {"formatter": "{b}"},
        "xAxis": {**hidden, "min": -0.5, "max": across - 0.5},
        "yAxis": {**hidden, "min": -0.5, "max": deep - 0.5},
        "series": [{"type": "scatter", "symbol": "roundRect", "symbolSize": [size * 1.15, size], "data": data}],
    }


def _legend(visitor: Visitor) -> None:
    with ui.row().classes("gap-4 mt-1 flex-wrap"):
        for colour, words in (
            ("#d84315", f"{visitor.say('risk')} ≥ 60 %"),
            ("#ef9f27", "≥ 30 %"),
            ("#e6cf6a", "≥ 10 %"),
            *((STATE_COLOURS[state], visitor.say(state)) for state in ("running", "stopped", "down", "off_line")),
        ):
            with ui.row().classes("items-center gap-1"):
                ui.element("div").style(f"width:12px;height:12px;border-radius:2px;background:{colour}")
                ui.label(words).classes("brain-quiet")


def _open_machine(event: Any) -> None:
    ui.navigate.to(f"/machines/{event.value[2]}")
