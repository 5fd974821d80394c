"""`brain bench storage`: bytes a reading takes, fresh and once its hours are closed, on this edition."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from brain.bench.site import BenchServer
from brain.settings import Settings
from collectors import ReportByException
from historian import (
    READING,
    Connection,
    Database,
    PartitionKeeper,
    compact_closed,
    compress_now,
    ensure_tenant,
    load_directory,
    reading_bytes,
    register_machines,
    store_readings,
)
from plant import Batch, SignalDirectory, Template, template_library, to_microseconds
from simulators import PlantPlan, PlantSimulation, simulate_history, simulate_plan

_SEED = 71
_JITTER_MS = 40
# Of a signal's resolution: what a person would not call a change.
_DEADBAND = 3.0
COPIES = (
    "create table copied_reading (time timestamptz, signal_id int4, value {kind}, quality int2)",
    "create unique index on copied_reading (signal_id, time)",
    "create index on copied_reading using brin (time) with (pages_per_range = 32)",
    "insert into copied_reading select time, signal_id, value, quality from reading order by time limit 2000000",
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What one stream of readings takes.

    readings: how many were stored; bytes_hot, bytes_compressed: per reading, with all indexes
    """

    readings: int
    bytes_hot: float
    bytes_compressed: float


async def bench_storage(settings: Settings, machines: int, hours: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Store the same simulated hours twice, every reading and reported by exception, and weigh them.

    Sensors have the template's resolution and noise; times have a jitter of milliseconds as real devices have.
    """
    with tempfile.TemporaryDirectory(prefix="brain-bench-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        async with (
            BenchServer.open(settings, directory, 0) as server,
            server.database() as url,
            Database.open(url, max_size=2, statement_s=3600) as database,
            database.connection() as connection,
        ):
            plant = await _Plant.simulated(connection, settings.tenant, machines, hours)
            say(f"{database.edition}: {machines} machines, {hours} hours, a reading a second and signal")
            say("reported by exception ...")
            excepted = await _weigh(connection, await plant.store(connection, by_exception=True))
            for table in ("reading", "reading_block", "reading_late"):
                await connection.execute(f"truncate {table}")
            say("every reading ...")
            readings = await plant.store(connection, by_exception=False)
            widths = await _by_width(connection)
            every = await _weigh(connection, readings)
            return {
                "edition": str(database.edition),
                "bytes_hot": every.bytes_hot,
                "bytes_compressed": every.bytes_compressed,
                "every_reading": asdict(every),
                "by_exception": asdict(excepted) | {"share_reported": round(excepted.readings / every.readings, 4)},
                **widths,
            }


class _Table:
    """A sink that stores at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._partitions = PartitionKeeper()
        self.stored = 0

    async def put(self, batch: Batch, _rejected: object = ()) -> None:
        if len(batch):
            first, last = int(batch.times.min()), int(batch.times.max())
            await self._partitions.ensure(self._connection, READING, first, last)
            self.stored += await store_readings(self._connection, batch)


@dataclass(frozen=True, slots=True)
class _Plant:
    """A simulated plant and the hours of it that are stored."""

    plan: PlantPlan
    directory: SignalDirectory
    start: datetime
    end: datetime

    @classmethod
    async def simulated(cls, connection: Connection, tenant: str, machines: int, hours: int) -> "_Plant":
        # Whole hours that have been over for long enough.
        end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
        start = end - timedelta(hours=hours)
        plan = simulate_plan(machines, _SEED, end, end - start)
        tenant_id = await ensure_tenant(connection, tenant, tenant)
        await register_machines(connection, tenant_id, plan.specs)
        return cls(plan, await load_directory(connection, tenant_id), start, end)

    async def store(self, connection: Connection, *, by_exception: bool) -> int:
        """How many readings were stored."""
        table = _Table(connection)
        templates = {"motor": _quiet(template_library()["motor"])} if by_exception else {}
        sink = ReportByException(table, lambda: self.directory, templates)
        simulation = PlantSimulation(self.plan)
        start, end = to_microseconds(self.start), to_microseconds(self.end)
        simulation.skip(start)
        random = np.random.default_rng(_SEED)
        for batch in simulate_history(simulation, self.directory, start, end, 1):
            jitter = random.integers(0, _JITTER_MS, len(batch)) * 1000
            await sink.put(Batch(batch.times + jitter, batch.signal_ids, batch.values, batch.qualities))
        return table.stored


async def _weigh(connection: Connection, readings: int) -> Stored:
    await connection.execute("vacuum analyze reading")
    hot = await reading_bytes(connection)
    await compress_now(connection, datetime.now(UTC))
    await compact_closed(connection, datetime.now(UTC))
    small = await reading_bytes(connection)
    return Stored(readings, round(hot / readings, 1), round(small / readings, 1))


def _quiet(template: Template) -> Template:
    """The template with a deadband for every number."""
    signals = [
        kind.model_copy(update={"deadband": 0.0 if kind.kind == "bool" else _DEADBAND * kind.resolution})
        for kind in template.signals
    ]
    return template.model_copy(update={"signals": tuple(signals)})


async def _by_width(connection: Connection) -> dict[str, float]:
    """The same rows with their indexes in plain tables, with values of eight and of four bytes."""
    found = {}
    for name, kind in (("bytes_float8", "float8"), ("bytes_float4", "float4")):
        for statement in COPIES:
            await connection.execute(statement.format(kind=kind))
        size = await connection.fetchval("select pg_total_relation_size('copied_reading')")
        found[name] = round(size / await connection.fetchval("select count(*) from copied_reading"), 1)
        await connection.execute("drop table copied_reading")
    return found
