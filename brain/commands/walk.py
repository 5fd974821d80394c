"""`brain onboard` alone: discover, propose, confirm, apply, check, asked step by step."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from brain.commands.commissioning import checked, show_answers, show_untold
from brain.commands.invocation import run_body
from brain.commands.proposals import apply, discovered, may_replace, show_items

if TYPE_CHECKING:
    from onboarding import Entry, Proposal

_SPAN = timedelta(minutes=10)


def walk() -> None:
    """Lead from an address to a checked machine."""
    from brain.settings import load_settings
    from collectors import is_mqtt_url
    from onboarding import proposal_of, propose, write_proposal

    url = typer.prompt("Server or broker (opc.tcp://address:port/path or mqtt://address:port)")
    topics = [typer.prompt("Topics to listen to", default="#")] if is_mqtt_url(url) else []
    tags = discovered(None, url, topics, typer.prompt("Seconds to watch", default=5.0, type=float))
    items = propose(tags)
    show_items(Console(soft_wrap=True), items)
    site = typer.prompt("Site that the machines are on", default="site")
    proposal = proposal_of(items, url, site, typer.prompt("Line", default="line-1"))
    for item in proposal.open:
        decide(item, proposal)
    file = Path(typer.prompt("Keep the proposal in", default="proposal.toml"))
    may_replace(file)
    file.write_text(write_proposal(proposal, toml=file.suffix == ".toml"), encoding="utf-8")
    if not typer.confirm("Register these machines now?", default=True):
        typer.echo(f"later: `brain onboard apply {file}`")
        return
    out = Path(typer.prompt("Write the source's settings to", default="source.toml"))
    apply(file, None, "onboarded", out, yes=False, data_dir=None, as_json=False)
    settings = load_settings()
    fed = {item.machine for item in proposal.confirmed}
    for machine in proposal.machines:
        if machine.machine in fed and typer.confirm(
            f"Once readings arrive: check {machine.site}/{machine.machine}?", default=True
        ):
            answers, told = run_body(checked(settings, machine.site, machine.machine, _SPAN))
            show_answers(answers)
            show_untold(told)


def decide(item: "Entry", proposal: "Proposal") -> None:
    """Ask which candidate a tag is; without an answer it stays a question."""
    if not item.candidates:
        return
    taken = {other.signal for other in proposal.confirmed if other.machine == item.machine}
    free = [candidate for candidate in item.candidates if candidate.signal not in taken]
    typer.echo(f"{item.name} [{item.source_unit}] of {item.machine}: {item.reason}")
    for number, candidate in enumerate(free, 1):
        typer.echo(f"  {number}  {candidate.signal}")
    chosen = typer.prompt("  which one (0: none of them)", default=0, type=int)
    if 1 <= chosen <= len(free):
        candidate = free[chosen - 1]
        item.signal, item.factor, item.offset = candidate.signal, candidate.factor, candidate.offset
        item.ask = False
