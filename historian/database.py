"""The connection pool, which edition answers at the other end, and the two ways to use it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

import asyncpg
import orjson

Connection = Any
"""An asyncpg connection (the package has no types)."""

_CLOSE_S = 10.0

# Whether TimescaleDB is installed in this database, and under which licence it runs (one row).
EDITION = """
select extversion, current_setting('timescaledb.license', true) as licence
from pg_extension where extname = 'timescaledb'
"""

# Binds one transaction to a tenant: row-level security and the tenant views ask for this setting.
BIND_TENANT = "select set_config('brain.tenant_id', $1, true)"


class Edition(StrEnum):
    """What the historian runs on; told apart here and nowhere else."""

    POSTGRESQL = "postgresql"
    TIMESCALE_APACHE = "timescaledb-apache"
    TIMESCALE_COMMUNITY = "timescaledb-community"

    @property
    def has_hypertables(self) -> bool:
        """Whether `reading` is a hypertable (else: declarative partitions)."""
        return self is not Edition.POSTGRESQL


async def detect_edition(connection: Connection) -> Edition:
    """The edition of the database behind a connection."""
    row = await connection.fetchrow(EDITION)
    if row is None:
        return Edition.POSTGRESQL
    return Edition.TIMESCALE_APACHE if row["licence"] == "apache" else Edition.TIMESCALE_COMMUNITY


class Database:
    """An open historian."""

    def __init__(self, pool: Any, edition: Edition) -> None:
        self._pool = pool
        self.edition = edition

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, max_size: int = 8, patience_s: float = 0.0, statement_s: float = 120.0
    ) -> "AsyncIterator[Database]":
        """Connect, waiting up to ``patience_s`` for a server that is away, and disconnect on the way out.

        statement_s: how long a statement may take; a connection whose other end is gone without a word is
        noticed by it.

        Raises ``OSError`` or ``asyncpg.PostgresError`` where the server does not answer.
        """
        deadline = time.monotonic() + patience_s
        while True:
            try:
                pool = await asyncpg.create_pool(
                    url, min_size=1, max_size=max_size, init=_set_codecs, timeout=20, command_timeout=statement_s
                )
                async with pool.acquire() as connection:
                    edition = await detect_edition(connection)
                break
            except (
                OSError,
                TimeoutError,
                asyncpg.CannotConnectNowError,
                asyncpg.PostgresConnectionError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
        try:
            yield cls(pool, edition)
        finally:
            await _close(pool)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in the service role, which sees every tenant: for ingest, analytics and jobs."""
        async with self._pool.acquire(timeout=20) as connection:
            yield connection

    @asynccontextmanager
    async def tenant(self, tenant_id: int) -> AsyncIterator[Connection]:
        """A transaction in the role ``brain_api``, bound to one tenant: the only way of API and console."""
        async with self._pool.acquire(timeout=20) as connection, connection.transaction():
            await connection.execute("set local role brain_api")
            await connection.execute(BIND_TENANT, str(tenant_id))
            yield connection


async def _set_codecs(connection: Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=lambda value: orjson.dumps(value).decode(), decoder=orjson.loads
        )


async def _close(pool: Any) -> None:
    """Close politely, and at once where a connection hangs on a dead server."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await pool.close()
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pool.terminate()
