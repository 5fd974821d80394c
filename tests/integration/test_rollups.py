"""Minutes and hours equal a slow computation over the readings, whatever comes late, twice, or from whom."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from historian import (
    READING,
    Connection,
    Database,
    Encoded,
    MinuteKeeper,
    PartitionKeeper,
    drop_older_than,
    refresh_rollups,
    store_encoded,
)
from plant import Batch, to_datetime

pytestmark = pytest.mark.integration

# Far enough in the past that every edition's refresh up to now sees all of it, and just before an hour's end.
START = 1_780_000_000_000_000 // 3_600_000_000 * 3_600_000_000 + 3_480_000_000
MINUTE = 60_000_000

# Seconds to the clock, signal, value, quality of a reading.
readings = st.lists(
    st.tuples(
        st.one_of(st.integers(-20, 5), st.integers(-400, 400), st.integers(-9000, -3000)),
        st.integers(1, 3),
        st.sampled_from([-2.5, 0.0, 1.0, 7.25]),
        st.sampled_from([0, 0, 0, 1, 2]),
    ),
    min_size=1,
    max_size=12,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([0, 0, 0, 1]), readings),
        st.tuples(st.just("bulk"), st.just(0), readings),
        st.tuples(st.just("wait"), st.sampled_from([1, 5, 20, 64, 400]), st.none()),
        st.tuples(st.sampled_from(["close", "restart", "lost"]), st.sampled_from([0, 0, 1]), st.none()),
        st.tuples(st.just("refresh"), st.just(0), st.none()),
    ),
    max_size=25,
)


class Plant:
    """Two writers on a clock of their own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.now = START
        self.stored_by_writers = 0
        self.keepers = [MinuteKeeper(writer, lambda: self.now) for writer in (0, 1)]

    async def restart(self, writer: int) -> None:
        """The process has ended, with what it knew."""
        self.keepers[writer] = MinuteKeeper(writer, lambda: self.now)
        await self.keepers[writer].begin(self._connection)

    async def write(self, writer: int, batch: Batch, *, lost: bool = False) -> None:
        """Commit a batch; lost: the process ends right after the commit."""
        keeper = self.keepers[writer]
        await PartitionKeeper().ensure(self._connection, READING, int(batch.times.min()), int(batch.times.max()))
        async with self._connection.transaction():
            stored = await store_encoded(self._connection, Encoded.of(batch))
            await keeper.mark(self._connection, stored)
        if lost:
            await self.restart(writer)
        else:
            keeper.note(stored)

    async def close(self, writer: int) -> None:
        """Store the minutes that are over."""
        before = await self._connection.fetchval("select count(*) from reading_1min")
        await self.keepers[writer].close(self._connection)
        self.stored_by_writers += await self._connection.fetchval("select count(*) from reading_1min") - before

    async def refresh(self) -> None:
        """What the refresher does every two seconds."""
        await refresh_rollups(self._connection, to_datetime(self.now - MINUTE))


def batch_of(now: int, rows: list[tuple[float, int, float, int]]) -> Batch:
    return Batch.of_lists(
        [now + int(second * 1_000_000) for second, _, _, _ in rows],
        [signal for _, signal, _, _ in rows],
        np.asarray([value for _, _, value, _ in rows]),
        [quality for _, _, _, quality in rows],
    )


