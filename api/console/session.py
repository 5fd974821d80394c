"""Who looks at a page, in which language; and what every page shares: header, colours, times."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import FastAPI
from nicegui import app as site
from nicegui import ui

from api.console.texts import Language, say
from api.identity import Throttle, may_change
from historian import Database, accounts
from historian.accounts import User

_PATIENCE_S = 30.0
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

# ISA-101: grey is normal, colour means that something wants a person.
STATE_COLOURS = {
    "running": "#7d8c99",
    "idle": "#a7b2bb",
    "starting": "#a7b2bb",
    "stopped": "#c7ced4",
    "maintenance": "#5b8fc7",
    "down": "#c62828",
    "off_line": "#e0c068",
}
_PAGES = (
    ("fleet", "/"),
    ("alarms", "/alarms"),
    ("downtime", "/downtime"),
    ("upkeep", "/maintenance"),
    ("indicators", "/kpis"),
    ("reports", "/reports"),
    ("data", "/data"),
)
RISK_COLOURS = ((0.6, "#d84315"), (0.3, "#ef9f27"), (0.1, "#e6cf6a"))
_STYLE = """
body { background: #eceff1; font-family: "Inter", "Noto Sans CJK SC", "Microsoft YaHei", system-ui, sans-serif; }
.body--dark { background: #16191c; }
.brain-card { background: #fff; border: 1px solid #d5dbe0; border-radius: 6px; padding: 14px 16px; width: 100%; }
.body--dark .brain-card { background: #1f2428; border-color: #32393f; }
.brain-title { font-size: 13px; font-weight: 600; letter-spacing: .02em; color: #51606b; margin-bottom: 6px; }
.body--dark .brain-title { color: #a9b6c0; }
.brain-number { font-size: 26px; font-weight: 600; line-height: 1.1; font-variant-numeric: tabular-nums; }
.brain-quiet { color: #74828d; font-size: 12px; }
.body--dark .brain-quiet { color: #8b98a2; }
.q-table td, .q-table th { font-size: 13px; }
.q-table tbody tr { cursor: pointer; }
.q-btn--dense:not(.q-btn--round) { padding: .2em .7em; }
.brain-row { border-bottom: 1px solid #8883; width: 100%; padding: 4px 0; gap: 2px 16px; align-items: center; }
"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks: an account and a language."""

    user: User
    language: Language

    def say(self, key: str) -> str:
        """A text in the visitor's language."""
        return say(key, self.language)

    def pick(self, english: str, chinese: str) -> str:
        """The one of two texts that is in the visitor's language."""
        return chinese if self.language == "zh" else english

    @property
    def may_change(self) -> bool:
        """Whether buttons that change something work."""
        return may_change(self.user)


class Console:
    """The console's way to the application's historian."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @property
    def database(self) -> Database:
        """The open historian."""
        database: Database = self._app.state.database
        return database

    @property
    def throttle(self) -> Throttle:
        """Shared with the REST log-in."""
        throttle: Throttle = self._app.state.throttle
        return throttle

    @asynccontextmanager
    async def connection(self, visitor: Visitor) -> AsyncIterator[Any]:
        """A transaction bound to the visitor's tenant."""
        async with self.database.tenant(visitor.user.tenant_id) as connection:
            yield connection

    async def user(self) -> User | None:
        """Whose session it is now; None where it has ended."""
        token = site.storage.user.get("token")
        if not token:
            return None
        async with self.database.connection() as connection:
            return await accounts.authenticate(connection, token)

    async def visitor(self) -> Visitor | None:
        """Who looks at the page being built; None, and a way to the log-in, for nobody."""
        user = await self.user()
        if user is None:
            target = urlsplit(str(ui.context.client.request.url)) if ui.context.client.request else None
            path = target.path if target is not None else "/"
            ui.navigate.to(f"/login?next={path}")
            return None
        return Visitor(user, language())

    async def log_out(self) -> None:
        """End the session and make its token void."""
        token = site.storage.user.pop("token", None)
        if token:
            async with self.database.connection() as connection:
                await accounts.revoke_token(connection, token)
        ui.navigate.to("/login")


def page(path: str) -> ui.page:
    """A page of the console; on a busy machine it may take longer to draw than NiceGUI waits by default."""
    return ui.page(path, response_timeout=_PATIENCE_S)


def language() -> Language:
    """The visitor's language: chosen before, else what the browser asks for."""
    chosen = site.storage.user.get("language")
    if chosen in ("en", "zh"):
        return "zh" if chosen == "zh" else "en"
    request = ui.context.client.request
    wanted = request.headers.get("accept-language", "") if request is not None else ""
    return "zh" if wanted.lower().startswith("zh") else "en"


@contextmanager
def frame(console: Console, visitor: Visitor, here: str) -> Any:
    """Header with navigation, and the column that a page's content goes into."""
    ui.add_css(_STYLE)
    dark = ui.dark_mode(bool(site.storage.user.get("dark", False)))
    with ui.header().classes("items-center px-4 py-2 gap-x-2 gap-y-1").style("background:#263238; min-height:48px"):
        ui.label("Industry Brain").classes("text-base font-semibold mr-2")
        # On a phone the pages come below.
        with ui.row().classes("gap-0 order-last lg:order-none w-full lg:w-auto"):
            for key, path in _PAGES:
                link = ui.link(visitor.say(key), path)
                link.classes("text-white no-underline px-2 py-1 rounded text-sm whitespace-nowrap")
                if key == here:
                    link.style("background:#455a64")
        ui.space()

        def switch_language() -> None:
            site.storage.user["language"] = "en" if visitor.language == "zh" else "zh"
            ui.navigate.reload()

        def switch_dark() -> None:
            dark.toggle()
            site.storage.user["dark"] = dark.value

        ui.button("中文" if visitor.language == "en" else "English", on_click=switch_language).props(
            "flat dense color=white no-caps"
        )
        ui.button(icon="dark_mode", on_click=switch_dark).props("flat dense round color=white aria-label=dark")
        ui.label(visitor.user.name).classes("text-sm opacity-80")
        ui.button(icon="logout", on_click=console.log_out).props(
            f'flat dense round color=white aria-label="{visitor.say("log_out")}"'
        )
    with ui.column().classes("w-full max-w-screen-2xl mx-auto p-3 gap-3"):
        yield


def keep_updated(interval_s: float, update: Callable[[], Awaitable[None]]) -> None:
    """Call again every few seconds while the page is open; a database that is away leaves it as it is."""

    async def safely() -> None:
        try:
            await update()
        except AWAY:
            return

    ui.timer(interval_s, safely)


def risk_colour(risk: float | None, state: str) -> str:
    """The colour of a machine: by risk, else by state."""
    for least, colour in RISK_COLOURS:
        if risk is not None and risk >= least:
            return colour
    return STATE_COLOURS.get(state, "#c7ced4")


def local(moment: datetime | None, zone: str = "UTC", *, seconds: bool = False) -> str:
    """A moment in a site's time zone, as people write it; a dash for none."""
    if moment is None:
        return "–"
    shown = moment.astimezone(ZoneInfo(zone))
    today = datetime.now(UTC).astimezone(ZoneInfo(zone)).date()
    if shown.date() == today:
        return shown.strftime("%H:%M:%S" if seconds else "%H:%M")
    return shown.strftime("%m-%d %H:%M" if shown.year == today.year else "%Y-%m-%d %H:%M")


def duration(seconds: float, visitor: Visitor) -> str:
    """How long something lasted."""
    if seconds < 3600:
        return f"{seconds / 60:.0f} {visitor.say('minutes')}" if seconds >= 60 else f"{seconds:.0f} {visitor.say('s')}"
    return f"{seconds / 3600:,.1f} {visitor.say('hours')}"
