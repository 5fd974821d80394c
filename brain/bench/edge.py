"""`brain bench edge`: what a gateway puts on the wire and on its disk, how fast it catches up, and its memory."""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from brain.bench.edge_spool import watch_packing, weigh_spool
from brain.bench.flow import Load, collecting
from brain.bench.load import SITE, machine_code
from brain.edge import BatchMessages, Catalogue, EdgeSettings, Forwarder, Link, Messages, NativeMessages
from brain.edge.forwarder import segment_bytes
from brain.embedded_broker import EmbeddedBroker
from brain.installation import install
from brain.product import Product
from brain.rundir import RunDirectory
from brain.settings import Settings
from collectors import Memory
from historian import Database, add_gateway, ensure_tenant
from ingest import Record, Spool, lane_directory
from plant import Batch, MachineSpec, to_microseconds
from simulators import PlantPlan, PlantSimulation, simulate_history, simulate_plan

_SEED = 72
_JITTER_MS = 40
_MAX_BYTES = 4 << 30
_PATIENCE_S = 300.0
# What MQTT puts around a payload: first byte, length, topic's length, identifier, no properties (MQTT 5, 3.3).
_AROUND = 9
_MODES = ("batch", "native")


@dataclass(frozen=True, slots=True)
class EdgeOrder:
    """machines: simulated motors; simulated_s: how long a stretch of their readings is forwarded, one a second and
    signal; live_s: how long `brain edge` is watched as they send live."""

    machines: int
    simulated_s: int
    live_s: float


