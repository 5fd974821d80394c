"""The path of readings: how much arrives, and what could not be taken."""

from nicegui import ui

from api.console.gateways import Gateways
from api.console.session import Console, frame, keep_updated, local, page
from historian import list_quarantine, pipeline_counts

_SHOWN = 100


def build(console: Console) -> None:
    """Register the page."""

    @page("/data")
    async def data() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        with frame(console, visitor, "data"):
            labels = {}
            with ui.row().classes("w-full gap-3 items-stretch flex-wrap"):
                for key in ("stored", "quarantined", "last_commit"):
                    with ui.element("div").classes("brain-card").style("width:auto; flex:1 1 180px"):
                        labels[key] = ui.label("–").classes("brain-number")
                        ui.label(visitor.say(key)).classes("brain-quiet")
            gateways = Gateways(console, visitor)
            with ui.element("div").classes("brain-card"):
                ui.label(visitor.say("quarantine")).classes("brain-title")
                columns = [
                    {"name": key, "label": visitor.say(key), "field": key, "align": "left"}
                    for key in ("received", "source", "address", "reason", "raw")
                ]
                table = ui.table(columns=columns, rows=[], row_key="id", pagination=20).classes("w-full")
                table.props("flat dense wrap-cells")
                none = ui.label(visitor.say("no_quarantine")).classes("brain-quiet")

            async def update() -> None:
                async with console.database.connection() as connection:
                    stored, quarantined, committed_at = await pipeline_counts(connection)
                async with console.connection(visitor) as connection:
                    rows = await list_quarantine(connection, limit=_SHOWN)
                labels["stored"].text = f"{stored:,}"
                labels["quarantined"].text = f"{quarantined:,}"
                labels["last_commit"].text = local(committed_at, seconds=True) + (" UTC" if committed_at else "")
                table.rows = [
                    {
                        "id": row.id,
                        "received": local(row.received_at, seconds=True),
                        "source": row.source,
                        "address": row.address,
                        "reason": f"{row.reason}: {row.detail}",
                        # Text, not markup: the table escapes it.
                        "raw": row.raw[:200].decode("utf-8", "backslashreplace"),
                    }
                    for row in rows
                ]
                table.update()
                table.set_visibility(bool(rows))
                none.set_visibility(not rows)
                await gateways.draw()

            await update()
            keep_updated(3.0, update)