async def slow(connection: Connection, width_us: int) -> dict[tuple[int, int], tuple[float, ...]]:
    """(bucket, signal) -> average, minimum, maximum, count, last; one reading after the other."""
    buckets: dict[tuple[int, int], list[float]] = {}
    for row in await connection.fetch("select * from reading order by time"):
        if row["quality"] < 2:
            time_us = round(row["time"].timestamp() * 1e6)
            buckets.setdefault((time_us // width_us * width_us, row["signal_id"]), []).append(row["value"])
    return {
        key: (sum(values) / len(values), min(values), max(values), len(values), values[-1])
        for key, values in buckets.items()
    }


async def rolled_up(connection: Connection, table: str) -> dict[tuple[int, int], tuple[float, ...]]:
    return {
        (round(row["bucket"].timestamp() * 1e6), row["signal_id"]): (
            pytest.approx(row["average"]),
            row["minimum"],
            row["maximum"],
            row["count"],
            row["last"],
        )
        for row in await connection.fetch(f"select * from {table}")
    }


async def _empty(connection: Connection) -> None:
    for table in ("reading", "reading_1min", "reading_1h", "rollup_dirty", "rollup_dirty_hour"):
        await connection.execute(f"truncate {table}")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_rollups_equal_a_slow_computation(edition_database: Database, steps: list[tuple[str, int, list]]) -> None:
    async with edition_database.connection() as connection:
        await _empty(connection)
        plant = Plant(connection)
        for step, number, rows in steps:
            match step:
                case "write":
                    await plant.write(number, batch_of(plant.now, rows))
                case "bulk":  # a back-fill: many seconds of each
                    many = [
                        (second + offset, signal, value, quality)
                        for second, signal, value, quality in rows
                        for offset in range(110)
                    ]
                    await plant.write(number, batch_of(plant.now, many))
                case "wait":
                    plant.now += number * 1_000_000
                case "close":
                    await plant.close(number)
                case "restart":
                    await plant.restart(number)
                case "lost":
                    await plant.write(number, batch_of(plant.now, [(0, 1, 5.0, 0)]), lost=True)
                case "refresh":
                    await plant.refresh()
        # Whatever is held is stored, or given up, within minutes of its end.
        plant.now += 70_000_000
        for number in (0, 1):
            await plant.close(number)
        plant.now += 3 * 3_600_000_000
        await plant.refresh()
        for table, width_us in (("reading_1min", MINUTE), ("reading_1h", 60 * MINUTE)):
            assert await rolled_up(connection, table) == await slow(connection, width_us), table
        assert await connection.fetchval("select count(*) from rollup_dirty") == 0


async def test_a_live_minute_is_stored_by_the_writer_without_reading_it_back(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        plant = Plant(connection)
        plant.now += MINUTE  # past the minute of the start, which an earlier process may have had a part in
        for second in range(60):
            await plant.write(0, batch_of(plant.now, [(0, 1, float(second), 0), (0, 2, -float(second), 1)]))
            plant.now += 1_000_000
        await plant.refresh()
        await plant.close(0)
        assert await connection.fetchval("select count(*) from reading_1min") == 0  # some may be on their way
        plant.now += 5_000_000
        await plant.close(0)
        assert plant.stored_by_writers == 2
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)
        assert await connection.fetchval("select count(*) from rollup_dirty") == 0
        # One late reading costs its own signal's minute, no more.
        await plant.write(0, batch_of(plant.now, [(-30.5, 1, 99.0, 0)]))
        assert await connection.fetch("select signal_ids from rollup_dirty") == [([1],)]
        plant.now += MINUTE
        await plant.refresh()
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)


async def test_what_a_dead_writer_held_is_computed(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        plant = Plant(connection)
        plant.now += MINUTE
        await plant.write(1, batch_of(plant.now, [(0, 1, 3.0, 0)]))
        plant.now += 2 * MINUTE
        await plant.refresh()
        assert await connection.fetchval("select count(*) from reading_1min") == 0
        plant.now += 5 * MINUTE  # and it never comes back
        await plant.refresh()
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)


async def test_a_writer_that_slept_marks_again_what_was_computed_without_it(edition_database: Database) -> None:
    async with edition_database.connection() as connection:
        plant = Plant(connection)
        plant.now += MINUTE
        await plant.write(0, batch_of(plant.now, [(0, 1, 3.0, 0)]))
        plant.now += 7 * MINUTE
        await plant.refresh()
        await plant.write(0, batch_of(plant.now, [(-419, 1, 5.0, 0)]))
        await plant.close(0)
        await plant.refresh()
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)
        assert len(await slow(connection, MINUTE)) == 1


async def test_retention_takes_readings_and_minutes_and_leaves_hours_as_they_were(edition_database: Database) -> None:
    day = 86_400_000_000
    async with edition_database.connection() as connection:
        plant = Plant(connection)
        for days in (20, 1):
            await plant.write(0, batch_of(plant.now - days * day, [(n * 7, n % 3 + 1, n / 4, 0) for n in range(900)]))
        await plant.refresh()
        hours = await rolled_up(connection, "reading_1h")
        assert hours == await slow(connection, 60 * MINUTE)
        assert await drop_older_than(connection, to_datetime(plant.now - 8 * day))
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)
        # What comes late for a day that is still there changes its own hours, and no other.
        await plant.write(0, batch_of(plant.now - day, [(3, 1, 99.0, 0)]))
        await plant.refresh()
        assert await rolled_up(connection, "reading_1min") == await slow(connection, MINUTE)
        left = await slow(connection, 60 * MINUTE)
        now = await rolled_up(connection, "reading_1h")
        assert {key: now[key] for key in left} == left
        gone = set(hours) - set(left)
        assert gone
        assert {key: now[key] for key in gone} == {key: tuple(map(_plain, hours[key])) for key in gone}


def _plain(value: object) -> object:
    """A number, also where it stands in an approximate comparison."""
    return getattr(value, "expected", value)
