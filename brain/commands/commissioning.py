"""The command that looks at a machine which was just put on line."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure

if TYPE_CHECKING:
    from analytics import Answer
    from brain.settings import Settings
    from onboarding import CheckAnswer


def check(
    machine: Annotated[str, typer.Argument(metavar="SITE/MACHINE", help="the machine, as in topics")],
    minutes: Annotated[float, typer.Option(min=0.1, max=120, help="how much of its newest readings to judge")] = 10.0,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Judge what arrives of a machine: signals missing or stuck, units, phases, clock; each with what to do.

    Also says which failure modes cannot be told with what has arrived, and what would settle them. Exit code 1 where
    there are problems. Example: `brain onboard check works/M1`
    """
    from brain.settings import load_settings

    site, slash, key = machine.partition("/")
    if not slash or not site or not key:
        raise typer.BadParameter("must be SITE/MACHINE, such as works/M1", param_hint="SITE/MACHINE")
    answers, told = run_body(checked(load_settings(data_dir=data_dir), site, key, timedelta(minutes=minutes)))
    show_answers(answers)
    show_untold(told)
    problems = sum(answer.level == "problem" for answer in answers)
    if as_json:
        items = [asdict(answer) for answer in answers]
        print_json(
            {
                "machine": machine,
                "ok": not problems,
                "problems": problems,
                "items": items,
                "detectability": [asdict(answer) for answer in told],
            }
        )
    if problems:
        raise typer.Exit(1)


def show_answers(answers: "list[CheckAnswer]") -> None:
    """The answers as a table, what is wrong first."""
    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    table = Table("check", "", "signal", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
    for answer in answers:
        level = f"[{colours[answer.level]}]{answer.level}[/]"
        table.add_row(answer.check, level, answer.signal, escape(answer.found), escape(answer.fix))
    Console(soft_wrap=True).print(table)


def show_untold(told: "list[Answer]") -> None:
    """The failure modes that cannot be told with what arrives, and what would settle them."""
    console = Console(soft_wrap=True)
    untold = [answer for answer in told if answer.because is not None]
    console.print(f"{len(told) - len(untold)} of {len(told)} failure modes can be told with what has arrived")
    for answer in untold:
        console.print(escape(f"{answer.text_en} Settled by: {answer.settled_by_en}"))


async def checked(
    settings: "Settings", site: str, machine: str, span: timedelta
) -> "tuple[list[CheckAnswer], list[Answer]]":
    """What arrives of one machine, and what it can show; :class:`Failure` where it is not registered."""
    from analytics import detectability
    from brain.endpoints import database_url
    from historian import Database, ensure_tenant, find_machine, get_detail, get_machine, read_recent
    from onboarding import by_signal, check_machine
    from plant import template_library, to_microseconds

    async with Database.open(database_url(settings), max_size=1) as database:
        async with database.connection() as connection:
            tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        async with database.tenant(tenant_id) as connection:
            machine_id = await find_machine(connection, site, machine)
            row: Any = await get_machine(connection, machine_id) if machine_id is not None else None
            if machine_id is None or row is None:
                raise Failure(f"{site}/{machine} is not registered: `brain onboard export machines.csv` lists what is")
            nameplate = (await get_detail(connection, machine_id)).nameplate
            batch, signals = await read_recent(connection, machine_id, span)
    newest = {
        key: (signal.id, to_microseconds(signal.time) if signal.time is not None else None)
        for key, signal in signals.items()
    }
    now = to_microseconds(datetime.now(UTC))
    template = template_library()[row.template]
    arrived = {key for key, (_, time) in newest.items() if time is not None}
    told = detectability(template, template.complete_nameplate(nameplate), arrived)
    return check_machine(template, nameplate, by_signal(batch, newest), now), told
