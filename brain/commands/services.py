"""Commands for one service each, and migrate: for installations with a database and broker of their own."""

import os
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.logs import configure_logs

if TYPE_CHECKING:
    from brain.services.workers import Worker
    from brain.settings import Settings


Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help="share the load among so many processes; else the setting `workers`")
]
WorkerNumber = Annotated[int | None, typer.Option("--worker", min=0, hidden=True, help="which of them this one is")]

# Judging waits where the path of readings wants the processor.
_NICE = 5


def collect(
    data_dir: DataDir = None,
    workers: Workers = None,
    worker: WorkerNumber = None,
    once: Annotated[
        str | None,
        typer.Option(
            metavar="URL|NAME",
            help="only read everything an OPC UA server shows, once, and print it (NAME: of [[opcua]])",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Collectors and spool alone. Example: `BRAIN_DATABASE_URL=postgresql://... brain collect --workers 2`

    For the person at the machine: `brain collect --once opc.tcp://192.0.2.10:4840/plant` reads and prints, and needs
    no database. A server that wants security or a log-in is set up as `[[opcua]]` and called by its name.
    """
    from brain.services.collect import collect as body

    if once is not None:
        _print_spot(once, data_dir, as_json=as_json)
        return
    _run_share("collect", body, data_dir, workers, worker)


def _print_spot(what: str, data_dir: Path | None, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from brain.failure import Failure
    from brain.settings import load_settings
    from collectors import CertificateStore, OpcUaSource, read_spot

    settings = load_settings(data_dir=data_dir)
    known = [source for source in settings.opcua if source.name == what]
    if known:
        source = known[0]
    elif urlsplit(what).scheme == "opc.tcp" and urlsplit(what).hostname:
        source = OpcUaSource(name="once", url=what)
    else:
        raise typer.BadParameter(
            f"{what!r} must look like opc.tcp://address:port/path or be the name of an [[opcua]] source",
            param_hint="--once",
        )
    try:
        report = run_body(read_spot(source, CertificateStore(settings.pki_dir)))
    except OSError as problem:
        raise Failure(f"{problem}: check address, port and cable; does the server allow this log-in?") from problem
    table = Table(Column("name", overflow="fold"), "value", "unit", "quality", Column("source time", overflow="fold"))
    for reading in report.readings:
        shown = f"({reading.kind})" if reading.value is None else str(reading.value)
        moment = reading.source_time.isoformat() if reading.source_time else "-"
        table.add_row(reading.name, shown, reading.unit, reading.quality, moment)
    console = Console(soft_wrap=True)
    console.print(table)
    console.print(f"{len(report.readings)} variables, of which {report.skipped} hold arrays or structures")
    if as_json:
        print_json({"items": [asdict(reading) for reading in report.readings], "skipped": report.skipped})


def ingest(data_dir: DataDir = None, workers: Workers = None, worker: WorkerNumber = None) -> None:
    """The writer alone: spool to table, roll-ups, retention. Example: `brain ingest --data-dir /var/lib/brain`"""
    from brain.services.ingest import ingest as body

    _run_share("ingest", body, data_dir, workers, worker)


def _run_share(
    name: str,
    body: Callable[["Settings", str, "Worker"], Coroutine[Any, Any, None]],
    data_dir: Path | None,
    workers: int | None,
    number: int | None,
) -> None:
    """Run a service, or its share of it, or the processes that share it."""
    from brain.endpoints import database_url
    from brain.services.workers import Worker, run_workers
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir, workers=workers)
    url = database_url(settings)
    worker = Worker(number or 0, settings.workers)
    configure_logs(settings.log_level, worker.name(name))
    if number is None and worker.count > 1:
        environment = {"BRAIN_DATA_DIR": str(settings.data_dir), "BRAIN_DATABASE_URL": url}
        run_body(run_workers(name, worker.count, settings.data_dir / "log", environment))
    else:
        run_body(body(settings, url, worker))


def analyze(data_dir: DataDir = None) -> None:
    """Analytics alone: alarms, models, findings, states. Example: `brain analyze`"""
    from brain.endpoints import database_url
    from brain.services.analyze import analyze as body
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, "analyze")
    os.nice(_NICE)
    run_body(body(settings, database_url(settings)))


def serve(
    data_dir: DataDir = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="port to listen on")] = None,
) -> None:
    """API and console alone. Example: `brain serve --host 0.0.0.0 --port 8000`"""
    from brain.endpoints import database_url
    from brain.services.serve import serve as body
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir, host=host, port=port)
    configure_logs(settings.log_level, "serve")
    run_body(body(settings, database_url(settings)))


def simulate(
    opcua_url: Annotated[str, typer.Option(help="where the simulated OPC UA server listens")],
    mqtt_url: Annotated[str, typer.Option(help="broker to publish to")],
    data_dir: DataDir = None,
) -> None:
    """The simulated plant alone. Example: `brain simulate --opcua-url opc.tcp://127.0.0.1:4840/plant --mqtt-url mqtt://127.0.0.1`"""
    from brain.services.simulate import simulate as body
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, "simulate")
    run_body(body(settings, opcua_url, mqtt_url))


def migrate(data_dir: DataDir = None) -> None:
    """Bring the schema up to date and register the settings' machines. Example: `brain migrate`"""
    from brain.endpoints import database_url
    from brain.installation import ensure_administrator, install
    from brain.settings import load_settings

    async def body() -> None:
        url = database_url(settings)
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        directory = await install(settings, url, [])
        password = await ensure_administrator(settings, url)
        typer.echo(f"schema up to date, {len(directory)} machines registered")
        if password is not None and settings.admin_password is None:
            typer.echo(f"log in as admin with {password}")

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, "migrate")
    run_body(body())
