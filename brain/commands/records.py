"""Commands on recorded data: replay a recording, import a past, compute KPIs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure


def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV with a header and a time column")],
    site: Annotated[str, typer.Option(help="site of the machine")],
    machine: Annotated[str, typer.Option(help="machine whose recording this is")],
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="column=signal, more than once or separated by commas")
    ] = None,
    time_column: Annotated[str | None, typer.Option(help="column that holds the time; else the first")] = None,
    template: Annotated[
        str | None, typer.Option(help="register the machine with this template if it is unknown")
    ] = None,
    line: Annotated[str, typer.Option(help="line to register the machine in")] = "replay",
    url: Annotated[str | None, typer.Option(help="broker; else the set or running one")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Send a recording through the same path as live readings.

    Example: `brain replay pump.csv --site demo-plant --machine P1 --template pump_set --map "Current=current"`
    """
    from brain.replay import ReplayOrder, run_replay
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    pairs: dict[str, str] = {}
    for pair in ",".join(mapping or []).split(","):
        if not pair.strip():
            continue
        column, equals, signal = pair.partition("=")
        if not equals or not signal.strip():
            raise typer.BadParameter(f"{pair!r} is not column=signal", param_hint="--map")
        pairs[column.strip()] = signal.strip()
    order = ReplayOrder(file, site, machine, pairs, time_column, template, line, url)
    counts = run_body(run_replay(settings, order))
    typer.echo(
        f"{counts['rows']:,} rows, {counts['readings']:,} readings sent and acknowledged; "
        f"{counts['refused']:,} cells and {counts['skipped']:,} lines could not be read"
    )
    if as_json:
        print_json(counts)


def import_(
    data: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="directory with the PdM_*.csv files")],
    site: Annotated[str, typer.Option(help="site to keep the machines under")],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Import a plant's recorded failures and maintenance. Example: `brain import records/ --site old-works`"""
    from brain.endpoints import database_url
    from brain.event_records import read_event_records
    from brain.settings import load_settings
    from historian import Database, ensure_tenant, import_history, register_machines

    settings = load_settings(data_dir=data_dir)
    records = read_event_records(data, site)

    async def body() -> None:
        async with (
            Database.open(database_url(settings), max_size=1) as database,
            database.connection() as connection,
        ):
            tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
            await register_machines(connection, tenant_id, records.machines)
            await import_history(connection, tenant_id, site, records.states, records.failures, records.work)

    run_body(body())
    counts = {"machines": len(records.machines), "failures": len(records.failures), "jobs": len(records.work)}
    typer.echo(f"{counts['machines']:,} machines, {counts['failures']:,} failures, {counts['jobs']:,} jobs imported")
    if as_json:
        print_json(counts)


def report(
    site: Annotated[str, typer.Option(help="site to report on")],
    month: Annotated[str, typer.Option(help="month in the site's time zone, like 2026-10")],
    language: Annotated[str, typer.Option(help="zh or en")] = "en",
    out: Annotated[Path, typer.Option(help="directory to write to")] = Path(),
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """The month of a site as PDF and Excel. Example: `brain report --site shangyu --month 2026-10 --language zh`"""
    from brain.endpoints import database_url
    from brain.report import write_report
    from brain.settings import load_settings

    if language not in ("zh", "en"):
        raise typer.BadParameter("must be zh or en", param_hint="--language")
    settings = load_settings(data_dir=data_dir)
    files = run_body(write_report(database_url(settings), settings.tenant, site, month, language, out))
    for file in files:
        typer.echo(str(file))
    if as_json:
        print_json({"files": [str(file) for file in files]})


def kpi(
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="how far back from now")] = 7.0,
    group_by: Annotated[str, typer.Option(help="site, line, template or machine")] = "site",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Availability, MTBF, MTTR, downtime and cost. Example: `brain kpi --days 7 --group-by machine`"""
    from brain.endpoints import database_url
    from brain.settings import load_settings
    from historian import Database, ensure_tenant

    if group_by not in ("site", "line", "template", "machine"):
        raise typer.BadParameter("must be site, line, template or machine", param_hint="--group-by")
    settings = load_settings(data_dir=data_dir)
    end = datetime.now(UTC)

    async def body() -> Any:
        async with Database.open(database_url(settings), max_size=1) as database:
            async with database.connection() as connection:
                tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
            async with database.tenant(tenant_id) as connection:
                return await compute_kpis(
                    connection, site=site, start=end - timedelta(days=days), end=end, group_by=group_by
                )

    from analytics import compute_kpis

    groups = run_body(body())
    if not groups:
        raise Failure("no machines found: check --site, and that machines are registered")
    table = Table("group", "KPI", "value", "unit", "coverage", "note")
    for group in groups:
        for value in group.values:
            shown = "not enough data" if value.value is None else f"{'≥ ' if value.bound else ''}{value.value:,.2f}"
            table.add_row(group.key, value.key, shown, value.unit, f"{value.coverage:.0%}", value.reason or "")
    Console().print(table)
    if as_json:
        print_json({"start": end - timedelta(days=days), "end": end, "items": groups})
