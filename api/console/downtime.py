"""Stops and what they cost: the plant manager's page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from analytics import DEFINITIONS, KpiValue, compute_kpis
from api.console.session import Console, Visitor, frame, hours_between, local
from historian import DowntimeRow, list_downtime, list_sites, set_reason
from plant import fault_library

_PERIOD = timedelta(days=7)
_SHOWN = 200
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
            groups = await compute_kpis(connection, start=end - _PERIOD, end=end, group_by="site")
            stops = await list_downtime(connection, limit=_SHOWN)
        with frame(console, visitor, "downtime"):
            for group in groups:
                with ui.element("div").classes("brain-card"):
                    ui.label(f"{group.key} · {visitor.say('kpis')}").classes("brain-title")
                    with ui.row().classes("gap-6 flex-wrap"):
                        for value in group.values:
                            _kpi(value, visitor)
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("pareto")).classes("brain-title")
                ui.echart(_pareto(stops, end)).classes("w-full").style("height:200px")
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("stops")).classes("brain-title")
                if not stops:
                    ui.label(visitor.say("no_stops")).classes("brain-quiet")
                for stop in stops:
                    _stop(console, visitor, stop, zones.get(stop.site, "UTC"), end)


def _kpi(value: KpiValue, visitor: Visitor) -> None:
    definition = _NAMES[value.key]
    with ui.column().classes("gap-0"):
        if value.value is None:
            ui.label(visitor.say("not_enough")).classes("text-lg")
        else:
            prefix = "≥ " if value.bound else ""
            if value.unit == "1":
                text = f"{value.value:.2%}"
            else:
                text = f"{value.value:,.0f} {value.unit}" if value.value >= 100 else f"{value.value:,.1f} {value.unit}"
            ui.label(prefix + text).classes("text-lg font-semibold")
        name = ui.label(visitor.pick(definition.name_en, definition.name_zh)).classes("brain-quiet")
        name.tooltip(f"{visitor.pick(definition.text_en, definition.text_zh)} ({definition.standard})")
        ui.label(f"{visitor.say('coverage')} {value.coverage:.0%} · n = {value.n}").classes("brain-quiet")


def _pareto(stops: list[DowntimeRow], now: datetime) -> dict[str, Any]:
    hours: dict[str, float] = {}
    for stop in stops:
        if not stop.planned:
            hours[stop.machine] = hours.get(stop.machine, 0.0) + hours_between(stop.started_at, stop.ended_at or now)
    ranked = sorted(hours.items(), key=lambda item: -item[1])[:20]
    return {
        "animation": False,
        "grid": {"left": 44, "right": 10, "top": 10, "bottom": 24},
        "xAxis": {"type": "category", "data": [machine for machine, _ in ranked]},
        "yAxis": {"type": "value", "name": "h"},
        "tooltip": {},
        "series": [{"type": "bar", "data": [round(value, 2) for _, value in ranked], "color": "#b5651d"}],
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
        reason = ui.input(visitor.say("reason"), value=stop.reason or "").props("dense").classes("grow")

        async def save() -> None:
            async with console.connection(visitor) as connection:
                await set_reason(connection, stop.id, visitor.user.name, reason=reason.value)
            ui.notify(visitor.say("save"))

        button = ui.button(visitor.say("save"), on_click=save).props("dense no-caps flat color=blue-grey-7")
        button.set_enabled(visitor.may_change)
