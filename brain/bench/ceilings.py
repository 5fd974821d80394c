"""What the whole path is judged by, measured in the same run: raw COPY, the writer alone, a bare receiving loop."""

import asyncio
import subprocess
import sys
import time
from dataclasses import dataclass

import asyncpg
import numpy as np
import psutil
from numpy.typing import NDArray

from brain.bench.flow import Load
from brain.bench.load import SHAPES, SIGNALS
from brain.product import Product
from brain.settings import Settings
from historian import READING, Database, Encoded, PartitionKeeper, binary_copy, load_positions
from ingest import Spool
from plant import MICROSECONDS, Batch

_PORTION = 100_000
_RECORD = 10_000
_PORTIONS = 20
_DAY_US = 86_400 * MICROSECONDS
_FIRST_DAY_US = 20_000 * _DAY_US
_WAIT_S = 120.0


@dataclass(frozen=True, slots=True)
class WriterAlone:
    """Rows a second into the same table, in turns: raw COPY, and spool to table by the writer's own process."""

    copy_per_s: int
    writer_per_s: int
    ratio: float
    peak_mb: float


def rows_of(signal_ids: NDArray[np.int32], day: int) -> list[Batch]:
    """Samples of all signals, a second apart, as portions of a writer."""
    random = np.random.default_rng(day)
    rows = _PORTION * _PORTIONS
    steps = np.arange(rows) // len(signal_ids)
    times = _FIRST_DAY_US + day * _DAY_US + steps * MICROSECONDS
    ids = np.resize(signal_ids, rows)
    values = random.normal(50, 5, rows).round(2)
    return [
        Batch(
            times[start : start + _PORTION],
            ids[start : start + _PORTION],
            values[start : start + _PORTION],
            np.zeros(_PORTION, np.int16),
        )
        for start in range(0, rows, _PORTION)
    ]


async def measure_writer(settings: Settings, rounds: int = 2) -> WriterAlone:
    """Raw COPY and the writer in turns, a day's partition each."""
    copied, written, peak = [], [], 0.0
    async with Database.open(str(settings.database_url), max_size=2) as database, database.connection() as connection:
        rows = await connection.fetch("select id from signal where key = any($1::text[]) order by id", list(SIGNALS))
        ids = np.asarray([row["id"] for row in rows], np.int32)
        for number in range(rounds):
            copied.append(await _copy(connection, rows_of(ids, 2 * number)))
            rate, memory = await _write(settings, connection, rows_of(ids, 2 * number + 1), f"lane-{number}")
            written.append(rate)
            peak = max(peak, memory)
    return WriterAlone(
        round(sum(copied) / rounds), round(sum(written) / rounds), round(sum(written) / sum(copied), 3), round(peak, 1)
    )


async def _copy(connection: asyncpg.Connection, batches: list[Batch]) -> float:
    """Rows a second of COPY in the order our writer uses, a transaction a portion; encoding is not counted."""
    keeper = PartitionKeeper()
    await keeper.ensure(connection, READING, int(batches[0].times[0]), int(batches[-1].times[-1]))
    encoded = [Encoded.of(batch) for batch in batches]
    began = time.monotonic()
    for portion in encoded:
        async with connection.transaction():
            await binary_copy(connection, "reading", portion.data)
    return _PORTION * _PORTIONS / (time.monotonic() - began)


async def _write(
    settings: Settings, connection: asyncpg.Connection, batches: list[Batch], lane: str
) -> tuple[float, float]:
    """Rows a second of the writer's process from a spool that is full, between its first commit and its last."""
    async with Spool.open(settings.spool_dir, lane) as spool:
        for batch in batches:
            for start in range(0, len(batch), _RECORD):
                await spool.put(batch.select(np.arange(start, start + _RECORD)))
    rows = _PORTION * _PORTIONS
    seen: list[tuple[float, int]] = []
    async with Product.open(settings) as product:
        await product.start("ingest")
        deadline = time.monotonic() + _WAIT_S
        peak = 0.0
        while time.monotonic() < deadline and (not seen or seen[-1][1] < rows):
            position = (await load_positions(connection)).get(lane)
            if position is not None and (not seen or position.committed_readings > seen[-1][1]):
                seen.append((time.monotonic(), position.committed_readings))
            pid = product.supervisor.pid("ingest")
            if pid is not None:
                peak = max(peak, psutil.Process(pid).memory_info().rss / 1e6)
            await asyncio.sleep(0.01)
    if len(seen) < 2 or seen[-1][1] < rows:
        raise RuntimeError(f"the writer did not finish; see {settings.data_dir / 'log' / 'ingest.log'}")
    (first_at, first), (last_at, last) = seen[0], seen[-1]
    return (last - first) / (last_at - first_at), peak


async def measure_bare_receive(settings: Settings, machines: int, seconds: float) -> int:
    """Readings a second that a paho-mqtt loop receives which does nothing with them, ten to a message."""
    readings, samples = SHAPES["message"]
    async with Product.open(settings) as product:
        process = subprocess.Popen(  # noqa: ASYNC220 - a line of it is read in a thread
            [sys.executable, "-m", "brain.bench.bare_receive", "--url", product.mqtt_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        load: Load | None = None
        try:
            process.stdout.readline()  # it has subscribed
            load = Load(product.mqtt_url, machines, "message", 0.0, "load")
            marks: list[tuple[float, int]] = []
            began = time.monotonic()
            while (now := time.monotonic()) < began + seconds + 2:
                received = int(await asyncio.to_thread(process.stdout.readline))
                load.allow(received * readings * samples + 200_000)
                if now > began + 2:
                    marks.append((now, received))
        finally:
            process.stdin.close()
            process.wait(20)
            if load is not None:
                load.kill()
    (first_at, first), (last_at, last) = marks[0], marks[-1]
    return round((last - first) * readings * samples / (last_at - first_at))
