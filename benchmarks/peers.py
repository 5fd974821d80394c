"""Side by side in one run: this product, a paho-mqtt + executemany script, and Node-RED in two variants.

    python benchmarks/peers.py [--seconds 20] [--machines 2000] [--json]

Same broker with the same configuration, same load, same table with the same unique index, one after the other on
a fresh database each. Node-RED and its PostgreSQL modules are installed from npm into a cache folder.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
from rich.console import Console
from rich.table import Table

from brain.bench.flow import Load, Stream, run_stream
from brain.bench.site import BenchServer
from brain.embedded_broker import EmbeddedBroker, free_port
from brain.settings import Settings, load_settings
from historian import prepare_ahead

HERE = Path(__file__).parent
NPM = {"node-red": "4.1.15", "pg": "8.23.1", "pg-copy-streams": "7.0.0"}
FLOWS = [
    {"id": "tab", "type": "tab", "label": "ingest"},
    {
        "id": "in",
        "type": "mqtt in",
        "z": "tab",
        "topic": "ib/v1/+/+/readings",
        "qos": "1",
        "datatype": "json",
        "broker": "broker",
        "wires": [["write"]],
    },
    {
        "id": "write",
        "type": "function",
        "z": "tab",
        "func": "global.get('writer').add(msg.topic, msg.payload); return null;",
        "outputs": 0,
        "wires": [],
    },
]
_WARM_UP_S = 4.0
_DRAIN_S = 120.0
_READY_S = 60.0
# Statistics of the peers' inserts are a second old: the window must outlast it.
_WINDOW = 600_000
INSERTED = "select coalesce(sum(n_tup_ins), 0)::bigint from pg_stat_user_tables where relname like 'reading_p%'"


@dataclass(frozen=True, slots=True)
class Result:
    """How a contestant did; CPU of the whole machine, load generator and broker included."""

    name: str
    committed_per_s: int
    cpu_s_per_million: float
    sent: int
    stored: int
    durability: str


async def main() -> None:
    """Run them all and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--machines", type=int, default=2000)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "industry-brain-peers")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    console = Console(width=140)
    settings = load_settings()
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="brain-peers-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        async with BenchServer.open(settings, directory, given.machines) as server:
            console.print("ours ...")
            results.append(await ours(settings, server, directory, given))
            console.print("script ...")
            results.append(await peer("script", "script", server, directory, given))
            modules = installed(given.cache, console)
            for mode in ("unnest", "copy") if modules else ():
                console.print(f"Node-RED, {mode} ...")
                results.append(await peer(f"node_red_{mode}", mode, server, directory, given))
    show(console, results)
    if given.json:
        first, *others = results
        best = max(others, key=lambda result: result.committed_per_s)
        summary = {
            **{result.name: asdict(result) for result in results},
            "best_peer": best.name,
            "ratio_to_best_peer": round(first.committed_per_s / best.committed_per_s, 2),
            "ratio_to_script": round(first.committed_per_s / results[1].committed_per_s, 2),
        }
        sys.stdout.write(json.dumps(summary) + "\n")


async def ours(settings: Settings, server: BenchServer, directory: Path, given: argparse.Namespace) -> Result:
    """The product's own processes."""
    async with server.database() as url:
        here = settings.model_copy(
            update={"database_url": url, "data_dir": directory / "ours", "mqtt": [], "opcua": []}
        )
        stream = Stream(seconds=given.seconds, machines=given.machines, warm_up_s=_WARM_UP_S, window=_WINDOW)
        flow = await run_stream(here, stream, server.pid)
        return Result(
            "ours",
            flow.committed_per_s,
            flow.cpu_s_per_million_total,
            flow.sent,
            flow.stored,
            "acknowledged to the broker when on disk; each reading in the table once",
        )


async def peer(name: str, mode: str, server: BenchServer, directory: Path, given: argparse.Namespace) -> Result:
    """A peer on a broker and database of its own."""
    broker = EmbeddedBroker(directory / name / "broker")
    broker_url = await asyncio.to_thread(broker.start)
    try:
        async with server.database() as url:
            connection = await asyncpg.connect(url)
            try:
                await prepare_ahead(connection)
                starting = (
                    script(broker_url, url) if mode == "script" else node_red(mode, broker_url, url, directory, given)
                )
                async with starting:
                    return await measured(name, connection, broker_url, given)
            finally:
                await connection.close()
    finally:
        await asyncio.to_thread(broker.stop)


