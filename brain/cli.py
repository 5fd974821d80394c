"""The command `brain`. Exit code 0 when done, 1 on failure with one line that says what to do, 2 on wrong use."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from brain.commands import (
    accounts,
    bench,
    certificates,
    commissioning,
    edge,
    equipment,
    grafana,
    health,
    onboard,
    proposals,
    records,
    services,
    whole,
)
from brain.failure import Failure

app = typer.Typer(
    name="brain",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Watches industrial machines, says which one is about to fail and why, and what downtime costs.",
)


@app.callback()
def options(
    config: Annotated[Path | None, typer.Option("--config", help="settings file (else ./brain.toml)")] = None,
) -> None:
    """Options that hold for every command."""
    if config is not None:
        os.environ["BRAIN_CONFIG"] = str(config)


for command in (
    whole.demo,
    whole.run,
    services.serve,
    services.collect,
    services.ingest,
    services.analyze,
    services.simulate,
    services.migrate,
    records.replay,
    records.kpi,
    records.report,
    health.doctor,
):
    app.command()(command)
onboard.onboard_app.command()(proposals.discover)
onboard.onboard_app.command()(proposals.propose)
onboard.onboard_app.command()(proposals.apply)
onboard.onboard_app.command()(commissioning.check)
onboard.onboard_app.command("import")(equipment.import_machines)
onboard.onboard_app.command("export")(equipment.export_machines)
app.command("import")(records.import_)
onboard.onboard_app.command()(certificates.trust)
onboard.onboard_app.command()(certificates.certificate)
app.add_typer(accounts.user_app, name="user")
app.add_typer(accounts.token_app, name="token")
app.add_typer(edge.edge_app, name="edge")
app.add_typer(bench.bench_app, name="bench")
app.add_typer(grafana.grafana_app, name="grafana")
app.add_typer(onboard.onboard_app, name="onboard")


def main() -> None:
    """Entry point of the command."""
    try:
        app()
    except Failure as failure:
        sys.stderr.write(f"brain: {failure}\n")
        sys.exit(1)
    except OSError as problem:
        sys.stderr.write(f"brain: {problem.strerror or problem}: {problem.filename or 'see the log for where'}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
