"""Commands on accounts and access tokens."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import typer

from brain.commands.invocation import DataDir, Json, print_json, run_body
from brain.failure import Failure

user_app = typer.Typer(no_args_is_help=True, help="Accounts. Example: `brain user add li --role engineer`")
token_app = typer.Typer(no_args_is_help=True, help="Access tokens for programs. Example: `brain token issue li`")

Name = Annotated[str, typer.Argument(help="account")]
_ROLES = ("administrator", "engineer", "viewer")


@asynccontextmanager
async def _accounts(data_dir: Any) -> AsyncIterator[tuple[Any, int]]:
    from brain.endpoints import database_url
    from brain.settings import load_settings
    from historian import Database, ensure_tenant

    settings = load_settings(data_dir=data_dir)
    async with (
        Database.open(database_url(settings), max_size=1) as database,
        database.connection() as connection,
    ):
        yield connection, await ensure_tenant(connection, settings.tenant, settings.tenant)


@user_app.command("add")
def add(
    name: Name,
    role: Annotated[str, typer.Option(help="administrator, engineer or viewer")] = "viewer",
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="asked for if not given")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Make an account; the password is asked for. Example: `brain user add li --role engineer`"""
    from historian import accounts

    if role not in _ROLES:
        raise typer.BadParameter(f"must be one of {', '.join(_ROLES)}", param_hint="--role")
    if len(password) < 10:
        raise typer.BadParameter("must have at least ten characters", param_hint="--password")

    async def body() -> None:
        async with _accounts(data_dir) as (connection, tenant_id):
            if await accounts.user_exists(connection, name):
                raise Failure(f"account {name} exists: change its password with `brain user password {name}`")
            await accounts.create_user(connection, tenant_id, name, password, role=role)

    run_body(body())
    typer.echo(f"account {name} made, role {role}")


@user_app.command("password")
def change_password(
    name: Name,
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="asked for if not given")
    ] = "",
    data_dir: DataDir = None,
) -> None:
    """Set a new password. Example: `brain user password li`"""
    from historian import accounts

    if len(password) < 10:
        raise typer.BadParameter("must have at least ten characters", param_hint="--password")

    async def body() -> None:
        async with _accounts(data_dir) as (connection, _):
            if not await accounts.user_exists(connection, name):
                raise Failure(f"account {name} is not known: `brain user list` shows all")
            await accounts.set_password(connection, name, password)

    run_body(body())
    typer.echo(f"password of {name} changed; its tokens are void")


@user_app.command("disable")
def disable(name: Name, data_dir: DataDir = None) -> None:
    """Shut an account out; what it did is kept. Example: `brain user disable li`"""
    from historian import accounts

    async def body() -> None:
        async with _accounts(data_dir) as (connection, _):
            if not await accounts.user_exists(connection, name):
                raise Failure(f"account {name} is not known: `brain user list` shows all")
            await accounts.disable(connection, name)

    run_body(body())
    typer.echo(f"account {name} disabled")


@user_app.command("list")
def list_accounts(data_dir: DataDir = None, as_json: Json = False) -> None:
    """All accounts of the tenant. Example: `brain user list`"""
    from historian import accounts

    async def body() -> list[Any]:
        async with _accounts(data_dir) as (connection, tenant_id):
            return list(await accounts.list_users(connection, tenant_id))

    users = run_body(body())
    for user in users:
        typer.echo(f"{user.name}  {user.role}{'  disabled' if user.disabled_at else ''}")
    if as_json:
        print_json({"items": users})


@token_app.command("issue")
def issue(
    name: Name,
    days: Annotated[float, typer.Option(min=0.01, help="how long it holds")] = 365.0,
    label: Annotated[str, typer.Option(help="what it is for")] = "",
    data_dir: DataDir = None,
) -> None:
    """A bearer token for a program, printed once. Example: `brain token issue li --label grafana`"""
    from historian import accounts

    async def body() -> str:
        async with _accounts(data_dir) as (connection, _):
            if not await accounts.user_exists(connection, name):
                raise Failure(f"account {name} is not known: `brain user list` shows all")
            token: str = await accounts.issue_token(connection, name, lifetime=timedelta(days=days), label=label)
            return token

    typer.echo(run_body(body()))