async def measured(name: str, connection: asyncpg.Connection, broker_url: str, given: argparse.Namespace) -> Result:
    """Load it as it can bear, and count."""
    load = Load(broker_url, given.machines, "message", 0.0, "load")
    try:
        marks: list[tuple[float, int, float]] = []
        began = time.monotonic()
        while (now := time.monotonic()) < began + _WARM_UP_S + given.seconds:
            done = await connection.fetchval(INSERTED)
            load.allow(done + _WINDOW)
            if now > began + _WARM_UP_S:
                marks.append((now, done, machine_cpu_s()))
            await asyncio.sleep(0.1)
        sent = await asyncio.to_thread(load.finish)
    finally:
        load.kill()
    stored, changed_at = -1, time.monotonic()
    while time.monotonic() < changed_at + 5 and stored < sent and time.monotonic() < began + given.seconds + _DRAIN_S:
        count = await connection.fetchval("select count(*) from reading", timeout=600)
        if count != stored:
            stored, changed_at = count, time.monotonic()
        await asyncio.sleep(0.5)
    # Between the first and the last change that the statistics showed.
    steps = [mark for before, mark in pairwise(marks) if mark[1] != before[1]] or marks
    (first_at, first, cpu_before), (last_at, last, cpu_after) = steps[0], steps[-1]
    rows = max(1, last - first)
    return Result(
        name,
        round(rows / max(last_at - first_at, 0.1)),
        round((cpu_after - cpu_before) / rows * 1e6, 2),
        sent,
        stored,
        "acknowledged on receipt: what is in memory at a crash, or when a batch fails, is lost",
    )


@asynccontextmanager
async def script(broker_url: str, database_url: str) -> AsyncIterator[None]:
    """The script, once it has subscribed."""
    with running([sys.executable, str(HERE / "script_peer.py"), broker_url, database_url], {}) as process:
        await said(process, "ready")
        yield


@asynccontextmanager
async def node_red(
    mode: str, broker_url: str, database_url: str, directory: Path, given: argparse.Namespace
) -> AsyncIterator[None]:
    """Node-RED without editor, once it is connected."""
    home = directory / f"node-red-{mode}"
    home.mkdir(exist_ok=True)
    broker = urlsplit(broker_url)
    database = urlsplit(database_url)
    node = {"id": "broker", "type": "mqtt-broker", "broker": broker.hostname, "port": str(broker.port)}
    flows = [*FLOWS, {**node, "clientid": "node-red", "protocolVersion": "4", "cleansession": True, "keepalive": "60"}]
    (home / "flows.json").write_text(json.dumps(flows))
    shutil.copy(HERE / "node_red_writer.js", home / "writer.js")
    (home / "settings.js").write_text(
        f"""module.exports = {{ uiHost: "127.0.0.1", uiPort: {free_port()}, flowFile: "flows.json",
            httpAdminRoot: false, httpNodeRoot: false, functionGlobalContext: {{ writer: require("./writer.js") }},
            logging: {{ console: {{ level: "info" }} }} }};"""
    )
    environment = {
        "NODE_PATH": str(given.cache / "node_modules"),
        "PEER_MODE": mode,
        "PEER_HOST": parse_qs(database.query).get("host", [database.hostname or ""])[0],
        "PEER_DATABASE": database.path.lstrip("/"),
    }
    command = [str(given.cache / "node_modules" / ".bin" / "node-red"), "--userDir", str(home)]
    with running(command, environment) as process:
        await said(process, "Connected to broker")
        await asyncio.sleep(1.0)  # its subscription follows
        yield


def installed(cache: Path, console: Console) -> bool:
    """Whether Node-RED is there, installed where it is missing; else it is skipped by name."""
    if not shutil.which("npm"):
        console.print("Node-RED is skipped: npm is not installed")
        return False
    wanted = [f"{name}@{version}" for name, version in NPM.items()]
    stamp = cache / "installed.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == NPM:
        return True
    cache.mkdir(parents=True, exist_ok=True)
    console.print("installing Node-RED ...")
    command = ["npm", "install", "--prefix", str(cache), "--no-audit", "--no-fund", "--loglevel=error", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        console.print(f"Node-RED is skipped: npm says {done.stderr.strip()[-300:]}")
        return False
    stamp.write_text(json.dumps(NPM))
    return True


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended afterwards."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def said(process: subprocess.Popen[str], words: str) -> None:
    """Wait until a process has said something."""
    heard: list[str] = []

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            heard.append(line)
            if words in line:
                return
        raise RuntimeError(f"it ended without saying {words!r}:\n{''.join(heard)[-2000:]}")

    async with asyncio.timeout(_READY_S):
        await asyncio.to_thread(listen)


def machine_cpu_s() -> float:
    """CPU seconds used by everything on this machine since it started."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq)


def show(console: Console, results: list[Result]) -> None:
    """One table."""
    table = Table("contestant", "readings/s", "ours is", "CPU s per million", "sent", "stored", "durability")
    for result in results:
        table.add_row(
            result.name,
            f"{result.committed_per_s:,}",
            f"{results[0].committed_per_s / result.committed_per_s:.1f} x",
            f"{result.cpu_s_per_million:.2f}",
            f"{result.sent:,}",
            f"{result.stored:,}",
            result.durability,
        )
    console.print(table)


if __name__ == "__main__":
    asyncio.run(main())
