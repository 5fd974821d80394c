"""Maintenance: work orders, plans and spare parts."""

from nicegui import ui

from api.console.plans import Plans
from api.console.session import Console, frame, page
from api.console.spare_parts import SpareParts
from api.console.work_orders import WorkOrders
from historian import list_sites


def build(console: Console) -> None:
    """Register the page."""

    @page("/maintenance")
    async def upkeep() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            zones = {site["key"]: site["time_zone"] for site in await list_sites(connection)}
        with frame(console, visitor, "upkeep"):
            with ui.tabs().props("dense no-caps align=left inline-label").classes("w-full") as tabs:
                for key in ("work_orders", "plans", "spare_parts"):
                    ui.tab(key, visitor.say(key))
            with ui.tab_panels(tabs, value="work_orders", animated=False).classes("w-full bg-transparent"):
                with ui.tab_panel("work_orders").classes("p-0 gap-3"):
                    orders = WorkOrders(console, visitor, zones)
                with ui.tab_panel("plans").classes("p-0"):
                    plans = Plans(console, visitor, zones, orders.draw)
                with ui.tab_panel("spare_parts").classes("p-0"):
                    parts = SpareParts(console, visitor)
            for part in (orders, plans, parts):
                await part.draw()