async def bench_edge(settings: Settings, order: EdgeOrder, say: Callable[[str], None]) -> dict[str, Any]:
    """The same readings in both formats; then a live gateway."""
    now = datetime.now(UTC)
    plan = simulate_plan(order.machines, _SEED, now, timedelta(hours=1))
    live = [
        MachineSpec(SITE, "line-1", machine_code(number), machine_code(number), "motor")
        for number in range(order.machines)
    ]
    with tempfile.TemporaryDirectory(prefix="brain-bench-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # noqa: ASYNC240
        catalogue = Catalogue.load(folder / "signals.json", plan.specs)
        batches = list(_simulated(plan, catalogue, order.simulated_s))
        readings = sum(len(batch) for batch in batches)
        say(f"{order.machines} motors, {readings:,} readings: bytes on the wire ...")
        result: dict[str, Any] = {"machines": order.machines, "readings": readings}
        site = plan.specs[0].site
        for mode in _MODES:
            result[f"{mode}_bytes_live"], result[f"{mode}_bytes_catching_up"] = _weigh(
                _messages(mode, catalogue, site, "gw-0123456789ab", folder), batches
            )
        say("bytes in the spool ...")
        result |= await weigh_spool(folder / "weighed", batches)
        cloud = settings.model_copy(update={"data_dir": folder / "cloud"})
        async with Product.open(cloud) as product:
            await install(cloud, product.database_url, [*plan.specs, *live])
            async with Database.open(product.database_url) as database, database.connection() as connection:
                tenant = await ensure_tenant(connection, cloud.tenant, cloud.tenant)
                simulated = await add_gateway(connection, tenant, site)
                live_gateway = await add_gateway(connection, tenant, SITE)
            source = {"name": "cloud", "url": product.mqtt_url, "client_id": "cloud"}
            await product.start("collect", environment={"BRAIN_MQTT": json.dumps([source])})
            await collecting(product, 1)
            for mode in _MODES:
                say(f"catching up, {mode} ...")
                messages = _messages(mode, catalogue, site, simulated.key, folder)
                link = Link(product.mqtt_url, simulated.key, site)
                result[f"{mode}_per_s"] = await _catch_up(product, folder / mode, link, messages, batches)
            result["ratio"] = round(result["batch_per_s"] / result["native_per_s"], 2)
            say("without a link ...")
            result["resident_packing_mb"] = await watch_packing(
                product, folder / "away", folder / "signals.json", plan.specs, batches
            )
            say(f"live for {order.live_s:.0f} s ...")
            result["resident_mb"], result["live_forwarded"] = await _watch(product, folder, live_gateway.key, order)
    return result


def _simulated(plan: PlantPlan, catalogue: Catalogue, seconds: int) -> Iterator[Batch]:
    """One batch a second, in the numbers of a gateway; a device reads all its signals at one moment."""
    end = to_microseconds(plan.now)
    start = end - seconds * 1_000_000
    simulation = PlantSimulation(plan)
    simulation.skip(start)
    random = np.random.default_rng(_SEED)
    for block in simulate_history(simulation, catalogue.directory, start, end, 1):
        for moment in np.unique(block.times):
            batch = block.select(block.times == moment)
            machines = len(plan.specs)
            jitter = np.resize(random.integers(0, _JITTER_MS, machines) * 1000, len(batch))
            yield Batch(batch.times + jitter, batch.signal_ids, batch.values, batch.qualities)


def _messages(mode: str, catalogue: Catalogue, site: str, gateway: str, folder: Path) -> Messages:
    if mode == "batch":
        return BatchMessages(catalogue.names, site, gateway)
    return NativeMessages(catalogue.names, folder / "rejected.jsonl")


def _weigh(messages: Messages, batches: Sequence[Batch]) -> tuple[float, float]:
    """Bytes a reading: a message a second, and messages as full as they get while catching up."""
    per_message = EdgeSettings().batch_readings
    together = max(1, per_message // len(batches[0]))
    found = []
    for step in (1, together):
        size = 0
        for first in range(0, len(batches), step):
            records = [Record(batch, (), 0, 0) for batch in batches[first : first + step]]
            size += sum(len(m.payload) + len(m.topic.encode()) + _AROUND for m in messages.of(records))
        found.append(round(size / sum(map(len, batches)), 2))
    return found[0], found[1]


async def _catch_up(product: Product, folder: Path, link: Link, messages: Messages, batches: Sequence[Batch]) -> int:
    """Readings a second from a spool on disk until the cloud's collector has all of them on its own."""
    async with Spool.open(folder, "edge", segment_bytes=segment_bytes(_MAX_BYTES), max_bytes=_MAX_BYTES) as spool:
        for batch in batches:
            await spool.put(batch)
    lane = lane_directory(folder, "edge")
    forwarder = Forwarder(lane, link, messages, Memory(folder, "link", "bench"), EdgeSettings(), _MAX_BYTES)
    before, readings = _collected(product), sum(map(len, batches))
    began = time.monotonic()
    running = asyncio.create_task(forwarder.run())
    try:
        async with asyncio.timeout(_PATIENCE_S):
            # The collector writes down how far it is once a second; the broker's last acknowledgement is closer.
            while forwarder.status().forwarded < readings:
                await asyncio.sleep(0.01)
            ended = time.monotonic()
            while _collected(product) - before < readings:
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return round(readings / (ended - began))


def _collected(product: Product) -> int:
    sources = product.run_directory.read("collect").get("sources", [])
    return sum(int(source["readings"]) for source in sources)


async def _watch(product: Product, folder: Path, gateway: str, order: EdgeOrder) -> tuple[float, int]:
    """Most resident memory of `brain edge` [MB], and how many readings it forwarded meanwhile."""
    plant = EmbeddedBroker(folder / "plant")
    plant.start()
    directory = folder / "gateway"
    machines = [{"site": SITE, "line": "line-1", "machine": machine_code(number)} for number in range(order.machines)]
    environment = {
        "BRAIN_DATA_DIR": str(directory),
        "BRAIN_MQTT": json.dumps([{"name": "plant", "url": plant.url, "client_id": "edge"}]),
        "BRAIN_MACHINES": json.dumps(machines),
        "BRAIN_EDGE": json.dumps({"url": product.mqtt_url, "gateway": gateway}),
    }
    load = None
    most = 0.0
    try:
        await product.start("edge", environment=environment)
        status: dict[str, Any] = {}
        async with asyncio.timeout(_PATIENCE_S):
            while not status.get("connected"):
                await asyncio.sleep(0.2)
                status = RunDirectory(directory).read("edge").get("link", {})
        load = Load(plant.url, order.machines, "message", order.machines * 10.0, "live")
        load.allow(1 << 50)
        until = time.monotonic() + order.live_s
        while time.monotonic() < until:
            pid = product.supervisor.pid("edge")
            most = max(most, psutil.Process(pid).memory_info().rss / 1e6 if pid else 0.0)
            await asyncio.sleep(0.5)
        status = RunDirectory(directory).read("edge")["link"]
        return round(most, 1), int(status["forwarded"])
    finally:
        if load is not None:
            load.kill()
        await product.supervisor.stop("edge")
        plant.stop()
