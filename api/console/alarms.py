"""Alarms: what is active, acknowledged, put aside."""

from datetime import UTC, datetime, timedelta

from nicegui import ui

from api.alarms import Alarm, Shelving, to_alarm
from api.alarms import acknowledge as acknowledge_alarm
from api.alarms import shelve as shelve_alarm
from api.console.forms import attempt
from api.console.session import Console, Visitor, frame, keep_updated, local, page
from historian import Connection, list_alarms, list_sites
from plant import unit

_COLOURS = {"notice": "#9aa5ad", "warning": "#ef9f27", "alarm": "#d84315", "critical": "#b71c1c"}
_SHELVE = timedelta(hours=8)
_SHOWN = 100


def build(console: Console) -> None:
    """Register the page."""

    @page("/alarms")
    async def alarms() -> None:
        visitor = await console.visitor()
        if visitor is None:
            return
        async with console.connection(visitor) as connection:
            zones = {site["key"]: site["time_zone"] for site in await list_sites(connection)}
        with frame(console, visitor, "alarms"):
            column = ui.column().classes("w-full gap-2")
            seen: list[Alarm] = []

            async def update() -> None:
                async with console.connection(visitor) as connection:
                    rows = [to_alarm(row) for row in await list_alarms(connection, limit=_SHOWN)]
                # What wants a person first: active and unacknowledged, then active, then the rest.
                rows.sort(key=lambda alarm: (alarm.cleared_at is not None, alarm.acknowledged_at is not None))
                if rows == seen and column.default_slot.children:
                    return
                seen[:] = rows
                column.clear()
                with column:
                    if not rows:
                        ui.label(visitor.say("no_alarms")).classes("brain-quiet")
                    for alarm in rows:
                        alarm_card(console, visitor, alarm, zones.get(alarm.site, "UTC"), with_machine=True)

            await update()
            keep_updated(3.0, update)


def alarm_card(console: Console, visitor: Visitor, alarm: Alarm, zone: str, *, with_machine: bool = False) -> None:
    """One alarm with what can be done about it."""
    colour = _COLOURS.get(alarm.severity, "#9aa5ad") if alarm.cleared_at is None else "#c7ced4"
    with ui.row().classes("brain-card items-center gap-4 flex-wrap").style(f"border-left:5px solid {colour}"):
        with ui.column().classes("gap-0 grow"):
            title = visitor.pick(alarm.name_en, alarm.name_zh)
            with ui.row().classes("items-baseline gap-2"):
                if with_machine:
                    ui.link(alarm.machine, f"/machines/{alarm.machine_id}").classes("font-semibold")
                ui.label(title).classes("font-semibold")
            parts = [f"{visitor.say('raised')} {local(alarm.raised_at, zone, seconds=True)}"]
            if alarm.cleared_at is not None:
                parts.append(f"{visitor.say('cleared')} {local(alarm.cleared_at, zone, seconds=True)}")
            if alarm.value is not None and alarm.threshold is not None:
                symbol = unit(alarm.unit).symbol if alarm.unit else ""
                worst, limit = (f"{number:.3g} {symbol}".strip() for number in (alarm.value, alarm.threshold))
                parts.append(f"{visitor.say('worst')} {worst}, {visitor.say('limit')} {limit}")
            if alarm.standard:
                parts.append(alarm.standard)
            if alarm.limit is not None and not alarm.limit.verified:
                parts.append(visitor.say("not_signed"))
            parts.append(f"{visitor.say('template_version')} {alarm.template_version}")
            ui.label("  ·  ".join(parts)).classes("brain-quiet")
            if alarm.acknowledged_by:
                ui.label(f"{visitor.say('acknowledged_by')} {alarm.acknowledged_by}").classes("brain-quiet")
            if alarm.shelved_until is not None and alarm.shelved_until > datetime.now(UTC):
                ui.label(f"{visitor.say('shelved')} {local(alarm.shelved_until, zone)}").classes("brain-quiet")

        async def acknowledge() -> None:
            async def work(connection: Connection) -> None:
                await acknowledge_alarm(connection, visitor.user, alarm.id)

            if await attempt(console, visitor, work):
                button.set_enabled(False)
                ui.notify(f"{visitor.say('acknowledged_by')} {visitor.user.name}")

        async def shelve() -> None:
            async def work(connection: Connection) -> None:
                body = Shelving(until=datetime.now(UTC) + _SHELVE)
                await shelve_alarm(connection, visitor.user, alarm.id, body)

            if await attempt(console, visitor, work):
                ui.notify(visitor.say("shelve"))

        if alarm.cleared_at is None:
            button = ui.button(visitor.say("acknowledge"), on_click=acknowledge)
            button.props("dense no-caps outline color=blue-grey-7")
            button.set_enabled(visitor.may_change and alarm.acknowledged_at is None)
            aside = ui.button(visitor.say("shelve"), on_click=shelve).props("dense no-caps flat color=blue-grey-7")
            aside.set_enabled(visitor.may_change)
