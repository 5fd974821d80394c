"""From the spool into the table: exactly once, in whatever order, through kills of writer and database."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from brain.embedded_postgres import EmbeddedPostgres
from historian import Database, load_positions, read_latest, refresh_rollups
from ingest import Spool, Writer, spool_status
from plant import Batch, Rejected, to_datetime

pytestmark = pytest.mark.integration

START = 1_780_000_000_000_000
WRITER = """
import asyncio, sys
from pathlib import Path
from historian import Database
from ingest import Writer
async def main():
    async with Database.open(sys.argv[1], patience_s=30) as database:
        await Writer(database, Path(sys.argv[2]), tenant_id=1, max_rows=700).run()
asyncio.run(main())
"""


@pytest.fixture
def database(edition_database: Database) -> Database:
    """These tests hold on every edition."""
    return edition_database


async def _tenant(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("insert into tenant (key, name) values ('t', 't')")
        await connection.execute("insert into site (tenant_id, key, name) values (1, 's', 's')")
        await connection.execute(
            "insert into machine (tenant_id, site_id, line, code, name, template) values (1, 1, 'l', 'm', 'm', 'motor')"
        )
        await connection.execute(
            "insert into signal (tenant_id, machine_id, key, unit) "
            "select 1, 1, 'k' || n, 'A' from generate_series(1, 9) n"
        )


def _batch(first: int, rows: int) -> Batch:
    numbers = np.arange(first, first + rows)
    return Batch(
        START + numbers // 9 * 1_000_000,
        (numbers % 9 + 1).astype(np.int32),
        numbers.astype(np.float64),
        np.zeros(rows, np.int16),
    )


async def _stored(database: Database) -> list[tuple[int, float]]:
    async with database.connection() as connection:
        rows = await connection.fetch("select value from reading order by time, signal_id")
    return [row["value"] for row in rows]


async def test_a_segment_goes_though_nothing_fits_behind_it(database: Database, tmp_path: Path) -> None:
    """On a full disk there is room for the name of the next segment, and for no byte in it."""
    await _tenant(database)
    async with Spool.open(tmp_path, "lane") as spool:
        await spool.put(_batch(0, 90))
    writer = Writer(database, tmp_path, tenant_id=1)
    await writer.drain()
    (written,) = (tmp_path / "lane").glob("*.spool")
    following = written.with_name(f"{int(written.stem) + 1:016d}.spool")
    following.touch()
    await writer.drain()
    assert list((tmp_path / "lane").glob("*.spool")) == [following]
    async with database.connection() as connection:
        assert (await load_positions(connection))["lane"].segment == int(following.stem)
        assert await connection.fetchval("select count(*) from reading") == 90


async def test_repeats_and_overlaps_are_stored_once(database: Database, tmp_path: Path) -> None:
    await _tenant(database)
    async with Spool.open(tmp_path, "a") as spool:
        for first in (0, 50, 50, 20, 500):
            await spool.put(_batch(first, 100))
        await Writer(database, tmp_path, tenant_id=1, max_rows=120).drain()
        await spool.put(_batch(90, 20), [Rejected("mqtt", "x\x00y", "not_json", "words", b"\x00", START)])
        await Writer(database, tmp_path, tenant_id=1).drain()
    assert await _stored(database) == [*range(150), *range(500, 600)]
    async with database.connection() as connection:
        positions = await load_positions(connection)
        quarantined = await connection.fetch("select address, reason, raw from quarantine")
    assert (positions["a"].committed_readings, positions["a"].stored_readings) == (520, 250)
    assert [tuple(row.values()) for row in quarantined] == [("x\\0y", "not_json", b"\x00")]
    assert spool_status(tmp_path, positions).waiting_readings == 0


async def test_first_value_of_a_repeated_key_is_kept_whatever_the_batching(database: Database, tmp_path: Path) -> None:
    await _tenant(database)
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([START, START], [1, 1], [1.0, 2.0], [0, 0]))
        await spool.put(Batch.of_lists([START], [1], [3.0], [0]))
        await Writer(database, tmp_path, tenant_id=1).drain()
    assert await _stored(database) == [1.0]


async def test_newest_reading_is_noted_even_when_late_data_follows(database: Database, tmp_path: Path) -> None:
    await _tenant(database)
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(_batch(900, 9))
        await spool.put(_batch(0, 900))
        await Writer(database, tmp_path, tenant_id=1).drain()
    async with database.connection() as connection:
        latest = await read_latest(connection)
        # A crash between readings and their note leaves an old note; the next start repairs it.
        await connection.execute("delete from latest_block")
        await Writer(database, tmp_path, tenant_id=1).drain()
        repaired = await read_latest(connection)
    for found in (latest, repaired):
        assert found.signal_ids.tolist() == list(range(1, 10))
        assert found.values.tolist() == list(range(900, 909))
        assert found.times.tolist() == [START + 100_000_000] * 9


async def test_rollups_equal_a_slow_computation_under_late_data(database: Database, tmp_path: Path) -> None:
    await _tenant(database)
    random = np.random.default_rng(5)
    seconds = random.permutation(3 * 3600)[:4000]
    values = random.normal(size=4000).round(3)
    qualities = random.choice([0, 0, 0, 1, 2], 4000)
    async with Spool.open(tmp_path, "a") as spool:
        for part in np.array_split(np.arange(4000), 7):
            await spool.put(
                Batch.of_lists(
                    (START + seconds[part] * 1_000_000).tolist(),
                    [1] * len(part),
                    values[part],
                    qualities[part].tolist(),
                )
            )
            await Writer(database, tmp_path, tenant_id=1).drain()
            async with database.connection() as connection:
                await refresh_rollups(connection)
    for table, width in (("reading_1min", 60), ("reading_1h", 3600)):
        expected = {}
        for second, value, quality in sorted(zip(seconds.tolist(), values.tolist(), qualities.tolist(), strict=True)):
            if quality < 2:
                expected.setdefault((START // 1_000_000 + second) // width * width, []).append(value)
        async with database.connection() as connection:
            rows = await connection.fetch(f"select * from {table} order by bucket")
        assert [row["bucket"].timestamp() for row in rows] == sorted(expected)
        for row in rows:
            bucket = expected[int(row["bucket"].timestamp())]
            assert row["count"] == len(bucket)
            assert (row["minimum"], row["maximum"], row["last"]) == (min(bucket), max(bucket), bucket[-1])
            assert row["average"] == pytest.approx(sum(bucket) / len(bucket))


async def test_a_minute_that_still_fills_stays_marked(database: Database, tmp_path: Path) -> None:
    await _tenant(database)
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(_batch(0, 9))
        await Writer(database, tmp_path, tenant_id=1).drain()
        async with database.connection() as connection:
            assert await refresh_rollups(connection, to_datetime(START - 60_000_000)) == 0
            assert await refresh_rollups(connection, to_datetime(START) + timedelta(minutes=1)) == 1


async def test_killed_writer_and_killed_database_lose_and_double_nothing(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data")
    url = await asyncio.to_thread(server.start)
    from historian import migrate

    await migrate(url)
    async with Database.open(url) as database:
        await _tenant(database)
    sent = 0
    writer = None
    try:
        async with Spool.open(tmp_path / "spool", "a", segment_bytes=40_000) as spool:
            for round_ in range(8):
                if writer is None:
                    writer = await asyncio.create_subprocess_exec(
                        sys.executable, "-c", WRITER, url, str(tmp_path / "spool")
                    )
                for _ in range(60):
                    await spool.put(_batch(sent, 97))
                    sent += 97
                    await asyncio.sleep(0.005)
                if round_ % 3 == 2:
                    assert server.pid is not None
                    os.kill(server.pid, signal.SIGKILL)
                    while server.is_alive():
                        await asyncio.sleep(0.01)
                    await asyncio.to_thread(server.start)
                else:
                    writer.kill()
                    await writer.wait()
                    writer = None
        async with asyncio.timeout(60):
            while True:
                if writer is None:
                    writer = await asyncio.create_subprocess_exec(
                        sys.executable, "-c", WRITER, url, str(tmp_path / "spool")
                    )
                connection = await asyncpg.connect(url)
                stored = await connection.fetchval("select count(*) from reading")
                total = await connection.fetchval("select stored_readings from spool_position")
                await connection.close()
                if stored >= sent:
                    break
                await asyncio.sleep(0.2)
        async with Database.open(url) as database:
            assert await _stored(database) == list(range(sent))
        assert total == sent
    finally:
        if writer is not None:
            writer.kill()
            await writer.wait()
        await asyncio.to_thread(server.stop)


async def test_writers_that_share_the_lanes_store_everything_once(database: Database, tmp_path: Path) -> None:
    """Each takes its lanes; where both take the same, because their number has changed, they take turns."""
    await _tenant(database)
    expected = set()
    for lane in range(3):
        async with Spool.open(tmp_path, f"lane-{lane}") as spool:
            for part in range(20):
                batch = _batch(1000 * lane + 10 * part, 10)
                expected |= set(zip(batch.times.tolist(), batch.signal_ids.tolist(), strict=True))
                await spool.put(batch)
    alone = Writer(database, tmp_path, tenant_id=1, max_rows=50)
    second = Writer(database, tmp_path, tenant_id=1, max_rows=30, worker=1, workers=2)
    await asyncio.gather(alone.drain(), second.drain())
    async with database.connection() as connection:
        rows = await connection.fetch("select extract(epoch from time) * 1000000 as time, signal_id from reading")
        latest = await read_latest(connection)
    assert len(rows) == len(expected)
    assert {(int(row["time"]), row["signal_id"]) for row in rows} == expected
    newest = {signal: max(time for time, other in expected if other == signal) for _, signal in expected}
    assert dict(zip(latest.signal_ids.tolist(), latest.times.tolist(), strict=True)) == newest
