"""One stream of messages through the product's own processes, measured."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from brain.bench.load import SHAPES
from brain.bench.meter import Meter
from brain.product import Product
from brain.settings import Settings
from historian import Connection, Database, load_positions, reading_bytes

_POLL_S = 0.1
_DRAIN_S = 180.0
_STARTED_S = 60.0
# Publish to commit, by the database's own commit times; a sample of blocks is enough.
LATENCY = """
select percentile_cont(array[0.5, 0.99]) within group (
    order by extract(epoch from pg_xact_commit_timestamp(xmin) - time)::float8
) from reading tablesample system (10) where time between to_timestamp($1) and to_timestamp($2)
"""
COUNTS = "select count(*) as stored, count(distinct (signal_id, time)) as distinct from reading"


@dataclass(frozen=True, slots=True)
class Stream:
    """What is sent.

    shape: what a message carries (:data:`brain.bench.load.SHAPES`); rate: readings a second, 0 for as fast as it goes
    window: readings on their way at most; workers: of collecting and of writing
    services: what runs beside collectors and writer
    """

    shape: str = "message"
    rate: float = 0.0
    seconds: float = 20.0
    warm_up_s: float = 4.0
    machines: int = 10_000
    window: int = 400_000
    workers: int = 1
    services: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """How it went.

    offered_per_s, committed_per_s: readings a second over the measured time
    lost: sent and acknowledged, but not in the table after everything has settled; doubled: in it twice
    backlog: [second, readings sent and not yet committed]; backlog_grew: over the second half, readings
    p50_latency_s, p99_latency_s: publish to commit; None where the database keeps no commit times
    cpu_s_per_million: CPU seconds for a million committed readings by process; peak_mb: its memory
    """

    shape: str
    seconds: float
    offered_per_s: int
    committed_per_s: int
    sent: int
    stored: int
    lost: int
    doubled: int
    backlog: list[tuple[float, int]]
    backlog_grew: int
    p50_latency_s: float | None
    p99_latency_s: float | None
    cpu_s_per_million: dict[str, float]
    cpu_s_per_million_total: float
    peak_mb: dict[str, float]
    bytes_per_reading: float = field(default=0.0)


class Load:
    """The load generator's process."""

    def __init__(self, url: str, machines: int, shape: str, rate: float, name: str) -> None:
        self.signals, self.samples = SHAPES[shape]
        self.readings_a_message = self.signals * self.samples
        self._log = b""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "brain.bench.load", "--url", url, "--machines", str(machines)),
                *("--shape", shape, "--rate", str(rate / self.readings_a_message), "--name", name),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self.sent = 0

    @property
    def pid(self) -> int | None:
        """The process while it runs."""
        return self._process.pid if self._process.poll() is None else None

    def allow(self, readings: int) -> None:
        """Let it send up to so many readings in all."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"allow": readings // self.readings_a_message}).encode() + b"\n")
        self._process.stdin.flush()

    def look(self) -> int:
        """Readings sent, as last reported."""
        assert self._process.stdout is not None
        while data := self._process.stdout.read(65_536):
            self._log += data
        *lines, self._log = self._log.split(b"\n")
        if lines:
            self.sent = json.loads(lines[-1])["sent"] * self.readings_a_message
        return self.sent

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def finish(self) -> int:
        """End it once the broker has everything; readings sent in all."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        return self.look()


async def run_stream(settings: Settings, stream: Stream, postgres_pid: int | None) -> Flow:
    """Start the product on the settings' database, send the stream, and count what became of it."""
    async with Product.open(settings) as product:
        environment = {
            "BRAIN_MQTT": json.dumps([{"name": "bench", "url": product.mqtt_url, "client_id": "brain-bench"}]),
            "BRAIN_WORKERS": str(stream.workers),
        }
        for service in ("ingest", "collect", *stream.services):
            await product.start(service, environment=environment)
        await collecting(product, stream.workers)
        load = Load(product.mqtt_url, stream.machines, stream.shape, stream.rate, "load")
        meter = meter_of(product, load, postgres_pid, stream.services)
        async with Database.open(product.database_url, max_size=2) as database:
            try:
                return await _measure(database, load, meter, stream)
            finally:
                load.kill()


