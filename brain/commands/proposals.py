"""Commands on tags: what is there, and what it is proposed to be."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure

if TYPE_CHECKING:
    from onboarding import Item, Proposal, Tag


Seconds = Annotated[float, typer.Option(min=0, max=3600, help="how long to watch values, or to listen")]


def discover(
    url: Annotated[str, typer.Argument(metavar="URL", help="opc.tcp://..., mqtt://..., or the name of an [[opcua]]")],
    topic: Annotated[list[str] | None, typer.Option(help="with mqtt: topics to listen to; else all")] = None,
    seconds: Seconds = 5.0,
    out: Annotated[Path | None, typer.Option(help="write the tags to this CSV file")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show the tags of a server or broker with units, ranges and some values; stores nothing.

    Example: `brain onboard discover mqtt://192.0.2.20:1883 --topic 'factory/#' --seconds 30 --out tags.csv`
    """
    from onboarding import write_tag_list

    tags = discovered(data_dir, url, topic, seconds)
    table = Table(Column("tag", overflow="fold"), "type", "unit", "range", "values")
    for tag in tags:
        span = f"{tag.low:g} ... {tag.high:g}" if tag.low is not None and tag.high is not None else ""
        values = " ".join(f"{value:g}" for value in tag.samples[-3:])
        table.add_row(*map(escape, (tag.name, tag.data_type, tag.unit, span, values)))
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{len(tags)} tags")
    if out is not None:
        may_replace(out)
        out.write_text(write_tag_list(tags), encoding="utf-8")
    if as_json:
        print_json({"items": [{**asdict(tag), **(tag.source or {})} for tag in tags]})


def discovered(data_dir: Path | None, url: str, topics: "Sequence[str] | None", seconds: float) -> "list[Tag]":
    """The tags behind an address; :class:`Failure` where there are none."""
    from brain.discovery import discover as found
    from brain.settings import load_settings

    return run_body(found(load_settings(data_dir=data_dir), url, topics or (), seconds))


def propose(
    tags: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="CSV with the columns name, unit, description")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="discover the tags first: opc.tcp://..., mqtt://..., or an [[opcua]] source")
    ] = None,
    topic: Annotated[list[str] | None, typer.Option(help="with mqtt: topics to listen to; else all")] = None,
    seconds: Seconds = 5.0,
    machine: Annotated[str, typer.Option(help="name of the machine where tags say none")] = "machine-1",
    site: Annotated[str, typer.Option(help="site that the file of --out puts machines in")] = "site",
    out: Annotated[
        Path | None, typer.Option(help="write the proposal to this .json or .toml file, to confirm and apply")
    ] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Say which machine and signal each tag is, how sure that is, and why; what is not sure is asked.

    Example: `brain onboard propose --tags tags.csv --out proposal.toml`
    """
    from onboarding import propose as proposed

    if (tags is None) == (url is None):
        raise typer.BadParameter("give either --tags with a list, or --url to discover")
    known = read_tags(tags) if tags is not None else discovered(data_dir, url or "", topic, seconds)
    items = proposed(known, machine)
    show_items(Console(soft_wrap=True), items)
    if out is not None:
        keep_proposal(out, items, url or "", site)
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
    may_replace(out)
    out.write_text(write_proposal(proposal_of(items, url, site), toml=out.suffix == ".toml"), encoding="utf-8")
    typer.echo(f"{out} holds the proposal: look through it, then `brain onboard apply {out}`")


def may_replace(out: Path) -> None:
    """Ask before a file is replaced; :class:`Failure` where it must not be."""
    if out.exists() and not (sys.stdin.isatty() and typer.confirm(f"{out} is there already: replace it?")):
        raise Failure(f"{out} is there already and was left as it is: name another file")


def may_update(present: "Sequence[str]", *, yes: bool) -> None:
    """Ask before registered machines are changed; :class:`Failure` where they must not be."""
    if not present or yes:
        return
    names = ", ".join(present)
    if not (sys.stdin.isatty() and typer.confirm(f"{names} registered already: bring nameplate and names up to date?")):
        raise Failure(f"registered already: {names}; nothing was changed: give --yes to bring them up to date")


def apply(
    proposal: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="proposal, looked through and corrected")
    ],
    url: Annotated[str | None, typer.Option(help="server or broker, where the file names none")] = None,
    name: Annotated[str, typer.Option(help="what the source is called in settings and status")] = "onboarded",
    out: Annotated[Path | None, typer.Option(help="write the source's settings to this new file; else print")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing: nameplates as the file says")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Register the machines of a confirmed proposal, and say what to add to the settings file.

    Tags still marked `ask` are left out. Example: `brain onboard apply proposal.toml --out source.toml`
    """
    from brain.application import source_settings, specs_of
    from brain.endpoints import database_url
    from brain.installation import machine_specs, register
    from brain.settings import load_settings
    from onboarding import ProposalError, read_proposal

    try:
        confirmed = read_proposal(proposal.read_text(encoding="utf-8-sig"), toml=proposal.suffix == ".toml")
    except (ProposalError, UnicodeDecodeError) as problem:
        raise Failure(f"{proposal}: {problem}") from problem
    if url is not None:
        confirmed.url = url
    if not confirmed.confirmed:
        raise Failure(f"{proposal} confirms no tag: give signals, and set ask = false")
    settings = load_settings(data_dir=data_dir)
    if not yes and sys.stdin.isatty():
        ask_nameplates(confirmed)
    text = source_settings(confirmed, name)
    if out is not None:
        may_replace(out)
    known = run_body(machine_specs(settings, database_url(settings)))
    specs = specs_of(confirmed, known)
    registered = {(spec.site, spec.machine) for spec in known}
    present = [f"{spec.site}/{spec.machine}" for spec in specs if (spec.site, spec.machine) in registered]
    may_update(present, yes=yes)
    run_body(register(settings, database_url(settings), specs))
    if out is not None:
        out.write_text(text, encoding="utf-8")
        typer.echo(f"{out} holds the source: add it to the settings file, then restart `brain run`")
    else:
        typer.echo(f"add this to the settings file, then restart `brain run`:\n\n{text}")
    for item in confirmed.open:
        typer.echo(f"left out, still to be asked: {item.name}")
    if as_json:
        print_json(
            {
                "machines": [f"{spec.site}/{spec.machine}" for spec in specs],
                "updated": present,
                "signals": len(confirmed.confirmed),
                "left_out": [item.name for item in confirmed.open],
                "settings": text,
            }
        )


def ask_nameplates(proposal: "Proposal") -> None:
    """Ask for every machine's nameplate; what is there is the default."""
    from plant import TemplateError, template_library

    fed = {item.machine for item in proposal.confirmed}
    for machine in proposal.machines:
        if machine.machine not in fed:
            continue
        template = template_library()[machine.template]
        typer.echo(f"{machine.site}/{machine.machine}, {template.name_en}:")
        for key in ("name", "site", "line"):
            setattr(machine, key, typer.prompt(f"  {key}", default=getattr(machine, key) or machine.machine))
        for field in template.nameplate:
            default = machine.nameplate.get(field.key, field.default)
            words = f"  {field.name_en}{f' [{field.unit}]' if field.unit != '1' else ''}"
            while True:
                given = typer.prompt(words, default=default, type=str if isinstance(field.default, str) else float)
                try:
                    template.complete_nameplate({field.key: given})
                except TemplateError as problem:
                    typer.echo(f"  {problem}")
                    continue
                machine.nameplate[field.key] = given
                break
