"""Gateways: which there are, and whether their sites send."""

from nicegui import ui

from api.console.session import Console, Visitor, local
from api.edge import GatewayState, gateways_of


class Gateways:
    """A card on the page of data."""

    def __init__(self, console: Console, visitor: Visitor) -> None:
        self._console = console
        self._visitor = visitor
        self._seen: list[GatewayState] | None = None
        with ui.element("div").classes("brain-card"):
            ui.label(visitor.say("gateways")).classes("brain-title")
            self._rows = ui.column().classes("w-full gap-0")

    async def draw(self) -> None:
        """All of them, as they are now."""
        found = await gateways_of(self._console.database, self._visitor.user)
        if found == self._seen:
            return
        self._seen = found
        self._rows.clear()
        with self._rows:
            if not found:
                ui.label(self._visitor.say("no_gateways")).classes("brain-quiet")
            for gateway in found:
                self._row(gateway)

    def _row(self, gateway: GatewayState) -> None:
        say = self._visitor.say
        newest = f"{local(gateway.newest, seconds=True)} UTC" if gateway.newest is not None else say("no_data")
        with ui.row().classes("brain-row"):
            ui.label(gateway.name or gateway.key).classes("text-sm font-semibold")
            ui.label(gateway.key).classes("brain-quiet grow")
            ui.label(gateway.site).classes("text-sm")
            ui.label(f"{say('newest_of_site')} {newest}").classes("brain-quiet")
            ui.label(f"{say('enrolled_at')} {local(gateway.enrolled_at)} UTC").classes("brain-quiet")
            if gateway.revoked_at is not None:
                ui.label(f"{say('shut_out')} {local(gateway.revoked_at)} UTC").classes("text-sm font-semibold")
