"""`brain doctor`: whether everything is well, and what to do where it is not."""

from dataclasses import asdict

import typer
from rich.console import Console
from rich.table import Table

from brain.commands.invocation import DataDir, Json, print_json, run_body


def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Look at disk, database or edge link, spool, certificates, clocks and every log-in. Example: `brain doctor`"""
    from brain.doctor import Answer, examine
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)

    async def body() -> list[Answer]:
        return [answer async for answer in examine(settings)]

    answers = run_body(body())
    table = Table("check", "", "found", "what to do")
    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    for answer in answers:
        table.add_row(answer.check, f"[{colours[answer.level]}]{answer.level}[/]", answer.found, answer.fix)
    Console().print(table)
    if as_json:
        print_json({"items": [asdict(answer) for answer in answers]})
    if any(answer.level == "problem" for answer in answers):
        raise typer.Exit(1)