def meter_of(product: Product, load: "Load | None", postgres_pid: int | None, services: Sequence[str] = ()) -> Meter:
    """A meter of every process of a running product."""
    roots: dict[str, Callable[[], int | None]] = {}
    if load is not None:
        roots["load"] = lambda: load.pid
    if product.embedded_pid("broker"):
        roots["broker"] = partial(product.embedded_pid, "broker")
    roots["collector"] = partial(product.supervisor.pid, "collect")
    roots["writer"] = partial(product.supervisor.pid, "ingest")
    if postgres_pid:
        roots["database"] = lambda: postgres_pid
    return Meter(roots | {name: partial(product.supervisor.pid, name) for name in services})


async def _measure(database: Database, load: "Load", meter: Meter, stream: Stream) -> Flow:
    async with database.connection() as connection:

        async def committed() -> int:
            return sum(position.committed_readings for position in (await load_positions(connection)).values())

        async def follow(until: float) -> None:
            """Keep the window open until a time, and note how much is on its way."""
            while (now := time.monotonic()) < until:
                done = await committed()
                load.allow(done + stream.window if not stream.rate else 1 << 50)
                if not backlog or now - began - backlog[-1][0] >= 1.0:
                    backlog.append((round(now - began, 1), load.look() - done))
                    meter.sample()
                await asyncio.sleep(_POLL_S)

        backlog: list[tuple[float, int]] = []
        began = time.monotonic()
        await follow(began + stream.warm_up_s)
        backlog.clear()
        meter.begin()
        wall_began, sent_before, committed_before = time.time(), load.look(), await committed()
        began = time.monotonic()
        await follow(began + stream.seconds)
        seconds, wall_ended = meter.elapsed_s(), time.time()
        sent_after, committed_after, cpu = load.look(), await committed(), meter.cpu_s()
        sent = await asyncio.to_thread(load.finish)
        deadline = time.monotonic() + _DRAIN_S
        while await committed() < sent and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_S)
        latency = await _latency(connection, wall_began, wall_ended)
        counts = await connection.fetchrow(COUNTS, timeout=600)
        size = await reading_bytes(connection)
    done = committed_after - committed_before
    per_million = {name: round(used / max(done, 1) * 1e6, 3) for name, used in cpu.items()}
    half = backlog[len(backlog) // 2 :]
    return Flow(
        stream.shape,
        round(seconds, 1),
        round((sent_after - sent_before) / seconds),
        round(done / seconds),
        sent,
        counts["stored"],
        max(0, sent - counts["distinct"]),
        counts["stored"] - counts["distinct"],
        backlog,
        half[-1][1] - half[0][1] if half else 0,
        *latency,
        per_million,
        round(sum(per_million.values()), 3),
        {name: round(peak, 1) for name, peak in meter.peak_mb.items()},
        round(size / max(counts["stored"], 1), 1),
    )


async def _latency(connection: Connection, began: float, ended: float) -> tuple[float | None, float | None]:
    if await connection.fetchval("select current_setting('track_commit_timestamp')") != "on":
        return None, None
    found = await connection.fetchval(LATENCY, began, ended, timeout=600)
    return (round(found[0], 4), round(found[1], 4)) if found else (None, None)


async def collecting(product: Product, workers: int) -> None:
    """Wait until every collector is connected to all its sources."""
    deadline = time.monotonic() + _STARTED_S
    names = ["collect", *(f"collect-{number}" for number in range(1, workers))]
    while time.monotonic() < deadline:
        states = [product.run_directory.read(name).get("sources", []) for name in names]
        if all(sources and all(source["connected"] for source in sources) for sources in states):
            return
        await asyncio.sleep(0.1)
    raise RuntimeError(f"the collector did not connect; see {product.supervisor.log_path('collect')}")
