"""Closed readings in blocks are the same readings: to the last bit, for every query, under late data."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from historian import (
    READING,
    Compacted,
    Connection,
    Database,
    Edition,
    Encoded,
    PartitionKeeper,
    compact_closed,
    drop_empty,
    drop_older_than,
    export_rows,
    forget_older_than,
    open_late,
    read_readings,
    store_encoded,
)
from ingest import Upkeep
from plant import Batch, to_datetime, to_microseconds
from tests.plant_records import one_motor

pytestmark = pytest.mark.integration

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


async def write(connection: Connection, batch: Batch) -> int:
    """As the writer does; how many were new."""
    await PartitionKeeper().ensure(connection, READING, int(batch.times.min()), int(batch.times.max()))
    async with connection.transaction():
        await open_late(connection, batch, to_microseconds(NOW))
        return len(await store_encoded(connection, Encoded.of(batch)))


async def everything(connection: Connection) -> list[tuple[int, int, bytes, int]]:
    """(time, signal, value to the bit, quality) of all readings, in order."""
    found = await read_readings(connection, [1, 2, 3, 70_000], NOW - 20 * DAY, NOW + DAY)
    rows = zip(
        found.times.tolist(),
        found.signal_ids.tolist(),
        [value.tobytes() for value in found.values],
        found.qualities.tolist(),
        strict=True,
    )
    return sorted(rows)


def compacts(database: Database) -> bool:
    return database.edition is not Edition.TIMESCALE_COMMUNITY


COMPRESS = "select compress_chunk(chunk, if_not_compressed => true) from show_chunks('reading') chunk"


async def compact(database: Database, connection: Connection) -> list[Compacted]:
    """Closed readings become small: as blocks, or as the edition's own policy does it."""
    if compacts(database):
        return await compact_closed(connection, NOW)
    await connection.fetch(COMPRESS)
    return []


values = st.one_of(
    st.floats(width=64),
    st.sampled_from([0.0, -0.0, 1.0, 399.9, 28.55, -3.001, 1e-300, 2.0**31, float("nan"), 0.1 + 0.2]),
    st.integers(-40_000, 40_000).map(lambda number: number / 100),
)
# Microseconds from the start of a day, on several kinds of clock.
times = st.one_of(
    st.integers(0, 86_399).map(lambda second: second * 1_000_000),
    st.integers(0, 3600_000).map(lambda milli: milli * 1000),
    st.integers(0, 86_400_000_000 - 1),
)
readings = st.lists(st.tuples(times, st.sampled_from([1, 2, 70_000]), values, st.integers(0, 2)), min_size=1)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=readings, late=readings)
async def test_blocks_give_back_every_bit(edition_database: Database, first: list, late: list) -> None:
    start = to_microseconds(NOW.replace(hour=0) - 3 * DAY)

    def batch_of(rows: list) -> Batch:
        return Batch.of_lists(
            [start + row[0] for row in rows],
            [row[1] for row in rows],
            np.asarray([row[2] for row in rows]),
            [row[3] for row in rows],
        )

    async with edition_database.connection() as connection:
        for table in ("reading", "reading_block", "reading_late"):
            await connection.execute(f"truncate {table}")
        await write(connection, batch_of(first))
        before = await everything(connection)
        compacted = await compact(edition_database, connection)
        assert await everything(connection) == before
        if compacts(edition_database):
            assert [entry.readings for entry in compacted] == [len(before)]
            assert await connection.fetchval("select count(*) from reading") == 0
        # Said again, all of it is known.
        assert await write(connection, batch_of(first)) == 0
        assert await everything(connection) == before
        # What comes late is stored once beside what was there, as if nothing had been compacted.
        known = {row[:2] for row in before}
        new = await write(connection, batch_of(late))
        distinct = {(start + row[0], row[1]) for row in late}
        assert new == len(distinct - known)
        merged = await everything(connection)
        await compact(edition_database, connection)
        assert await everything(connection) == merged
        assert {row[:2] for row in merged} == known | distinct


def hours_of(signal: int, start: datetime, hours: int) -> Batch:
    n = hours * 60
    moments = to_microseconds(start) + np.arange(n) * 60_000_000
    return Batch(moments, np.full(n, signal, np.int32), np.arange(n) / 10, np.zeros(n, np.int16))


async def test_tenants_see_their_own_blocks_alone_and_by_index(edition_database: Database) -> None:
    mine, my_signal = await one_motor(edition_database, "mine")
    _, their_signal = await one_motor(edition_database, "theirs")
    start = NOW - 5 * DAY
    async with edition_database.connection() as connection:
        for signal in (my_signal, their_signal):
            await write(connection, hours_of(signal, start, 48))
        await compact(edition_database, connection)
        await connection.execute("analyze")
    async with edition_database.tenant(mine) as connection:
        assert await export_rows(connection, their_signal, start, NOW) == []
        assert len(await export_rows(connection, my_signal, start + DAY, start + DAY + timedelta(minutes=90))) == 90
        assert await connection.fetchval("select count(*) from tenant_reading") == 48 * 60
    if compacts(edition_database):
        async with edition_database.connection() as connection, connection.transaction():
            await connection.execute("insert into sql_role values (current_user, $1)", mine)
            await connection.execute("set local enable_seqscan = off")
            rows = await connection.fetch(
                f"explain (analyze, format json) select * from tenant_reading where signal_id = {my_signal} "
                f"and time >= '{start + DAY}' and time < '{start + DAY + timedelta(hours=2)}' "
                f"and since >= '{start + DAY}' and since < '{start + DAY + timedelta(hours=2)}'"
            )
        scans = [node for node in nodes(rows[0][0][0]["Plan"]) if node.get("Relation Name") == "reading_block"]
        # Two hours are two blocks; no other is opened.
        assert [scan["Actual Rows"] for scan in scans] == [2]
        assert scans[0]["Node Type"] in ("Index Scan", "Bitmap Heap Scan")


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and all plans below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


