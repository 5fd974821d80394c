"""Stops: what they cost, why they were, and what people say of them."""

from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from api.console.filters import Filter
from api.console.forms import act_button, attempt, confirmed, quiet_button
from api.console.kpis import groups_of, kpi_cards
from api.console.session import Console, Visitor, duration, frame, local, page
from api.console.stop import edit_stop, give_reason, phases_text, reason_name
from api.downtime import Downtime, Merge, ParetoRow, downtime_pareto, merge
from api.downtime import downtime as list_stops
from historian import Connection, list_sites
from plant import fault_library

_SHOWN = 20
_KPIS = ("availability", "mtbf", "mttr", "unplanned_downtime_h", "unplanned_downtime_cost", "stops")
_NOW, _BEFORE, _LINE = "#b5651d", "#c9b8a6", "#607d8b"


def build(console: Console) -> None:
    """Register the page."""

    @page("/downtime")
    async def downtime() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            sites = await list_sites(connection)
        with frame(console, visitor, "downtime"):
            await _DowntimePage(console, visitor, sites).draw()


class _DowntimePage:
    def __init__(self, console: Console, visitor: Visitor, sites: list[dict[str, Any]]) -> None:
        self._console = console
        self._visitor = visitor
        self._zones = {site["key"]: site["time_zone"] for site in sites}
        with ui.row().classes("w-full items-center gap-3 flex-wrap"):
            self._chosen = Filter(visitor, sites, self.draw)
        self._figures = ui.column().classes("w-full gap-3")
        with ui.element("div").classes("brain-card"):
            ui.label(visitor.say("pareto")).classes("brain-title")
            self._pareto = ui.echart({}).classes("w-full")
            self._no_stops = ui.label(visitor.say("no_stops")).classes("brain-quiet")
        self._waiting = _Stops(console, visitor, "unexplained", self._zones, self.draw)
        self._all = _Stops(console, visitor, "stops", self._zones, self.draw)

    async def draw(self) -> None:
        """Everything, for the site and period chosen."""
        start, end = self._chosen.span()
        site = self._chosen.site
        async with self._console.connection(self._visitor) as connection:
            groups = await groups_of(connection, self._chosen.sites, start, end, "site")
            rows = await downtime_pareto(connection, start, end, site)
            before = await downtime_pareto(connection, start - (end - start), start, site)
            await self._waiting.load(connection, site)
            await self._all.load(connection, site)
        self._figures.clear()
        with self._figures:
            for name, group in groups:
                with ui.element("div").classes("brain-card"):
                    kpi_cards(name, group, self._visitor, _KPIS)
        self._no_stops.set_visibility(not rows)
        self._pareto.set_visibility(bool(rows))
        self._pareto.style(f"height:{90 + 40 * len(rows)}px")
        self._pareto.options.clear()
        self._pareto.options.update(_chart(rows, before, self._visitor))
        self._pareto.update()


def _chart(rows: list[ParetoRow], before: list[ParetoRow], visitor: Visitor) -> dict[str, Any]:
    """Hours by reason, those of the period before beside them, and shares added up; the worst on top."""
    earlier = {row.reason: row.hours for row in before}
    names = [visitor.pick(row.name_en, row.name_zh) for row in rows]
    return {
        "animation": False,
        "grid": {"left": 8, "right": 44, "top": 52, "bottom": 8, "containLabel": True},
        "legend": {"top": 0, "left": 0, "itemHeight": 8, "textStyle": {"fontSize": 11, "color": "#74828d"}},
        "tooltip": {"trigger": "axis"},
        "yAxis": {
            "type": "category",
            "data": names,
            "inverse": True,
            "axisLabel": {"width": 110, "overflow": "break", "fontSize": 11},
        },
        "xAxis": [
            {"type": "value", "name": visitor.say("hours"), "nameGap": 4, "splitNumber": 3},
            {"type": "value", "max": 100, "axisLabel": {"show": False}, "splitLine": {"show": False}},
        ],
        "series": [
            {
                "type": "bar",
                "name": visitor.say("this_period"),
                "color": _NOW,
                "data": [round(row.hours, 2) for row in rows],
                "barMaxWidth": 14,
            },
            {
                "type": "bar",
                "name": visitor.say("before"),
                "color": _BEFORE,
                "data": [round(earlier.get(row.reason, 0.0), 2) for row in rows],
                "barMaxWidth": 14,
            },
            {
                "type": "line",
                "name": visitor.say("added_up"),
                "xAxisIndex": 1,
                "color": _LINE,
                "data": [round(row.running * 100, 1) for row in rows],
            },
        ],
    }


