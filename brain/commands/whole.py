"""Commands that bring up the whole product on one machine: demo and run."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.logs import configure_logs


def demo(
    machines: Annotated[int, typer.Option(min=1, max=2000, help="simulated motors")] = 40,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="port of API and console")] = None,
    data_dir: DataDir = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="end after this long, counted from the first live reading")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="write what the simulator injected, as JSON")] = None,
    seed: Annotated[int, typer.Option(help="another seed is another plant with other faults")] = 1,
    as_json: Json = False,
) -> None:
    """The whole product in front of a simulated plant. Example: `brain demo --seconds 150 --port 8123`"""
    from brain.demo import DemoOptions, run_demo
    from brain.settings import load_settings

    settings = load_settings(
        data_dir=data_dir or (None if "BRAIN_DATA_DIR" in os.environ else Path("var/demo")), port=port
    )
    configure_logs(settings.log_level, "demo")
    console = Console()
    counts = run_body(run_demo(settings, DemoOptions(machines, seed, seconds, truth), console))
    console.print(
        f"sent {counts['sent']:,}, stored {counts['stored']:,}, quarantined {counts['quarantined']:,}, "
        f"still in the spool {counts['waiting']:,}"
    )
    if as_json:
        print_json(counts)


def run(
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="port of API and console")] = None,
) -> None:
    """The whole product for the sources in the settings file. Example: `brain --config plant.toml run`"""
    from brain.run import run_product
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir, port=port)
    configure_logs(settings.log_level, "run")
    run_body(run_product(settings, Console()))
