"""`brain edge`: the gateway beside the machines, and what the cloud knows of gateways."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure
from brain.logs import configure_logs

if TYPE_CHECKING:
    from brain.settings import Settings

edge_app = typer.Typer(invoke_without_command=True)

Site = Annotated[str, typer.Option(help="site whose machines it is for")]


@edge_app.callback()
def edge(context: typer.Context, data_dir: DataDir = None) -> None:
    """Collectors and spool on a gateway, forwarding to the cloud's broker. Example: `brain --config edge.toml edge`"""
    if context.invoked_subcommand is not None:
        return
    from brain.services.edge import edge as body
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    configure_logs(settings.log_level, "edge")
    run_body(body(settings))


@edge_app.command("enrol")
def enrol(
    url: Annotated[str, typer.Option(help="the cloud's API, https://address:port")],
    token: Annotated[str, typer.Option(help="what `brain edge token` printed", envvar="BRAIN_EDGE_TOKEN")],
    ca_file: Annotated[Path | None, typer.Option(help="certificates to trust there; else those of the system")] = None,
    name: Annotated[str, typer.Option(help="what people call this gateway; else the host's name")] = "",
    again: Annotated[bool, typer.Option("--again", help="replace the credential that is there")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="allow http:// to another host")] = False,
    data_dir: DataDir = None,
) -> None:
    """Make this gateway known to the cloud, once. Example: `brain edge enrol --url https://cloud:8000 --token T`"""
    from brain.edge.enrol import enrol as exchange
    from brain.edge.link import Credential
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    known = Credential.of(settings.edge_dir)
    if known is not None and not again:
        raise Failure(f"this gateway is enrolled as {known.gateway}: --again replaces its credential")
    settings.edge_dir.mkdir(parents=True, exist_ok=True)
    credential = exchange(url, token, name or socket.gethostname()[:100], ca_file, plain=plain)
    credential.store(settings.edge_dir)
    typer.echo(f"enrolled as {credential.gateway} for site {credential.site}; start `brain edge`")


@asynccontextmanager
async def _cloud(data_dir: Path | None) -> AsyncIterator[tuple["Settings", Any, int]]:
    from brain.endpoints import database_url
    from brain.settings import load_settings
    from historian import Database, ensure_tenant

    settings = load_settings(data_dir=data_dir)
    async with (
        Database.open(database_url(settings), max_size=1) as database,
        database.connection() as connection,
    ):
        yield settings, connection, await ensure_tenant(connection, settings.tenant, settings.tenant)


def _require_plain(site: str) -> None:
    """The site is part of topics: it must not hold what means something there."""
    if not site or set(site) & set("+#/") or not site.isprintable():
        raise typer.BadParameter("a site that gateways send for has no '+', '#' or '/' in its key", param_hint="--site")


def _require_enrolment(settings: "Settings") -> None:
    if not settings.gateways.lets_in:
        raise Failure("no gateways are let in: set broker_url and password_file in [gateways] (docs/settings.md)")


@edge_app.command("token")
def token(
    site: Site,
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 30, help="how long it may be used")] = 24.0,
    label: Annotated[str, typer.Option(help="what it is for")] = "",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """In the cloud: a token that lets one new gateway in, printed once. Example: `brain edge token --site shangyu`"""
    from historian import issue_edge_token

    _require_plain(site)

    async def body() -> str:
        async with _cloud(data_dir) as (settings, connection, tenant_id):
            _require_enrolment(settings)
            try:
                return await issue_edge_token(connection, tenant_id, site, timedelta(hours=hours), label)
            except KeyError:
                raise Failure(f"site {site!r} has no machine yet: register one first, with `brain migrate`") from None

    issued = run_body(body())
    typer.echo(issued)
    if as_json:
        print_json({"token": issued, "site": site, "hours": hours})