async def test_what_comes_while_a_range_is_compacted_is_kept(
    edition_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not compacts(edition_database):
        pytest.skip("TimescaleDB Community compresses by itself")
    from historian import compaction

    _, signal = await one_motor(edition_database, "mine")
    start = NOW - 5 * DAY
    publish = compaction._publish
    late = hours_of(signal + 1, start, 1)

    async def after_a_late_batch(connection: Connection, known: object) -> bool:
        async with edition_database.connection() as other:
            await write(other, late)
        return await publish(connection, known)  # type: ignore[arg-type]

    async with edition_database.connection() as connection:
        await write(connection, hours_of(signal, start, 1))
        monkeypatch.setattr(compaction, "_publish", after_a_late_batch)
        assert await compact_closed(connection, NOW) == []
        assert await connection.fetchval("select count(*) from reading") == 120
        monkeypatch.setattr(compaction, "_publish", publish)
        assert [entry.readings for entry in await compact_closed(connection, NOW)] == [120]
        assert await connection.fetchval("select count(*) from reading_all") == 120


async def test_retention_forgets_blocks_and_empty_ranges(edition_database: Database) -> None:
    _, mine = await one_motor(edition_database, "mine")
    _, theirs = await one_motor(edition_database, "theirs")
    async with edition_database.connection() as connection:
        for signal in (mine, theirs):
            for days in (40, 20, 10):
                await write(connection, hours_of(signal, NOW - days * DAY, 2))
        await compact(edition_database, connection)
        assert await forget_older_than(connection, {"mine": NOW - 15 * DAY}) > 0
        count = "select signal_id, count(*) from reading_all group by 1 order by 1"
        assert [tuple(row) for row in await connection.fetch(count)] == [(mine, 120), (theirs, 360)]
        await drop_older_than(connection, NOW - 30 * DAY)
        assert [tuple(row) for row in await connection.fetch(count)] == [(mine, 120), (theirs, 240)]
        await drop_empty(connection, NOW)
        assert [tuple(row) for row in await connection.fetch(count)] == [(mine, 120), (theirs, 240)]
        assert await write(connection, hours_of(mine, NOW - 10 * DAY, 3)) == 60


async def test_upkeep_does_all_of_it(edition_database: Database) -> None:
    _, mine = await one_motor(edition_database, "mine")
    _, theirs = await one_motor(edition_database, "theirs")
    async with edition_database.connection() as connection:
        for signal in (mine, theirs):
            for days in (40, 20, 10, 3):
                await write(connection, hours_of(signal, NOW - days * DAY, 2))
    await Upkeep(edition_database, 30 * DAY, {"mine": 15 * DAY, "nobody": DAY}).once(NOW)
    async with edition_database.connection() as connection:
        count = "select signal_id, count(*) from reading_all group by 1 order by 1"
        assert [tuple(row) for row in await connection.fetch(count)] == [(mine, 240), (theirs, 360)]
        assert await connection.fetchval("select count(*) from reading_late") == 0
        if compacts(edition_database):
            assert await connection.fetchval("select count(*) from reading") == 0
            assert await connection.fetchval("select count(*) from reading_block") == 10


async def test_a_fast_plant_gets_ranges_of_an_hour(edition_database: Database) -> None:
    minute = to_datetime(to_microseconds(datetime.now(UTC)) // 60_000_000 * 60_000_000)
    async with edition_database.connection() as connection:
        from historian import prepare_ahead

        await prepare_ahead(connection)
        for back in range(3, 9):
            await connection.execute(
                "insert into reading_1min select $1, id, 0, 0, 0, 60, 0 from generate_series(1, 5000) id",
                minute - timedelta(minutes=back),
            )
        await prepare_ahead(connection)
        batch = hours_of(1, NOW.replace(hour=0) + 9 * DAY, 3)
        await write(connection, batch)
        assert await connection.fetchval("select count(*) from reading") == 180
        if edition_database.edition.has_hypertables:
            widths = await connection.fetch(
                "select range_end - range_start as width from timescaledb_information.chunks "
                "where hypertable_name = 'reading'"
            )
            assert {row["width"] for row in widths} == {timedelta(hours=1)}
        else:
            day = f"reading_p{NOW + 9 * DAY:%Y%m%d}_"
            names = await connection.fetch(
                "select relname from pg_class where relname like $1 and relkind = 'r'", day + "%"
            )
            assert len(names) == 24
