"""The log-in page."""

from datetime import timedelta

from nicegui import app as site
from nicegui import ui

from api.console.session import Console, language, page
from api.console.texts import say
from api.identity import check_password
from api.problems import Problem
from historian import accounts

_SESSION = timedelta(hours=12)


def inside(path: str) -> str:
    """A path of our own to go to after the log-in; anything that leads elsewhere becomes /.

    >>> inside("/machines/3"), inside("//evil.example"), inside("https://evil.example")
    ('/machines/3', '/', '/')
    """
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def build(console: Console) -> None:
    """Register the page."""

    @page("/login")
    async def login(next: str = "/") -> None:  # noqa: A002 - the query's word
        words = language()
        ui.query("body").style("background:#263238")
        with ui.card().classes("absolute-center w-80 p-6 gap-3"):
            ui.label("Industry Brain").classes("text-xl font-semibold")
            name = ui.input(say("name", words)).classes("w-full").props("autofocus autocomplete=username")
            password = ui.input(say("password", words), password=True).classes("w-full")
            password.props("autocomplete=current-password")
            wrong = ui.label().classes("text-negative text-sm")

            async def enter() -> None:
                request = ui.context.client.request
                address = request.client.host if request is not None and request.client else ""
                try:
                    user = await check_password(
                        console.database, console.throttle, name.value.strip(), password.value, address
                    )
                except Problem as problem:
                    wrong.text = problem.detail
                    return
                async with console.database.connection() as connection:
                    site.storage.user["token"] = await accounts.issue_token(connection, user.name, _SESSION, "console")
                ui.navigate.to(inside(next))

            password.on("keydown.enter", enter)
            name.on("keydown.enter", enter)
            ui.button(say("log_in", words), on_click=enter).classes("w-full").props("color=blue-grey-8 no-caps")
