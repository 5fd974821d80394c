"""Commands for those who use Grafana: dashboards and alert rules as files, or pushed into a running one."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import parse_qs, urlsplit

import typer

from brain.commands.invocation import Json, print_json
from brain.failure import Failure

if TYPE_CHECKING:
    from api.grafana import DataSource, Language

grafana_app = typer.Typer(no_args_is_help=True, help="Dashboards and alert rules for Grafana.")

LanguageOption = Annotated[str, typer.Option(help="of titles and texts: en or zh")]
ConsoleUrl = Annotated[str, typer.Option(help="address of our console, for links")]
DatabaseUser = Annotated[str, typer.Option(help="the account that deploy/timescaledb/grafana_role.sh makes")]
SslMode = Annotated[
    str, typer.Option(help="disable, require, verify-ca or verify-full; else as it is there, or require")
]
_SSL_MODES = ("disable", "require", "verify-ca", "verify-full")


@grafana_app.command("export")
def export(
    directory: Annotated[Path, typer.Option("--dir", file_okay=False, help="where dashboards/ and provisioning/ go")],
    language: LanguageOption = "en",
    console_url: ConsoleUrl = "http://127.0.0.1:8000",
    database: Annotated[
        str, typer.Option(help="host:port/database as Grafana reaches it; that of Docker Compose if not given")
    ] = "",
    database_user: DatabaseUser = "grafana_reader",
    ssl_mode: SslMode = "",
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail where a file is stale")] = False,
) -> None:
    """Write dashboards and provisioning files for a Grafana that is fed from a directory.

    The password is not written: Grafana takes it from its own variable GRAFANA_DATABASE_PASSWORD.

    Example: `brain grafana export --dir deploy/grafana --language zh`
    """
    from api.grafana import COMPOSE, export_files, provisioning_files, stale_files

    source = _reached(database, database_user, ssl_mode) if database else COMPOSE
    files = provisioning_files(_language(language), source, console_url)
    if check:
        stale = stale_files(directory, files)
        if stale:
            raise Failure(f"stale in {directory}: {', '.join(stale)}; renew with the same command without --check")
        return
    changed = export_files(directory, files)
    typer.echo("\n".join(changed) if changed else f"{directory}: nothing changed")


@grafana_app.command("push")
def push(
    url: Annotated[str, typer.Option(help="address of Grafana, with its path if it has one")],
    token_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="holds a service account's token; else BRAIN_GRAFANA_TOKEN"),
    ] = None,
    language: LanguageOption = "en",
    console_url: ConsoleUrl = "http://127.0.0.1:8000",
    database: Annotated[
        str, typer.Option(help="host:port/database as Grafana reaches it; else from database_url, else as it is there")
    ] = "",
    database_user: DatabaseUser = "grafana_reader",
    ssl_mode: SslMode = "",
    password_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="password of that account; else BRAIN_GRAFANA_DATABASE_PASSWORD"
        ),
    ] = None,
    renew_password: Annotated[bool, typer.Option("--renew-password", help="send it though nothing differs")] = False,
    data_source: Annotated[str, typer.Option(help="uid of a data source that is there, used as it is")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
    as_json: Json = False,
) -> None:
    """Bring a running Grafana to what the code says; what is not ours is left alone. docs/grafana.md has the rights.

    Example: `brain grafana push --url https://grafana.example.com --token-file token --database db.example.com:5432/ib`
    """
    from api.grafana import DATA_SOURCE, GrafanaError, Session, Wanted, connect
    from api.grafana import push as push_changes

    if data_source and database:
        raise typer.BadParameter(
            "make a data source, or name one that is there", param_hint="--database, --data-source"
        )
    token = _secret(token_file, "BRAIN_GRAFANA_TOKEN")
    if not token:
        raise Failure("no token: give --token-file or BRAIN_GRAFANA_TOKEN; Grafana makes one under Service accounts")
    password = _secret(password_file, "BRAIN_GRAFANA_DATABASE_PASSWORD")
    # Where nobody says how the database is reached, the data source stays as it is in Grafana.
    reached = database or _set_database()
    source = data_source or (_reached(reached, database_user, ssl_mode) if reached else DATA_SOURCE)
    wanted = Wanted(_language(language), source, password, renew_password, console_url)
    if url.startswith("http://") and urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        typer.echo(
            "brain: the token goes to Grafana unencrypted; use https:// outside of a network you trust", err=True
        )
    done = []
    try:
        for change in push_changes(Session(connect(url, token)), wanted, dry_run=dry_run):
            done.append(asdict(change))
            typer.echo(f"{'would be ' if dry_run else ''}{change.action:<9} {change.kind:<11} {change.uid}")
    except GrafanaError as problem:
        raise Failure(str(problem)) from problem
    if as_json:
        print_json({"dry_run": dry_run, "items": done})


def _language(given: str) -> "Language":
    if given not in ("en", "zh"):
        raise typer.BadParameter("must be en or zh", param_hint="--language")
    return "zh" if given == "zh" else "en"


def _secret(file: Path | None, variable: str) -> str | None:
    text = file.read_text(encoding="utf-8") if file is not None else os.environ.get(variable, "")
    return text.strip() or None


def _set_database() -> str:
    """host:port/database of the setting ``database_url``; empty where it is embedded or behind a socket."""
    from brain.settings import load_settings

    parts = urlsplit(load_settings().database_url or "")
    if not parts.hostname or parse_qs(parts.query).get("host"):
        return ""
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _reached(database: str, user: str, ssl_mode: str) -> "DataSource":
    """The data source of ``host:port/database``."""
    from api.grafana import DataSource

    if ssl_mode and ssl_mode not in _SSL_MODES:
        raise typer.BadParameter(f"must be one of {', '.join(_SSL_MODES)}", param_hint="--ssl-mode")
    address, slash, name = database.partition("/")
    host, colon, port = address.rpartition(":")
    if not (slash and name and colon and host and port.isdigit()):
        raise typer.BadParameter("must look like db.example.com:5432/brain", param_hint="--database")
    return DataSource(address, name, user, ssl_mode)
