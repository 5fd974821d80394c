"""One stop: its reason, what happened when, and where it falls in two."""

from nicegui import ui

from api.console.forms import Form, Moment, act_button, attempt, quiet_button
from api.console.session import Console, Visitor, duration, local
from api.downtime import Downtime, Reason, Split, change_downtime, split
from historian import Connection
from plant import reason_tree


def reason_name(key: str, visitor: Visitor) -> str:
    """A reason of the tree in words; the key itself for one that is there no more."""
    reason = reason_tree().get(key)
    return visitor.pick(reason.name_en, reason.name_zh) if reason is not None else key


async def give_reason(console: Console, visitor: Visitor, stop: Downtime, key: str) -> bool:
    """Give a stop a reason of the tree."""

    async def work(connection: Connection) -> None:
        await change_downtime(connection, visitor.user, stop.id, Reason(reason_key=key))

    return await attempt(console, visitor, work)


def phases_text(stop: Downtime, visitor: Visitor) -> str:
    """The phases of a stop, in order; empty where nobody noted a moment."""
    if len(stop.phases) < 2:
        return ""
    return " · ".join(
        f"{'+'.join(visitor.say(f'phase_{name}') for name in part.names)} {duration(part.seconds, visitor)}"
        for part in stop.phases
    )


async def edit_stop(console: Console, visitor: Visitor, stop: Downtime, zone: str) -> bool:
    """A dialog on a stop; True when something changed."""
    say = visitor.say
    with ui.dialog() as dialog, ui.card().classes("gap-2 w-full").style("max-width:520px"):
        ended = local(stop.ended_at, zone, seconds=True) if stop.ended_at else say("lasts")
        ui.label(f"{stop.machine}  {local(stop.started_at, zone, seconds=True)} – {ended}").classes("font-semibold")
        # Children stand below their parents, set in.
        reasons = {
            reason.key: ("　" if reason.parent else "") + visitor.pick(reason.name_en, reason.name_zh)
            for reason in reason_tree().values()
        }
        form = Form(
            visitor,
            reason_key=ui.select(
                reasons,
                label=say("why"),
                value=stop.reason_key if stop.reason_key in reasons else None,
                with_input=True,
            ),
            reason=ui.input(say("note"), value=stop.reason or ""),
        )
        ui.label(say("phases")).classes("brain-title mt-2 mb-0")
        if text := phases_text(stop, visitor):
            ui.label(text).classes("brain-quiet")
        with ui.element("div").classes("w-full grid grid-cols-1 sm:grid-cols-2 gap-x-3"):
            marks = Form(
                visitor,
                detected_at=Moment(say("detected_at"), zone, stop.detected_at),
                notified_at=Moment(say("notified_at"), zone, stop.notified_at),
                responded_at=Moment(say("responded_at"), zone, stop.responded_at),
                repaired_at=Moment(say("repaired_at"), zone, stop.repaired_at),
            )

        async def save() -> None:
            async def work(connection: Connection) -> None:
                body = Reason(**form.values(), **marks.values())
                await change_downtime(connection, visitor.user, stop.id, body)

            if await attempt(console, visitor, work, marks):
                dialog.submit(True)

        with ui.row().classes("w-full justify-end"):
            quiet_button(say("cancel"), lambda: dialog.submit(False))
            act_button(visitor, say("save"), save)
        ui.separator()
        ui.label(say("cut")).classes("brain-title mb-0")
        if stop.ended_at is None:
            ui.label(say("cut_later")).classes("brain-quiet")
        else:
            ui.label(say("cut_hint")).classes("brain-quiet")
            middle = stop.started_at + (stop.ended_at - stop.started_at) / 2
            where = Form(visitor, at=Moment(say("cut_at"), zone, middle.replace(microsecond=0)))

            async def cut() -> None:
                async def work(connection: Connection) -> None:
                    await split(connection, visitor.user, stop.id, Split(**where.values()))

                if await attempt(console, visitor, work, where):
                    dialog.submit(True)

            with ui.row().classes("w-full justify-end"):
                act_button(visitor, say("cut"), cut, "content_cut")
    changed = bool(await dialog)
    dialog.delete()
    return changed
