"""Stops and what they cost: the plant manager's page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from analytics import DEFINITIONS, MICRO_STOP_S, KpiValue, ParetoRow, compare_kpis, pareto
from api.console.session import Console, Visitor, frame, hours_between, local
from historian import DowntimeRow, KpiAsk, list_downtime, list_sites, set_reason, stops_by_reason
from plant import UNITS, fault_library, reason_of, reason_tree

_PERIOD = timedelta(days=7)
_SHOWN = 200
# Shown also where there is too little to say a value.
_ALWAYS = ("availability", "mtbf", "mttr", "unplanned_downtime_h")
_NAMES = {definition.key: definition for definition in DEFINITIONS}


def build(console: Console) -> None:
    """Register the page."""

    @ui.page("/downtime")
    async def downtime() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        end = datetime.now(UTC)
        async with console.connection(visitor) as connection:
            zones = {site["key"]: site["time_zone"] for site in await list_sites(connection)}
            groups = await compare_kpis(connection, end - _PERIOD, end, KpiAsk("site"))
            shares = await stops_by_reason(connection, end - _PERIOD, end, MICRO_STOP_S)
            stops = await list_downtime(connection, limit=_SHOWN)
        with frame(console, visitor, "downtime"):
            for compared in groups:
                group = compared.group
                before = {value.key: value.value for value in compared.previous.values} if compared.previous else {}
                with ui.element("div").classes("brain-card"):
                    ui.label(f"{group.key} · {visitor.say('kpis')}").classes("brain-title")
                    with ui.row().classes("gap-6 flex-wrap"):
                        for value in group.values:
                            if value.value is not None or value.key in _ALWAYS:
                                _kpi(value, before.get(value.key), visitor)
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("pareto")).classes("brain-title")
                ui.echart(_pareto(pareto(shares), visitor)).classes("w-full").style("height:200px")
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("stops")).classes("brain-title")
                if not stops:
                    ui.label(visitor.say("no_stops")).classes("brain-quiet")
                for stop in stops:
                    _stop(console, visitor, stop, zones.get(stop.site, "UTC"), end)


def _kpi(value: KpiValue, before: float | None, visitor: Visitor) -> None:
    definition = _NAMES[value.key]
    with ui.column().classes("gap-0"):
        if value.value is None:
            ui.label(visitor.say("not_enough")).classes("text-lg")
        else:
            # A count is no share, though both have the unit one.
            text = f"{value.value:,.0f}" if value.key == "stops" else _shown(value.value, value.unit)
            ui.label(("≥ " if value.bound else "") + text).classes("text-lg font-semibold")
        name = ui.label(visitor.pick(definition.name_en, definition.name_zh)).classes("brain-quiet")
        name.tooltip(f"{visitor.pick(definition.text_en, definition.text_zh)} ({definition.standard})")
        ui.label(f"{visitor.say('coverage')} {value.coverage:.0%} · n = {value.n}").classes("brain-quiet")
        if before is not None and value.value is not None:
            text = f"{before:,.0f}" if value.key == "stops" else _shown(before, value.unit)
            ui.label(f"{visitor.say('week_before')} {text}").classes("brain-quiet")


def _shown(value: float, unit: str) -> str:
    if unit == "1":
        return f"{value:.2%}"
    unit = UNITS[unit].symbol if unit in UNITS else unit
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.1f} {unit}"


def _pareto(rows: list[ParetoRow], visitor: Visitor) -> dict[str, Any]:
    return {
        "animation": False,
        "grid": {"left": 44, "right": 44, "top": 24, "bottom": 24},
        "xAxis": {"type": "category", "data": [visitor.pick(row.name_en, row.name_zh) for row in rows]},
        "yAxis": [{"type": "value", "name": "h"}, {"type": "value", "name": "%", "max": 100}],
        "tooltip": {},
        "series": [
            {"type": "bar", "data": [round(row.hours, 2) for row in rows], "color": "#b5651d", "barMaxWidth": 60},
            {
                "type": "line",
                "yAxisIndex": 1,
                "data": [round(row.running * 100, 1) for row in rows],
                "color": "#607d8b",
            },
        ],
    }


def _reasons(visitor: Visitor) -> dict[str, str]:
    """The reason tree as a list, children below their parents."""
    return {
        reason.key: ("– " if reason.parent else "") + visitor.pick(reason.name_en, reason.name_zh)
        for reason in reason_tree().values()
    }


def _stop(console: Console, visitor: Visitor, stop: DowntimeRow, zone: str, now: datetime) -> None:
    lasted = hours_between(stop.started_at, stop.ended_at or now)
    fault = fault_library().get(stop.failure_mode or "")
    with ui.row().classes("w-full items-center gap-4 py-1 flex-wrap").style("border-bottom:1px solid #8883"):
        ui.link(stop.machine, f"/machines/{stop.machine_id}").classes("font-semibold w-16")
        ended = local(stop.ended_at, zone) if stop.ended_at else visitor.say("lasts")
        ui.label(f"{local(stop.started_at, zone)} – {ended}").classes("text-sm w-56")
        ui.label(f"{lasted:.2f} {visitor.say('hours')}").classes("text-sm w-20")
        ui.label(visitor.say("planned" if stop.planned else "unplanned")).classes("text-sm w-20")
        if not stop.planned:
            ui.label(f"{lasted * stop.downtime_cost_per_h:,.0f} {stop.currency}").classes("text-sm w-28")
        if fault is not None:
            ui.label(visitor.pick(fault.name_en, fault.name_zh)).classes("brain-quiet")
        proposed = stop.reason_key or (None if stop.reason else reason_of(stop.failure_mode))
        kind = ui.select(_reasons(visitor), label=visitor.say("why"), value=proposed).props("dense").classes("w-48")
        reason = ui.input(visitor.say("reason"), value=stop.reason or "").props("dense").classes("grow")

        async def save() -> None:
            async with console.connection(visitor) as connection:
                await set_reason(
                    connection,
                    stop.id,
                    visitor.user.name,
                    reason=reason.value,
                    reason_key=kind.value,
                    planned=reason_tree()[kind.value].planned if kind.value else None,
                )
            ui.notify(visitor.say("save"))

        button = ui.button(visitor.say("save"), on_click=save).props("dense no-caps flat color=blue-grey-7")
        button.set_enabled(visitor.may_change)
