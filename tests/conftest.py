"""Real parts for every test: one embedded PostgreSQL a run, a fresh migrated database a test.

``database_url`` is an empty, migrated historian; it is made from a template, so a test waits milliseconds.
"""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings

from brain.embedded_postgres import EmbeddedPostgres
from collectors import Targets, set_targets
from historian import Database, migrate

# No test depends on how fast the machine is.
settings.register_profile("industry-brain", deadline=None)
settings.load_profile("industry-brain")


@pytest.fixture(autouse=True)
def _nothing_is_restricted() -> Iterator[None]:
    """What settings read by a test say of addresses holds for their process, and this one goes on."""
    yield
    set_targets(Targets())


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


_CHROOT = Path(os.environ.get("BRAIN_TEST_CACHE", "/var/tmp/industry-brain-tests")) / "timescaledb"
_CHROOT_SCRIPT = Path(__file__).with_name("timescaledb_chroot.sh")


def timescale_chroot() -> Path:
    """Where Debian trixie with TimescaleDB (Apache edition) is; skips where it cannot be made."""
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("parts from Debian trixie need root and debootstrap for their chroot")
    made = subprocess.run(["sh", str(_CHROOT_SCRIPT), "make", str(_CHROOT)], check=False, timeout=600)
    if made.returncode != 0:
        pytest.skip(
            f"Debian trixie with TimescaleDB (Apache edition) could not be installed: see {_CHROOT / 'make.log'}"
        )
    return _CHROOT


@pytest.fixture(scope="session")
def timescale_apache() -> Iterator[str]:
    """URL of TimescaleDB's Apache edition from Debian, in a chroot; skips where that cannot be made."""
    timescale_chroot()
    started = subprocess.run(
        ["sh", str(_CHROOT_SCRIPT), "start", str(_CHROOT)], check=True, capture_output=True, text=True, timeout=120
    )
    yield f"postgresql://postgres@/postgres?host={started.stdout.strip().splitlines()[-1]}"
    subprocess.run(["sh", str(_CHROOT_SCRIPT), "stop", str(_CHROOT)], check=False, timeout=60)


@pytest.fixture(params=["postgresql", "timescaledb-apache", "timescaledb-community"])
def edition_server(request: pytest.FixtureRequest) -> tuple[str, str]:
    """(edition, URL of a server) in turn; the two of TimescaleDB skip by name where they are missing."""
    edition: str = request.param
    if edition == "postgresql":
        return edition, request.getfixturevalue("postgres").url
    if edition == "timescaledb-apache":
        return edition, request.getfixturevalue("timescale_apache")
    server = os.environ.get("BRAIN_TEST_DATABASE_URL", "")
    if not server:
        pytest.skip("TimescaleDB (Community edition): BRAIN_TEST_DATABASE_URL is not set")
    return edition, server


@pytest_asyncio.fixture
async def edition_url(edition_server: tuple[str, str]) -> AsyncIterator[str]:
    """URL of an empty database on each edition, dropped after the test."""
    _, server = edition_server
    name = f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(server)
    await connection.execute(f"create database {name}")
    try:
        yield with_database(server, name)
    finally:
        await connection.execute(f"drop database {name} with (force)")
        await connection.close()


@pytest_asyncio.fixture
async def edition_database(edition_server: tuple[str, str], edition_url: str) -> AsyncIterator[Database]:
    """A fresh historian on each edition."""
    await migrate(edition_url)
    async with Database.open(edition_url, max_size=6) as opened:
        assert opened.edition == edition_server[0]
        yield opened
