"""Reports: the month of a site as PDF and Excel, and what it saved."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui

from api.console.forms import Day, Form, act_button, ask
from api.console.session import AWAY, Console, Visitor, frame, page
from api.kpis import Baseline, put_baseline
from api.problems import Problem
from api.reports import MEDIA_TYPES, Format, Report, file_name, gather_report, render, saving_rows
from historian import Connection, list_sites

_MONTHS = 24


def build(console: Console) -> None:
    """Register the page."""

    @page("/reports")
    async def reports() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            sites = await list_sites(connection)
        with frame(console, visitor, "reports"):
            if not sites:
                ui.label(visitor.say("no_sites")).classes("brain-quiet")
                return
            await _ReportPage(console, visitor, sites).draw()


def recent_months(today: datetime, count: int) -> list[str]:
    """Months like 2026-10 up to the one of a day, newest first.

    >>> recent_months(datetime(2026, 1, 31), 3)
    ['2026-01', '2025-12', '2025-11']
    """
    found = []
    day = today.replace(day=1)
    for _ in range(count):
        found.append(f"{day:%Y-%m}")
        day = (day - timedelta(days=1)).replace(day=1)
    return found


class _ReportPage:
    def __init__(self, console: Console, visitor: Visitor, sites: list[dict[str, Any]]) -> None:
        self._console = console
        self._visitor = visitor
        self._zones = {site["key"]: site["time_zone"] for site in sites}
        say = visitor.say
        months = recent_months(datetime.now(UTC).astimezone(ZoneInfo(sites[0]["time_zone"])), _MONTHS)
        with ui.element("div").classes("brain-card"):
            ui.label(say("report")).classes("brain-title")
            with ui.row().classes("items-end gap-3 flex-wrap"):
                self._site = ui.select(
                    {site["key"]: site["name"] for site in sites}, value=sites[0]["key"], label=say("site"),
                    on_change=self.draw,
                ).classes("w-40")  # fmt: skip
                # The last month that is over is the one that is reported on.
                self._month = ui.select(months, value=months[1], label=say("month"), on_change=self.draw).classes(
                    "w-32"
                )
                self._language = ui.select(
                    {"zh": "中文", "en": "English"}, value=visitor.language, label=say("language")
                ).classes("w-32")
                for field in (self._site, self._month, self._language):
                    field.props("dense stack-label")
                for file_format, words in (("pdf", "PDF"), ("xlsx", "Excel")):
                    button = ui.button(words, icon="download")
                    button.props("dense no-caps outline color=blue-grey-7 padding='xs md'")
                    button.on_click(self._downloader(file_format, button))
            ui.label(say("report_hint")).classes("brain-quiet mt-2")
        self._savings = ui.element("div").classes("brain-card")

    async def _gather(self) -> Report | str:
        """The month chosen, or why there is none."""
        try:
            async with self._console.connection(self._visitor) as connection:
                return await gather_report(connection, str(self._site.value), str(self._month.value))
        except Problem as problem:
            return self._visitor.pick(problem.detail, problem.detail_zh)
        except AWAY:
            return self._visitor.say("database_away")

    def _downloader(self, file_format: Any, button: ui.button) -> Any:
        async def download() -> None:
            chosen: Format = file_format
            language = str(self._language.value)
            button.props(add="loading")
            found = await self._gather()
            if isinstance(found, str):
                ui.notify(found, type="negative")
            else:
                content = await asyncio.to_thread(render, found, chosen, language)
                name = file_name(found.site, found.month, language, chosen)
                ui.download.content(content, name, MEDIA_TYPES[chosen])
            button.props(remove="loading")

        return download

    async def draw(self) -> None:
        """What the month saved."""
        say = self._visitor.say
        found = await self._gather()
        self._savings.clear()
        with self._savings:
            with ui.row().classes("w-full items-center justify-between"):
                ui.label(say("savings")).classes("brain-title")
                act_button(self._visitor, say("set_baseline"), lambda: self._set_baseline(found), "edit")
            if isinstance(found, str):
                ui.label(found).classes("brain-quiet")
            elif found.baseline is None:
                ui.label(say("no_baseline")).classes("text-sm")
            else:
                zone = self._zones[found.site]
                start, end = (Day.text(moment, zone) for moment in found.baseline)
                ui.label(f"{say('baseline')}: {start} – {end}").classes("brain-quiet")
                self._table(saving_rows(found, self._visitor.language))

    def _table(self, rows: list[list[str]]) -> None:
        keys = ("saved_what", "saved", "saved_share", "interval", "shown_by_data")
        columns = [{"name": key, "label": self._visitor.say(key), "field": key, "align": "left"} for key in keys]
        cells = [dict(zip(keys, row, strict=True)) for row in rows]
        ui.table(columns=columns, rows=cells, row_key="saved_what").classes("w-full").props("flat dense wrap-cells")

    async def _set_baseline(self, found: Report | str) -> None:
        visitor, say, site = self._visitor, self._visitor.say, str(self._site.value)
        zone = self._zones[site]
        start, end = (found.baseline if isinstance(found, Report) else None) or (None, None)

        def fill() -> tuple[Form, Any]:
            ui.label(say("baseline_hint")).classes("brain-quiet")
            form = Form(visitor, start=Day(say("from_day"), zone, start), end=Day(say("until_day"), zone, end))

            async def work(connection: Connection) -> None:
                await put_baseline(connection, visitor.user, site, Baseline(**form.values()))

            return form, work

        if await ask(self._console, visitor, say("set_baseline"), fill):
            await self.draw()
