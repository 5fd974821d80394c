"""Commands on equipment lists: machines in and out as Excel or CSV."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.commands.proposals import may_replace, may_update
from brain.failure import Failure

_KINDS = (".xlsx", ".csv")


def import_machines(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="equipment list: .xlsx or .csv")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only check the rows")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="bring machines up to date that are registered already")] = False,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Register the machines of an equipment list, all of them or none; names every wrong row.

    Example: `brain onboard import machines.xlsx --dry-run`
    """
    from brain.endpoints import database_url
    from brain.equipment import read_equipment
    from brain.installation import machine_specs, register
    from brain.settings import load_settings

    _check_kind(file)
    settings = load_settings(data_dir=data_dir)
    url = settings.database_url if dry_run else database_url(settings)
    known = run_body(machine_specs(settings, url)) if url else []
    found = read_equipment(file, known)
    for error in found.errors:
        typer.echo(error, err=True)
    if found.errors:
        if as_json:
            print_json({"machines": 0, "errors": found.errors, "items": []})
        raise Failure(f"{file}: {len(found.errors)} errors, nothing was imported: correct them and import again")
    if not dry_run:
        registered = {(one.site, one.machine) for one in known}
        may_update(
            [f"{one.site}/{one.machine}" for one in found.machines if (one.site, one.machine) in registered], yes=yes
        )
        run_body(register(settings, url or "", found.machines))
    typer.echo(f"{len(found.machines)} machines {'would be' if dry_run else 'are'} registered")
    if as_json:
        items = [asdict(machine) for machine in found.machines]
        print_json({"machines": len(items), "dry_run": dry_run, "errors": [], "items": items})


def export_machines(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="equipment list to write: .xlsx or .csv")],
    site: Annotated[str | None, typer.Option(help="only this site")] = None,
    data_dir: DataDir = None,
) -> None:
    """Write all machines as an equipment list, to be imported again. Example: `brain onboard export machines.xlsx`"""
    from brain.endpoints import database_url
    from brain.equipment import write_equipment
    from brain.installation import machine_specs
    from brain.settings import load_settings

    _check_kind(file)
    settings = load_settings(data_dir=data_dir)
    specs = run_body(machine_specs(settings, database_url(settings)))
    specs = [spec for spec in specs if site in (None, spec.site)]
    if not specs:
        raise Failure("no machines found: check --site, and that machines are registered")
    may_replace(file)
    write_equipment(file, specs)
    typer.echo(f"{file} holds {len(specs)} machines")


def _check_kind(file: Path) -> None:
    if file.suffix.lower() not in _KINDS:
        raise typer.BadParameter("must end with .xlsx or .csv", param_hint="FILE")
