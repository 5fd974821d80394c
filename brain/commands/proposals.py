"""Commands on tags: what is there, and what it is proposed to be."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from brain.commands.invocation import Json, print_json
from brain.failure import Failure

if TYPE_CHECKING:
    from onboarding import Item, Tag


def propose(
    tags: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV with the columns name, unit, description")
    ] = None,
    machine: Annotated[str, typer.Option(help="name of the machine where tags say none")] = "machine-1",
    site: Annotated[str, typer.Option(help="site that the file of --out puts machines in")] = "site",
    out: Annotated[
        Path | None, typer.Option(help="write the proposal to this .json or .toml file, to confirm and apply")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which machine and signal each tag is, how sure that is, and why; what is not sure is asked.

    Example: `brain onboard propose --tags tags.csv --out proposal.toml`
    """
    from onboarding import propose as proposed

    if tags is None:
        raise typer.BadParameter("give --tags", param_hint="--tags")
    items = proposed(read_tags(tags), machine)
    show_items(Console(soft_wrap=True), items)
    if out is not None:
        keep_proposal(out, items, "", site)
    if as_json:
        print_items(items)


def read_tags(path: Path) -> "list[Tag]":
    """The tags of a CSV file; :class:`Failure` naming file and row."""
    from onboarding import TagListError, read_tag_list

    try:
        return read_tag_list(path.read_bytes())
    except TagListError as problem:
        raise Failure(f"{path}: {problem}") from problem


def print_items(items: "Sequence[Item]") -> None:
    """The proposal as one JSON object, with counts."""
    print_json(
        {
            "items": [asdict(item) for item in items],
            "tags": len(items),
            "mapped": sum(item.signal is not None for item in items),
            "ask": sum(item.ask for item in items),
            "machines": list(dict.fromkeys(item.machine for item in items if item.signal is not None)),
        }
    )


def show_items(console: Console, items: "Sequence[Item]") -> None:
    """The proposal as a table: what is mapped, what is asked, what is left out."""
    fold = Column("tag", overflow="fold")
    table = Table(fold, "machine", "signal", "conversion", "sure", Column("why", overflow="fold"))
    for item in items:
        if item.ask:
            known = " or ".join(candidate.signal for candidate in item.candidates)
            signal = f"? {known}" if known else "?"
        else:
            signal = item.signal or "-"
        changed = item.factor != 1.0 or item.offset
        shown = f"x {item.factor:g}{f' {item.offset:+g}' if item.offset else ''} {item.unit}" if changed else item.unit
        where = f"{item.machine} ({item.template})" if item.template else item.machine
        table.add_row(*map(escape, (item.name, where, signal, shown, f"{item.confidence:.0%}", item.reason)))
    console.print(table)
    mapped, asked = sum(item.signal is not None for item in items), sum(item.ask for item in items)
    console.print(f"{len(items)} tags: {mapped} mapped, {asked} to be asked, {len(items) - mapped - asked} no signals")


def keep_proposal(out: Path, items: "Sequence[Item]", url: str, site: str) -> None:
    """Write the proposal's file; asks before it replaces one."""
    from onboarding import proposal_of, write_proposal

    if out.suffix not in {".json", ".toml"}:
        raise typer.BadParameter("must end with .json or .toml", param_hint="--out")
    if out.exists() and not typer.confirm(f"{out} is there already: replace it?"):
        raise Failure(f"{out} was left as it is: name another file with --out")
    out.write_text(write_proposal(proposal_of(items, url, site), toml=out.suffix == ".toml"), encoding="utf-8")
    typer.echo(f"{out} holds the proposal: look through it, then `brain onboard apply {out}`")