class _Stops:
    """A list of stops: those that want a reason, or all; ticked ones can be joined."""

    def __init__(self, console: Console, visitor: Visitor, which: str, zones: dict[str, str], changed: Any) -> None:
        self._console = console
        self._visitor = visitor
        self._which = which
        self._zones = zones
        self._changed = changed
        self._chosen: set[int] = set()
        with ui.element("div").classes("brain-card"):
            with ui.row().classes("w-full items-center justify-between"):
                ui.label(visitor.say(which)).classes("brain-title")
                self._join = act_button(visitor, visitor.say("join"), self._ask_to_join, "merge")
            self._rows = ui.column().classes("w-full gap-0")
            self._more = quiet_button(visitor.say("more"), self._load_more)
        self._site: str | None = None
        self._cursor: str | None = None

    async def load(self, connection: Connection, site: str | None) -> None:
        """The newest ones, anew."""
        self._site, self._cursor = site, None
        self._chosen.clear()
        self._join.set_visibility(False)
        self._rows.clear()
        await self._append(connection)

    async def _load_more(self) -> None:
        async with self._console.connection(self._visitor) as connection:
            await self._append(connection)

    async def _append(self, connection: Connection) -> None:
        waiting = self._which == "unexplained"
        page = await list_stops(
            connection,
            site=self._site,
            unexplained=waiting,
            micro_stops=not waiting,
            limit=_SHOWN,
            cursor=self._cursor,
        )
        self._cursor = page.next_cursor
        self._more.set_visibility(self._cursor is not None)
        with self._rows:
            if not page.items and not self._rows.default_slot.children:
                ui.label(self._visitor.say("all_explained" if waiting else "no_stops")).classes("brain-quiet")
            for stop in page.items:
                self._row(stop)

    def _row(self, stop: Downtime) -> None:
        visitor, say, zone = self._visitor, self._visitor.say, self._zones.get(stop.site, "UTC")
        with ui.row().classes("brain-row"):
            with ui.row().classes("items-center gap-1 flex-nowrap"):
                tick = ui.checkbox(on_change=lambda event: self._tick(stop.id, event.value))
                tick.props(f'dense size=sm aria-label="{say("join")} {stop.id}"')
                tick.set_enabled(visitor.may_change and stop.ended_at is not None)
                ui.link(stop.machine, f"/machines/{stop.machine_id}").classes("font-semibold min-w-14")
            ended = local(stop.ended_at, zone) if stop.ended_at else say("lasts")
            ui.label(f"{local(stop.started_at, zone)} – {ended}").classes("text-sm w-48")
            seconds = (stop.ended_at or datetime.now(stop.started_at.tzinfo)) - stop.started_at
            ui.label(duration(seconds / timedelta(seconds=1), visitor)).classes("text-sm w-16")
            if not stop.planned:
                cost = seconds / timedelta(hours=1) * stop.downtime_cost_per_h
                ui.label(f"{cost:,.0f} {stop.currency}").classes("text-sm w-24")
            with ui.column().classes("gap-0 grow"):
                self._why(stop, zone)
            if stop.proposed_reason and not stop.reason:
                words = f"{reason_name(stop.proposed_reason, visitor)} ?"
                act_button(visitor, words, self._giver(stop, stop.proposed_reason), "check").tooltip(say("proposed"))
            quiet_button(say("change"), self._editor(stop, zone))

    def _why(self, stop: Downtime, zone: str) -> None:
        visitor, say = self._visitor, self._visitor.say
        kind = say("planned" if stop.planned else "unplanned")
        reason = reason_name(stop.reason_key, visitor) if stop.reason_key else ""
        ui.label(" · ".join(filter(None, (kind, reason, stop.reason)))).classes("text-sm")
        fault = fault_library().get(stop.failure_mode or "")
        said = [f"{say('preceded_by')} {visitor.pick(fault.name_en, fault.name_zh)}"] if fault is not None else []
        if stop.reason_by and (stop.reason_key or stop.reason):
            said.append(f"{say('said_by')} {stop.reason_by}")
        said += [
            f"{say(key)} {local(moment, zone)}"
            for key, moment in (("possibly_since", stop.earliest_start), ("possibly_until", stop.latest_end))
            if moment is not None
        ]
        said.append(phases_text(stop, visitor))
        if text := " · ".join(filter(None, said)):
            ui.label(text).classes("brain-quiet")

    def _giver(self, stop: Downtime, reason: str) -> Any:
        async def give() -> None:
            if await give_reason(self._console, self._visitor, stop, reason):
                await self._changed()

        return give

    def _editor(self, stop: Downtime, zone: str) -> Any:
        async def edit() -> None:
            if await edit_stop(self._console, self._visitor, stop, zone):
                await self._changed()

        return edit

    def _tick(self, stop_id: int, ticked: bool) -> None:
        (self._chosen.add if ticked else self._chosen.discard)(stop_id)
        self._join.set_visibility(len(self._chosen) > 1)

    async def _ask_to_join(self) -> None:
        say = self._visitor.say
        if not await confirmed(self._visitor, say("join_question").format(len(self._chosen)), say("join")):
            return

        async def work(connection: Connection) -> None:
            await merge(connection, self._visitor.user, Merge(ids=sorted(self._chosen)))

        if await attempt(self._console, self._visitor, work):
            await self._changed()
