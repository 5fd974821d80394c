"""Gateways: which there are, and whether their sites send."""

from nicegui import ui

from api.console.session import Console, Visitor, local
from api.edge import gateways_of

_COLUMNS = ("gateway", "site", "enrolled_at", "newest", "state")


class Gateways:
    """A card on the page of data."""

    def __init__(self, console: Console, visitor: Visitor) -> None:
        self._console = console
        self._visitor = visitor
        say = visitor.say
        with ui.element("div").classes("brain-card"):
            ui.label(say("gateways")).classes("brain-title")
            columns = [{"name": key, "label": say(key), "field": key, "align": "left"} for key in _COLUMNS]
            self._table = ui.table(columns=columns, rows=[], row_key="gateway").classes("w-full")
            self._table.props("flat dense wrap-cells")
            self._none = ui.label(say("no_gateways")).classes("brain-quiet")

    async def draw(self) -> None:
        """All of them, as they are now."""
        say = self._visitor.say
        found = await gateways_of(self._console.database, self._visitor.user)
        self._table.rows = [
            {
                "gateway": f"{gateway.name} ({gateway.key})" if gateway.name else gateway.key,
                "site": gateway.site,
                "enrolled_at": f"{local(gateway.enrolled_at)} UTC",
                "newest": f"{local(gateway.newest, seconds=True)} UTC" if gateway.newest else say("no_data"),
                "state": say("shut_out") if gateway.revoked_at is not None else say("let_in"),
            }
            for gateway in found
        ]
        self._table.update()
        self._table.set_visibility(bool(found))
        self._none.set_visibility(not found)
