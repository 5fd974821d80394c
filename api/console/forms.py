"""Forms: what is wrong is said at the field; what cannot be undone is asked first."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, time
from inspect import isawaitable
from typing import Any
from zoneinfo import ZoneInfo

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.validation_element import ValidationElement
from pydantic import ValidationError

from api.console.session import AWAY, Console, Visitor
from api.identity import may_change
from api.problems import Problem
from historian import Connection, FleetRow

_DENSE = "dense stack-label"
# pydantic's kinds of errors, and the text of ours that says them.
_WORDS = {
    "missing": "wanted",
    "string_type": "wanted",
    "string_too_short": "wanted",
    "int_type": "wanted",
    "float_type": "wanted",
    "datetime_type": "wanted",
    "greater_than": "more_than",
    "greater_than_equal": "no_less_than",
    "string_too_long": "too_long",
    "float_parsing": "a_number",
    "int_parsing": "a_number",
    "finite_number": "a_number",
}


class Moment(ui.input):
    """A field for date and time in a site's zone; what nobody touches stays exact to the microsecond."""

    def __init__(self, label: str, zone: str, value: datetime | None = None) -> None:
        self._zone = ZoneInfo(zone)
        self._given = value
        text = value.astimezone(self._zone).strftime("%Y-%m-%dT%H:%M:%S") if value is not None else ""
        self._text = text
        super().__init__(label, value=text)
        self.props(f"type=datetime-local step=1 {_DENSE}")

    @property
    def moment(self) -> datetime | None:
        """What is in the field; None for nothing."""
        if self.value == self._text:
            return self._given
        return datetime.fromisoformat(self.value).replace(tzinfo=self._zone) if self.value else None


class Day(ui.input):
    """A field for a date; its moment is the midnight with which the day begins in a site's zone."""

    def __init__(self, label: str, zone: str, value: datetime | None = None) -> None:
        self._zone = ZoneInfo(zone)
        super().__init__(label, value=self.text(value, zone) if value is not None else "")
        self.props(f"type=date {_DENSE}")

    @staticmethod
    def text(moment: datetime, zone: str) -> str:
        """The date of a moment in a zone."""
        return moment.astimezone(ZoneInfo(zone)).date().isoformat()

    @property
    def moment(self) -> datetime | None:
        """What is in the field; None for nothing."""
        return datetime.combine(date.fromisoformat(self.value), time(), self._zone) if self.value else None


class Form:
    """Fields by the names that the API's request has for them."""

    def __init__(self, visitor: Visitor, **fields: ValidationElement[Any]) -> None:
        self._visitor = visitor
        self._fields = fields
        for field in fields.values():
            field.props(_DENSE).classes("w-full")

    def values(self) -> dict[str, Any]:
        """What the fields hold; raises :class:`Problem` for a moment that is none."""
        found = {}
        for name, field in self._fields.items():
            try:
                found[name] = field.moment if isinstance(field, Moment | Day) else field.value
            except (ValueError, OverflowError):
                raise Problem(422, self._visitor.say("a_moment"), field=name) from None
        return found

    def tell(self, problems: Iterable[tuple[str, str]]) -> None:
        """Say (field, text) at the fields, and beside the page what belongs to none of them."""
        told = dict(problems)
        for name, field in self._fields.items():
            field.error = told.pop(name, None)
        for text in told.values():
            ui.notify(text, type="negative", multi_line=True)


async def attempt(
    console: Console, visitor: Visitor, work: Callable[[Connection], Awaitable[object]], form: Form | None = None
) -> bool:
    """Change something in one transaction; False where it was refused, which is then said.

    Who it is and the role are asked for anew, as the API does with every request: both may have changed since the
    page was opened.
    """
    told = (form or Form(visitor)).tell
    try:
        user = await console.user()
        if user is not None and not may_change(user):
            told([("", visitor.say("viewer_only"))])
            return False
        if user is None or (user.id, user.role) != (visitor.user.id, visitor.user.role):
            told([("", visitor.say("session_over"))])
            return False
        async with console.connection(visitor) as connection:
            await work(connection)
    except ValidationError as wrong:
        told((str(error["loc"][0]) if error["loc"] else "", _said(error, visitor)) for error in wrong.errors())
    except Problem as problem:
        told([(problem.field, visitor.pick(problem.detail, problem.detail_zh))])
    except AWAY:
        told([("", visitor.say("database_away"))])
    else:
        told([])
        return True
    return False


def _said(error: Mapping[str, Any], visitor: Visitor) -> str:
    key = _WORDS.get(error["type"])
    return visitor.say(key).format(*error.get("ctx", {}).values()) if key else str(error["msg"])


async def confirmed(visitor: Visitor, question: str, action: str) -> bool:
    """Ask before something that cannot be undone."""
    with _apart(), ui.dialog() as dialog, ui.card().classes("gap-3"):
        ui.label(question)
        with ui.row().classes("w-full justify-end"):
            quiet_button(visitor.say("cancel"), lambda: dialog.submit(False))
            ui.button(action, on_click=lambda: dialog.submit(True)).props("dense no-caps color=deep-orange-9")
    answer = await dialog
    dialog.delete()
    return bool(answer)


async def ask(
    console: Console, visitor: Visitor, title: str, fill: Callable[[], tuple[Form, Callable[[Connection], Any]]]
) -> bool:
    """A form in a dialog; True when it was saved.

    fill: draws the fields, and gives the form and what to do on a connection when it is to be saved
    """
    with _apart(), ui.dialog() as dialog, ui.card().classes("gap-2 w-full").style("max-width:480px"):
        ui.label(title).classes("text-base font-semibold")
        form, work = fill()

        async def save() -> None:
            if await attempt(console, visitor, work, form):
                dialog.submit(True)

        with ui.row().classes("w-full justify-end mt-2"):
            quiet_button(visitor.say("cancel"), lambda: dialog.submit(False))
            ui.button(visitor.say("save"), on_click=once(save)).props("dense no-caps color=blue-grey-7")
    answer = await dialog
    dialog.delete()
    return bool(answer)


def _apart() -> Element:
    """Where a dialog outlives what it was opened from: that may be drawn anew while somebody writes."""
    content: Element = ui.context.client.content
    return content


def quiet_button(text: str, on_click: Callable[[], Any], icon: str | None = None) -> ui.button:
    """A button beside others."""
    return ui.button(text, icon=icon, on_click=on_click).props("dense no-caps flat color=blue-grey-7")


def act_button(visitor: Visitor, text: str, on_click: Callable[[], Any], icon: str | None = None) -> ui.button:
    """A button that changes something; shut for those who may only look."""
    button = ui.button(text, icon=icon, on_click=once(on_click)).props("dense no-caps outline color=blue-grey-7")
    button.set_enabled(visitor.may_change)
    return button


def once(on_click: Callable[[], Any]) -> Callable[[], Awaitable[None]]:
    """A handler that passes over clicks while it is at work: a double click must not note hours twice."""
    busy = False

    async def handle() -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        try:
            answer = on_click()
            if isawaitable(answer):
                await answer
        finally:
            busy = False

    return handle


def machine_select(visitor: Visitor, machines: Iterable[FleetRow], value: int | None = None) -> ui.select:
    """A field for one machine, found by typing; with its site where there are several."""
    rows = list(machines)
    several = len({row.site for row in rows}) > 1
    options = {row.id: f"{row.site} / {row.code}" if several else f"{row.code} · {row.name}" for row in rows}
    return ui.select(options, label=visitor.say("machine"), value=value, with_input=True)
