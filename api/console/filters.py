"""Which site and which period a page speaks of."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui

from api.console.session import Visitor

_DAYS = (7, 30, 90, 365)


class Filter:
    """A choice of site, where there are several, and of the days up to now."""

    def __init__(self, visitor: Visitor, sites: list[dict[str, Any]], changed: Callable[[], Awaitable[None]]) -> None:
        self._sites = sites
        self._site: ui.select | None = None
        if len(sites) > 1:
            names = {"": visitor.say("all_sites"), **{site["key"]: site["name"] for site in sites}}
            self._site = ui.select(names, value="", label=visitor.say("site"), on_change=changed)
            self._site.props("dense outlined").classes("w-40")
        choices = {days: f"{days} {visitor.say('days')}" for days in _DAYS}
        self._days = ui.toggle(choices, value=_DAYS[0], on_change=changed)
        self._days.props("dense no-caps unelevated toggle-color=blue-grey-7")

    @property
    def site(self) -> str | None:
        """The site chosen; None for all."""
        return self._site.value or None if self._site is not None else None

    @property
    def sites(self) -> dict[str, str]:
        """Names of the site chosen, or of all, by key."""
        return {site["key"]: site["name"] for site in self._sites if self.site in (None, site["key"])}

    def span(self) -> tuple[datetime, datetime]:
        """The days chosen, up to now."""
        end = datetime.now(UTC)
        return end - timedelta(days=int(self._days.value)), end
