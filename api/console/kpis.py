"""The plant manager's figures: against the period before and the baseline, with what they rest on."""

from datetime import datetime
from typing import Any

from nicegui import ui

from analytics import DEFINITIONS
from api.console.filters import Filter
from api.console.session import Console, Visitor, frame, page
from api.kpis import GroupBy, KpiGroup, KpiValue
from api.kpis import kpis as compute
from historian import Connection, list_sites
from plant import UNITS

MAIN = (
    "availability",
    "mtbf",
    "mttr",
    "unplanned_downtime_h",
    "unplanned_downtime_cost",
    "maintenance_cost",
    "energy",
)
_GROUPS: tuple[GroupBy, ...] = ("site", "line", "machine")
_SHOWN = 50
_WORSE, _BETTER = "#d84315", "#4f7f52"
_DEFINITIONS = {definition.key: definition for definition in DEFINITIONS}


def build(console: Console) -> None:
    """Register the page."""

    @page("/kpis")
    async def kpis() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            sites = await list_sites(connection)
        with frame(console, visitor, "indicators"):

            async def draw() -> None:
                start, end = chosen.span()
                async with console.connection(visitor) as connection:
                    found = await groups_of(connection, chosen.sites, start, end, group_by.value)
                found.sort(key=lambda named: -_cost(named[1]))
                column.clear()
                with column:
                    for name, group in found[:_SHOWN]:
                        with ui.element("div").classes("brain-card"):
                            kpi_cards(name, group, visitor, None if more.value else MAIN)
                    if len(found) > _SHOWN:
                        ui.label(visitor.say("costliest").format(_SHOWN, len(found))).classes("brain-quiet")

            with ui.row().classes("w-full items-center gap-3 flex-wrap"):
                chosen = Filter(visitor, sites, draw)
                group_by = ui.toggle({key: visitor.say(key) for key in _GROUPS}, value="site", on_change=draw)
                group_by.props("dense no-caps unelevated toggle-color=blue-grey-7")
                more = ui.switch(visitor.say("every_indicator"), on_change=draw).props("dense")
            ui.label(visitor.say("kpis_hint")).classes("brain-quiet")
            column = ui.column().classes("w-full gap-3")
            await draw()


async def groups_of(
    connection: Connection, sites: dict[str, str], start: datetime, end: datetime, group_by: GroupBy
) -> list[tuple[str, KpiGroup]]:
    """(name, KPIs) of groups, beside the period before and their site's own baseline; sites: names by key."""
    found: list[tuple[str, KpiGroup]] = []
    for site, name in sites.items():
        answer = await compute(connection, site=site, start=start, end=end, group_by=group_by, compare=True)
        for group in answer.items:
            own = name if group_by == "site" else f"{name} / {group.key}" if len(sites) > 1 else group.key
            found.append((own, group))
    return found


def _cost(group: KpiGroup) -> float:
    return next((value.value or 0.0 for value in group.values if value.key == "unplanned_downtime_cost"), 0.0)


def kpi_cards(name: str, group: KpiGroup, visitor: Visitor, keys: tuple[str, ...] | None = MAIN) -> None:
    """A group's KPIs side by side; keys: which, None for all."""
    machines = f" · {group.machines} {visitor.say('machines')}" if group.group_by != "machine" else ""
    ui.label(f"{name}{machines}").classes("brain-title")
    with (
        ui.element("div")
        .classes("w-full grid gap-x-6 gap-y-3")
        .style("grid-template-columns:repeat(auto-fill, minmax(min(150px, 44%), 1fr))")
    ):
        for value in group.values:
            if keys is None or value.key in keys:
                _kpi(value, group, visitor)


def _kpi(value: KpiValue, group: KpiGroup, visitor: Visitor) -> None:
    definition = _DEFINITIONS[value.key]
    with ui.column().classes("gap-0"):
        name = ui.label(visitor.pick(value.name_en, value.name_zh)).classes("brain-quiet")
        name.tooltip(f"{visitor.pick(definition.text_en, definition.text_zh)} ({value.standard})")
        if value.value is None:
            ui.label(visitor.say("not_enough")).classes("text-base").style("color:#74828d")
        else:
            text = shown(value.key, value.value, value.unit)
            ui.label(("≥ " if value.bound else "") + text).classes("text-lg font-semibold")
        for key, other, exposure in (
            ("before", value.previous, group.previous_exposure),
            ("baseline", value.baseline, group.baseline_exposure),
        ):
            if other is None or exposure is None or (definition.adds_up and not exposure.seen_h):
                continue
            # A baseline lasts longer: amounts are set beside each other for as many hours seen.
            scale = group.exposure.seen_h / exposure.seen_h if definition.adds_up and exposure.seen_h else 1.0
            _beside(value, visitor.say(key), other * scale, visitor)
        ui.label(f"{visitor.say('coverage')} {value.coverage:.0%} · n = {value.n}").classes("brain-quiet")


def _beside(value: KpiValue, words: str, other: float, visitor: Visitor) -> None:
    """Another period's value, and by how much this one is better or worse."""
    with ui.row().classes("gap-1 items-baseline"):
        ui.label(f"{words} {shown(value.key, other, value.unit)}").classes("brain-quiet")
        # Bounds say nothing of a change.
        if value.value is None or value.bound:
            return
        change = value.value - other
        better = _DEFINITIONS[value.key].better
        if value.unit == "1" and value.key != "stops":
            text = f"{change * 100:+.2f} {visitor.say('points')}"
        elif other:
            text = f"{change / abs(other):+.0%}"
        else:
            return
        colour = "inherit" if not change or not better else _BETTER if change * better > 0 else _WORSE
        ui.label(text).classes("text-xs font-semibold").style(f"color:{colour}")


def shown(key: str, value: float, unit: str) -> str:
    """A value as people read it."""
    if key == "stops":  # a count is no share, though both have the unit one
        return f"{value:,.0f}"
    if unit == "1":
        return f"{value:.2%}"
    symbol: Any = UNITS[unit].symbol if unit in UNITS else unit
    return f"{value:,.0f} {symbol}" if abs(value) >= 100 else f"{value:,.1f} {symbol}"
