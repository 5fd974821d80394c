"""One historian on every edition: schema, tenants sealed off, trends, retention."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest

from historian import (
    READING,
    BlockSummaries,
    Database,
    PartitionKeeper,
    drop_older_than,
    ensure_tenant,
    load_directory,
    mark_dirty,
    migrate,
    prepare_ahead,
    read_trend,
    refresh_rollups,
    register_machines,
    store_readings,
)
from plant import Batch, MachineSpec, TemplateError, to_datetime, to_microseconds
from tests.plant_records import one_motor

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(microsecond=0)


async def _fill(database: Database, signal_id: int, times: np.ndarray, values: np.ndarray) -> None:
    n = len(times)
    batch = Batch(times, np.full(n, signal_id, np.int32), values, np.zeros(n, np.int16))
    async with database.connection() as connection:
        await PartitionKeeper().ensure(connection, READING, int(times.min()), int(times.max()))
        async with connection.transaction():
            await store_readings(connection, batch)
            await mark_dirty(connection, (np.unique(times // 60_000_000) * 60_000_000).tolist())
        await refresh_rollups(connection)


async def test_reading_is_a_hypertable_where_there_are_hypertables(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        if edition_database.edition.has_hypertables:
            names = await connection.fetch("select hypertable_name from timescaledb_information.hypertables")
            assert {row["hypertable_name"] for row in names} == {"reading", "reading_1min"}
        else:
            assert await connection.fetchval("select count(*) from pg_partitioned_table") == 2


async def test_migrating_again_and_from_two_starters_changes_nothing(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        name = await connection.fetchval("select current_database()")
        host = await connection.fetchval("select setting from pg_settings where name = 'unix_socket_directories'")
    # On the chroot's server the path is seen from inside; the directory is the same file.
    if edition_database.edition.has_hypertables:
        pytest.skip("the socket's path is the chroot's own")
    url = f"postgresql://postgres@/{name}?host={host}"
    assert await asyncio.gather(migrate(url), migrate(url)) == [[], []]


async def test_newest_seconds_are_found_without_reading_the_day(edition_database: Database) -> None:
    """What was added since the last vacuum is known to the block ranges as soon as they are summarized."""
    _, signal = await one_motor(edition_database, "t")
    midnight = NOW.replace(hour=0, minute=0, second=0)
    times = to_microseconds(midnight) + np.arange(300_000) * 100_000
    ids = (np.arange(300_000) % 16 + signal).astype(np.int32)
    batch = Batch(times, ids, np.zeros(300_000), np.zeros(300_000, np.int16))
    async with edition_database.connection() as connection:
        await PartitionKeeper().ensure(connection, READING, int(times.min()), int(times.max()))
        async with connection.transaction():
            await store_readings(connection, batch)
        await connection.execute("set enable_seqscan = off")

        async def blocks() -> int:
            newest = to_datetime(int(times.max()))
            rows = await connection.fetch(
                "explain (analyze, buffers, timing off, format json) "
                "select * from reading where time >= $1 and time < $2",
                newest - timedelta(seconds=5),
                newest + timedelta(seconds=1),
            )
            plan = rows[0][0][0]["Plan"]
            return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

        before = await blocks()
        summaries = BlockSummaries()
        assert await summaries.keep_up(connection) >= 1
        assert await blocks() < before / 4
        assert await summaries.keep_up(connection) == 0


async def test_another_tenant_sees_nothing(edition_database: Database) -> None:
    mine, my_signal = await one_motor(edition_database, "mine")
    theirs, their_signal = await one_motor(edition_database, "theirs")
    times = to_microseconds(NOW - timedelta(hours=5)) + np.arange(600) * 30_000_000
    for signal in (my_signal, their_signal):
        await _fill(edition_database, signal, times, np.arange(600.0))
    async with edition_database.tenant(mine) as connection:
        for view in ("tenant_reading", "tenant_reading_1min", "tenant_reading_1h"):
            assert {row["signal_id"] for row in await connection.fetch(f"select signal_id from {view}")} == {my_signal}
        for table in ("site", "machine", "signal", "tenant"):
            tenants = await connection.fetch(
                f"select {'id' if table == 'tenant' else 'tenant_id'} as tenant from {table}"
            )
            assert {row["tenant"] for row in tenants} == {mine}, table
        trend = await read_trend(connection, their_signal, NOW - timedelta(hours=6), NOW, 100)
        assert len(trend) == 0
    assert theirs != mine
    chunks = (
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    )
    async with edition_database.connection() as connection:
        chunk_names = await connection.fetch(
            chunks + " where c.relkind in ('r', 'p') and (c.relname like 'reading%' or c.relname like '%hyper_%chunk')"
        )
    assert len(chunk_names) >= 4
    for (table,) in [*chunk_names, ("user_account",), ("access_token",), ("spool_position",)]:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with edition_database.tenant(mine) as connection:
                await connection.fetch(f"select * from {table}")


async def test_without_a_tenant_the_role_sees_nothing(edition_database: Database) -> None:
    await one_motor(edition_database, "mine")
    async with edition_database.connection() as connection, connection.transaction():
        await connection.execute("set local role brain_api")
        assert await connection.fetch("select * from machine") == []


@pytest.mark.parametrize(("hours", "source"), [(1.5, "raw"), (30, "1min"), (500, "1h")])
async def test_trend_keeps_extremes_and_the_newest_readings(
    edition_database: Database, hours: float, source: str
) -> None:
    tenant, signal = await one_motor(edition_database, "mine")
    n = 4000
    start = to_microseconds(NOW - timedelta(hours=hours))
    times = start + np.linspace(0, hours * 3_599_000_000, n).astype(np.int64)
    values = np.sin(np.arange(n) / 50)
    values[1234], values[2345] = 99.0, -99.0
    await _fill(edition_database, signal, times, values)
    async with edition_database.tenant(tenant) as connection:
        trend = await read_trend(connection, signal, to_datetime(start), NOW, 300)
    assert trend.source == source
    assert len(trend) <= 300
    assert (trend.maxima.max(), trend.minima.min()) == (99.0, -99.0)
    assert (np.diff(trend.times) > 0).all()
    assert to_microseconds(NOW) - trend.times[-1] < hours * 3_600_000_000 / 300 * 3


async def test_a_trend_is_found_by_index(edition_database: Database) -> None:
    tenant, signal = await one_motor(edition_database, "mine")
    times = to_microseconds(NOW - timedelta(hours=20)) + np.arange(20_000) * 3_000_000
    await _fill(edition_database, signal, times, np.arange(20_000.0))
    async with edition_database.connection() as connection:
        await connection.execute("analyze")
    # Only the owner may be shown a plan that goes through chunks; the tenant's setting is what matters.
    async with edition_database.connection() as connection, connection.transaction():
        await connection.execute("insert into sql_role values (current_user, $1)", tenant)
        plan = await connection.fetch(
            f"explain select * from tenant_reading where signal_id = {signal} "
            f"and time >= '{(NOW - timedelta(hours=1)).isoformat()}' and time < '{NOW.isoformat()}' order by time"
        )
    text = "\n".join(row[0] for row in plan)
    assert "Index" in text
    assert "Seq Scan on reading_p" not in text
    assert "Seq Scan on _hyper" not in text


async def test_retention_drops_whole_ranges_only(edition_database: Database) -> None:
    _, signal = await one_motor(edition_database, "mine")
    days = np.array([40, 20, 1])
    times = np.array([to_microseconds(NOW - timedelta(days=int(day))) for day in days])
    await _fill(edition_database, signal, times, np.arange(3.0))
    async with edition_database.connection() as connection:
        await prepare_ahead(connection)
        assert await drop_older_than(connection, NOW - timedelta(days=30))
        left = await connection.fetch("select time from reading order by time")
    assert [row["time"] for row in left] == [NOW - timedelta(days=20), NOW - timedelta(days=1)]


async def test_a_wrong_nameplate_registers_nothing(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        tenant_id = await ensure_tenant(connection, "mine", "mine")
        specs = [
            MachineSpec("s", "l", "M1", "one", "motor"),
            MachineSpec("s", "l", "M2", "two", "motor", nameplate={"rated_power": "much"}),
        ]
        with pytest.raises(TemplateError, match="s/M2"):
            await register_machines(connection, tenant_id, specs)
        assert len(await load_directory(connection, tenant_id)) == 0
