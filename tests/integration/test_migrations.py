"""A database of the first schema becomes one of the newest with all that is in it, while readings arrive."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest

from historian import (
    READING,
    Connection,
    Database,
    PartitionKeeper,
    export_rows,
    list_fleet,
    list_signals,
    migrate,
    pending_migrations,
    store_readings,
)
from historian.migrate import RECORD, TABLE, known_migrations
from plant import Batch, to_microseconds

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)
FIRST = "0003_rollup"
TENANT = """
with tenant as (insert into tenant (key, name) values ('old', 'Old works') returning id),
site as (insert into site (tenant_id, key, name) select id, 'works', 'Works' from tenant returning id, tenant_id),
machine as (
    insert into machine (tenant_id, site_id, line, code, name, template, nameplate)
    select tenant_id, id, 'line', 'M1', 'Motor', 'motor', '{}' from site returning id, tenant_id
)
insert into signal (tenant_id, machine_id, key, unit) select tenant_id, id, 'speed', '1/min' from machine
returning id, tenant_id, machine_id
"""
LATEST = """
insert into machine_latest (machine_id, tenant_id, signal_ids, times, readings, qualities)
values ($1, $2, $3, $4, $5, $6)
"""


async def _first_schema(url: str, edition: str) -> None:
    connection = await asyncpg.connect(url)
    if edition != "postgresql":
        await connection.execute("create extension if not exists timescaledb")
    flavour = "postgresql" if edition == "postgresql" else "timescaledb"
    await connection.execute(TABLE)
    for migration in known_migrations():
        if migration.name <= FIRST and migration.flavour in (None, flavour):
            await connection.execute(migration.sql)
            await connection.execute(RECORD, migration.name)
    await connection.close()


def _readings(signal: int, start: datetime, count: int) -> Batch:
    times = to_microseconds(start) + np.arange(count) * 1_000_000
    return Batch(times, np.full(count, signal, np.int32), np.arange(count) / 10, np.zeros(count, np.int16))


async def _arriving(url: str, signal: int, wrote: list[int]) -> None:
    """A writer that never waits long for a lock: a migration that holds one for seconds fails it."""
    connection = await asyncpg.connect(url)
    await connection.execute("set lock_timeout = '3s'")
    try:
        while True:
            async with connection.transaction():
                wrote[0] += await store_readings(connection, _readings(signal, NOW + timedelta(seconds=wrote[0]), 10))
            await asyncio.sleep(0.01)
    finally:
        await connection.close()


async def test_an_old_database_becomes_a_new_one_while_readings_arrive(
    edition_server: tuple[str, str], edition_url: str
) -> None:
    await _first_schema(edition_url, edition_server[0])
    old: Connection = await asyncpg.connect(edition_url)
    row = await old.fetchrow(TENANT)
    signal, tenant, machine = row["id"], row["tenant_id"], row["machine_id"]
    start = NOW - timedelta(hours=2)
    for moment in (start, NOW):
        await PartitionKeeper().ensure(old, READING, to_microseconds(moment), to_microseconds(moment))
    await store_readings(old, _readings(signal, start, 3600))
    await old.execute("insert into rollup_dirty (bucket) values ($1)", start.replace(second=0))
    await old.execute(LATEST, machine, tenant, [signal], [start], [1.5], [0])
    wrote = [0]
    arriving = asyncio.create_task(_arriving(edition_url, signal, wrote))
    await asyncio.sleep(0.2)
    before = wrote[0]
    assert len(await migrate(edition_url)) >= 5
    while wrote[0] < before + 50 and not arriving.done():
        await asyncio.sleep(0.05)
    arriving.cancel()
    with suppress(asyncio.CancelledError):
        await arriving  # raises what stopped it
    await old.close()
    async with Database.open(edition_url, max_size=2) as database:
        async with database.connection() as connection:
            assert await pending_migrations(connection) == []
            assert await connection.fetchval("select count(*) from rollup_dirty") == 1
        async with database.tenant(tenant) as connection:
            found = await export_rows(connection, signal, start, NOW + timedelta(days=1))
            assert [row.code for row in await list_fleet(connection)] == ["M1"]
            assert [row.key for row in await list_signals(connection, machine)] == ["speed"]
    assert [value for _, value, _ in found[:3600]] == (np.arange(3600) / 10).tolist()
    assert len(found) >= 3600 + before + 50


async def test_two_starters_on_one_old_database_do_it_once(edition_server: tuple[str, str], edition_url: str) -> None:
    await _first_schema(edition_url, edition_server[0])
    applied = await asyncio.gather(migrate(edition_url), migrate(edition_url))
    assert min(map(len, applied)) == 0
    assert max(map(len, applied)) >= 5
