"""`brain bench ingest`: every part of it in turn, and what the machine and its software are."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from brain.bench.ceilings import measure_bare_receive, measure_writer
from brain.bench.flow import Flow, Stream, run_stream
from brain.bench.opcua import run_opcua
from brain.bench.site import BenchServer
from brain.settings import Settings

PARTS = {
    "fast": "as fast as it goes, ten signals a message",
    "paced": "100,000 readings a second, with analytics and API running",
    "writer": "the writer alone against raw COPY of the same rows, in turns",
    "receive": "a bare paho-mqtt loop that only receives",
    "single": "one reading a message, as fast as it goes",
    "gateway": "ten samples a message, as fast as it goes",
    "workers": "two collectors and two writers on one shared subscription, one reading a message",
    "opcua": "OPC UA: 20,000 value changes a second into one collector",
}
_PACED_PER_S = 100_000
_OPCUA_PER_S = 20_000
_OPCUA_SERVERS = 3
_OPCUA_MACHINES = 100


@dataclass(frozen=True, slots=True)
class Order:
    """What to measure, and how long each part."""

    parts: Sequence[str]
    seconds: float = 20.0
    machines: int = 10_000
    rate: float = _PACED_PER_S


async def bench_ingest(settings: Settings, order: Order, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the parts one after the other, each on a fresh database; the figures of all.

    At the top level: ``committed_per_s`` as fast as it goes, ``writer_ratio_to_copy``, ``p99_latency_s`` and
    ``cpu_s_per_million`` paced (of the fast part where paced was not asked for), ``lost`` and ``doubled`` of all.
    """
    flows: dict[str, Flow] = {}
    result: dict[str, Any] = {"machine": _machine(), "machines": order.machines, "seconds": order.seconds}
    # Beside what is configured, not in it: spool, broker and embedded database of a benchmark are thrown away.
    with tempfile.TemporaryDirectory(prefix="brain-bench-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        say(f"registering {order.machines:,} machines ...")
        async with BenchServer.open(settings, directory, order.machines) as server:
            result["versions"] = await _versions(server.url)
            for part in order.parts:
                say(f"{part}: {PARTS[part]} ...")
                async with server.database() as url:
                    here = settings.model_copy(
                        update={
                            "database_url": url,
                            "data_dir": directory / part,
                            "mqtt": [],
                            "opcua": [],
                            "workers": 1,
                        }
                    )
                    if part == "writer":
                        result["writer"] = asdict(await measure_writer(here))
                    elif part == "receive":
                        result["bare_receive_per_s"] = await measure_bare_receive(here, order.machines, order.seconds)
                    elif part == "opcua":
                        result["opcua"] = asdict(
                            await run_opcua(
                                here,
                                server.pid,
                                seconds=order.seconds,
                                rate=_OPCUA_PER_S,
                                servers=_OPCUA_SERVERS,
                                machines=min(_OPCUA_MACHINES, order.machines // _OPCUA_SERVERS),
                            )
                        )
                    else:
                        flows[part] = await run_stream(here, _stream(part, order), server.pid)
                        result[part] = asdict(flows[part])
                shutil.rmtree(directory / part, ignore_errors=True)
    return _summary(flows, result) | result


def _stream(part: str, order: Order) -> Stream:
    whole = Stream(seconds=order.seconds, machines=order.machines)
    match part:
        case "paced":
            return Stream(
                seconds=order.seconds, machines=order.machines, rate=order.rate, services=("analyze", "serve")
            )
        case "single":
            return Stream("reading", seconds=order.seconds, machines=order.machines, window=100_000)
        case "workers":
            return Stream("reading", seconds=order.seconds, machines=order.machines, window=100_000, workers=2)
        case "gateway":
            return Stream("gateway", seconds=order.seconds, machines=order.machines)
    return whole


def _summary(flows: dict[str, Flow], result: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    if "fast" in flows:
        summary["committed_per_s"] = flows["fast"].committed_per_s
    if "writer" in result:
        summary["writer_ratio_to_copy"] = result["writer"]["ratio"]
    judged = flows.get("paced") or flows.get("fast")
    if judged is not None:
        summary["p99_latency_s"] = judged.p99_latency_s
        summary["cpu_s_per_million"] = judged.cpu_s_per_million_total
    if "single" in flows and "workers" in flows:
        summary["workers_ratio"] = round(flows["workers"].committed_per_s / flows["single"].committed_per_s, 3)
    if "fast" in flows and "bare_receive_per_s" in result:
        summary["ratio_to_bare_receive"] = round(flows["fast"].committed_per_s / result["bare_receive_per_s"], 3)
    summary["lost"] = sum(flow.lost for flow in flows.values()) + result.get("opcua", {}).get("lost", 0)
    summary["doubled"] = sum(flow.doubled for flow in flows.values())
    return summary


def _machine() -> dict[str, Any]:
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cores": os.cpu_count(), "processor": model or platform.machine(), "system": platform.platform()}


async def _versions(url: str) -> dict[str, str]:
    connection = await asyncpg.connect(url, timeout=20)
    try:
        database = await connection.fetchval("show server_version")
        timescale = await connection.fetchval("select extversion from pg_extension where extname = 'timescaledb'")
    finally:
        await connection.close()
    known = {name: version(name) for name in ("industry-brain", "paho-mqtt", "asyncpg", "asyncua", "numpy")}
    broker = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if broker:
        words = subprocess.run([broker, "-h"], capture_output=True, text=True, check=False).stdout.split()  # noqa: ASYNC221
        known["broker"] = f"mosquitto {words[2]}" if len(words) > 2 else "mosquitto"
    else:
        known["broker"] = f"amqtt {version('amqtt')}"
    return {**known, "python": platform.python_version(), "postgresql": database, "timescaledb": timescale or "-"}
