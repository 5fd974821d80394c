"""Real parts for every test: one embedded PostgreSQL a run, a fresh migrated database a test.

``database_url`` is an empty, migrated historian; it is made from a template, so a test waits milliseconds.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from brain.embedded_postgres import EmbeddedPostgres
from historian import Database, migrate


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The run's PostgreSQL; restart it in a test only if you start it again."""
    server = EmbeddedPostgres(Path(tmp_path_factory.mktemp("postgres")) / "data")
    server.start()
    yield server
    server.stop()


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest_asyncio.fixture(scope="session")
async def template_database(postgres: EmbeddedPostgres) -> str:
    """A migrated database to copy."""
    connection = await asyncpg.connect(postgres.url)
    await connection.execute("create database brain_template")
    await connection.close()
    await migrate(with_database(postgres.url, "brain_template"))
    return "brain_template"


@pytest_asyncio.fixture
async def database_url(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """URL of a fresh, migrated historian, dropped after the test."""
    name = f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres.url)
    await connection.execute(f"create database {name} template {template_database}")
    try:
        yield with_database(postgres.url, name)
    finally:
        if connection.is_closed():
            connection = await asyncpg.connect(postgres.url)
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open historian on a fresh database."""
    async with Database.open(database_url, max_size=6) as opened:
        yield opened
