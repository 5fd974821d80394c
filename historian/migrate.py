"""Brings the schema up to date: numbered SQL files, each applied once, in one transaction each."""

import re
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files

import asyncpg

from historian.database import Connection, Edition, detect_edition

# Any constant: two starters on one database wait for one another here.
_LOCK = 0x1B_B4A1

APPLIED = "select name from schema_migration"
RECORD = "insert into schema_migration (name) values ($1)"
TABLE = """
create table if not exists schema_migration (name text primary key, applied_at timestamptz not null default now())
"""
# TimescaleDB can be used where the server has preloaded it.
PRELOADED = """
select 'timescaledb' = any(string_to_array(replace(setting, ' ', ''), ','))
from pg_settings where name = 'shared_preload_libraries'
"""

# Compression of TimescaleDB Community: chunks that are over for a day, by signal and time.
COMPRESSED = """
select compression_enabled from timescaledb_information.hypertables where hypertable_name = $1
"""
COMPRESS = """
alter table {table} set (
    timescaledb.compress, timescaledb.compress_segmentby = 'signal_id', timescaledb.compress_orderby = '{column}'
)
"""
COMPRESSION_POLICY = "select add_compression_policy($1::regclass, $2::interval, if_not_exists => true)"

_NAME = re.compile(r"^(\d{4}_[a-z0-9_]+)(?:\.(postgresql|timescaledb))?\.sql$")


@dataclass(frozen=True, slots=True)
class Migration:
    """A step of the schema; ``flavour`` is set where editions differ."""

    name: str
    flavour: str | None
    sql: str


def known_migrations() -> list[Migration]:
    """All steps in order, both flavours."""
    found = []
    for entry in files("historian").joinpath("migrations").iterdir():
        match = _NAME.match(entry.name)
        if match:
            found.append(Migration(match[1], match[2], entry.read_text(encoding="utf-8")))
    return sorted(found, key=lambda migration: migration.name)


async def migrate(url: str) -> list[str]:
    """Apply what is missing; the names applied. Safe to run twice and under two starters."""
    connection = await asyncpg.connect(url, timeout=20)
    try:
        await connection.execute("select pg_advisory_lock($1)", _LOCK)
        return await _apply_missing(connection)
    finally:
        await connection.close()


async def pending_migrations(connection: Connection) -> list[str]:
    """Names of the steps that this database still lacks."""
    if await connection.fetchval("select to_regclass('schema_migration')") is None:
        applied: set[str] = set()
    else:
        applied = {row["name"] for row in await connection.fetch(APPLIED)}
    return sorted({migration.name for migration in known_migrations()} - applied)


async def _apply_missing(connection: Connection) -> list[str]:
    if await connection.fetchval(PRELOADED):
        await connection.execute("create extension if not exists timescaledb")
    edition = await detect_edition(connection)
    flavour = "timescaledb" if edition is not Edition.POSTGRESQL else "postgresql"
    await connection.execute(TABLE)
    missing = set(await pending_migrations(connection))
    applied = []
    for migration in known_migrations():
        if migration.name not in missing or migration.flavour not in (None, flavour):
            continue
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(RECORD, migration.name)
        applied.append(migration.name)
    if edition is Edition.TIMESCALE_COMMUNITY:
        await _compress(connection)
    return applied


async def _compress(connection: Connection) -> None:
    """Leave compression to the edition that has it; also where another edition's database has become one of it."""
    for table, column in (("reading", "time"), ("reading_1min", "bucket")):
        if not await connection.fetchval(COMPRESSED, table):
            await connection.execute(COMPRESS.format(table=table, column=column))
            await connection.execute(COMPRESSION_POLICY, table, timedelta(days=1 if table == "reading" else 14))
