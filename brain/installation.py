"""Brings a database to where the services can use it: schema, tenant, first administrator, machines."""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from brain.settings import Settings
from historian import (
    Database,
    accounts,
    ensure_tenant,
    has_work_orders,
    load_directory,
    load_specs,
    migrate,
    record_work,
    register_machines,
)
from plant import MachineSpec, SignalDirectory, WorkRecord

ADMIN = "admin"
_PASSWORD_FILE = "admin-password"


async def install(settings: Settings, database_url: str, machines: Sequence[MachineSpec]) -> SignalDirectory:
    """Migrate, make tenant and administrator, register machines; safe to run again. The signal directory."""
    await migrate(database_url)
    async with Database.open(database_url, max_size=2) as database, database.connection() as connection:
        tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        specs = [*machines, *(entry.spec() for entry in settings.machines)]
        if specs:
            await register_machines(connection, tenant_id, specs)
        return await load_directory(connection, tenant_id)


async def machine_specs(settings: Settings, database_url: str) -> list[MachineSpec]:
    """All machines as they were registered."""
    async with Database.open(database_url, max_size=1) as database, database.connection() as connection:
        return await load_specs(connection, await ensure_tenant(connection, settings.tenant, settings.tenant))


async def register(settings: Settings, database_url: str, machines: Sequence[MachineSpec]) -> None:
    """Register machines, or bring them up to date; all of them or none."""
    async with Database.open(database_url, max_size=1) as database, database.connection() as connection:
        tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        await register_machines(connection, tenant_id, machines)


async def ensure_administrator(settings: Settings, database_url: str) -> str | None:
    """The account ``admin`` with the password of BRAIN_ADMIN_PASSWORD, or a generated one.

    Returns the password where this installation knows it (a generated one is kept in a file only its
    owner can read), None where somebody has changed it since.
    """
    async with Database.open(database_url, max_size=2) as database, database.connection() as connection:
        tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        exists = await accounts.user_exists(connection, ADMIN)
        kept = settings.data_dir / _PASSWORD_FILE
        password = settings.admin_password
        if password is None and exists:
            known = kept.read_text() if kept.is_file() else None
            if known is not None and await accounts.verify(connection, ADMIN, known) is not None:
                return known
            return None
        if password is None:
            password = secrets.token_urlsafe(12)
            _keep_private(kept, password)
        if exists and await accounts.verify(connection, ADMIN, password) is not None:
            return password  # setting it again would void its tokens
        if exists:
            await accounts.set_password(connection, ADMIN, password)
        else:
            await accounts.create_user(connection, tenant_id, ADMIN, password, role="administrator")
        return password


async def record_maintenance(settings: Settings, database_url: str, records: Sequence[WorkRecord]) -> None:
    """Record finished jobs, once: nothing happens where this tenant has work orders already."""
    async with Database.open(database_url, max_size=1) as database, database.connection() as connection:
        tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        if not await has_work_orders(connection, tenant_id):
            await record_work(connection, tenant_id, records)


def _keep_private(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