@edge_app.command("add")
def add(
    site: Site,
    file: Annotated[Path, typer.Option(help="where to write its credential.json")],
    name: Annotated[str, typer.Option(help="what people call it")] = "",
    data_dir: DataDir = None,
) -> None:
    """In the cloud: for a gateway that cannot reach the API. Example: `brain edge add --site hall --file gateway.json`

    Carry the file to the gateway, as edge/credential.json in its data directory.
    """
    from brain.edge.link import Credential
    from historian import add_gateway, broker_accounts

    _require_plain(site)

    async def body() -> Credential:
        async with _cloud(data_dir) as (settings, connection, tenant_id):
            _require_enrolment(settings)
            ca = settings.gateways.authorities()
            async with connection.transaction():
                try:
                    made = await add_gateway(connection, tenant_id, site, name)
                except KeyError:
                    raise Failure(f"site {site!r} has no machine yet: register one with `brain migrate`") from None
                await settings.gateways.tell_broker(await broker_accounts(connection))
            return Credential(made.key, site, settings.gateways.broker_url or "", made.key, made.password, ca)

    credential = run_body(body())
    credential.write(file)
    typer.echo(f"gateway {credential.gateway} made; {file} holds its password")


@edge_app.command("list")
def list_all(data_dir: DataDir = None, as_json: Json = False) -> None:
    """In the cloud: gateways of the tenant. Example: `brain edge list`"""
    from historian import list_gateways

    async def body() -> list[Any]:
        async with _cloud(data_dir) as (_, connection, tenant_id):
            return list(await list_gateways(connection, tenant_id))

    gateways = run_body(body())
    for gateway in gateways:
        revoked = f"  revoked {gateway.revoked_at:%Y-%m-%d}" if gateway.revoked_at else ""
        typer.echo(f"{gateway.key}  {gateway.site}  {gateway.name}  since {gateway.enrolled_at:%Y-%m-%d}{revoked}")
    if as_json:
        print_json({"items": gateways})


@edge_app.command("revoke")
def revoke(
    gateway: Annotated[str, typer.Argument(help="key of the gateway, as `brain edge list` shows it")],
    data_dir: DataDir = None,
) -> None:
    """In the cloud: shut a gateway out, at broker and collectors. Example: `brain edge revoke gw-0123456789ab`"""
    from historian import broker_accounts, revoke_gateway

    async def body() -> None:
        async with _cloud(data_dir) as (settings, connection, tenant_id):
            if not await revoke_gateway(connection, tenant_id, gateway):
                raise Failure(f"there is no gateway {gateway} that is not revoked: `brain edge list` shows all")
            # Collectors refuse it from now on, whether or not the broker can be told.
            async with connection.transaction():
                await settings.gateways.tell_broker(await broker_accounts(connection))

    run_body(body())
    typer.echo(f"gateway {gateway} revoked")


@edge_app.command("certificate")
def certificate(
    host: Annotated[
        list[str] | None, typer.Option(help="name or address of the broker for gateways; else that of broker_url")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="where to write; else beside [gateways] password_file")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """In the cloud: make or renew the broker's certificate. Example: `brain edge certificate --host broker.example`

    For a broker whose certificate no public authority signs: broker.pem and broker.key are for it, ca.pem is what
    gateways are to trust (broker_ca_file). The authority's key stays in the data directory.
    """
    from brain.broker_certificate import AUTHORITY, make_broker_certificate
    from brain.settings import load_settings

    settings = load_settings(data_dir=data_dir)
    gateways = settings.gateways
    hosts = host or [name for name in [urlsplit(gateways.broker_url or "").hostname] if name]
    if not hosts:
        raise Failure("for which broker? give --host, or broker_url in [gateways]")
    if folder is None and gateways.password_file is None:
        raise Failure("where to? give --folder, or password_file in [gateways]")
    target = folder or (gateways.password_file or Path()).parent
    ends = make_broker_certificate(settings.data_dir / "authority", target, hosts)
    typer.echo(f"{target / AUTHORITY} is what gateways are to trust; valid until {ends:%Y-%m-%d}: renew it before")
    if as_json:
        print_json({"folder": str(target), "hosts": hosts, "expires": ends.isoformat()})
