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
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
from rich.console import Console
from rich.table import Table

from brain.bench.flow import Load, Stream, run_stream
from brain.bench.meter import Meter
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
    """How a contestant did.

    cpu_s_per_million: of load generator, broker, contestant and database, measured alike for all
    lost: sent and acknowledged, but not in the table after everything has settled
    """

    name: str
    committed_per_s: int
    cpu_s_per_million: float
    sent: int
    stored: int
    lost: int
    durability: str


@dataclass(frozen=True, slots=True)
class Started:
    """A peer that has subscribed: its process, and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path


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
    skipped: dict[str, str] = {}
    # Ended from outside, it still ends what it started and removes its files.
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with tempfile.TemporaryDirectory(prefix="brain-peers-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        async with BenchServer.open(settings, directory, given.machines) as server:
            console.print("ours ...")
            results.append(await ours(settings, server, directory, given))
            console.print("script ...")
            results.append(await peer("script", "script", server, directory, given))
            missing = await asyncio.to_thread(installed, given.cache, console)
            for mode in ("unnest", "copy"):
                if missing:
                    skipped[f"node_red_{mode}"] = missing
                    continue
                console.print(f"Node-RED, {mode} ...")
                results.append(await peer(f"node_red_{mode}", mode, server, directory, given))
    show(console, results, skipped)
    if given.json:
        first, *others = results
        best = max(others, key=lambda result: result.committed_per_s)
        summary = {
            **{result.name: asdict(result) for result in results},
            **{name: {"skipped": why} for name, why in skipped.items()},
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
            flow.lost,
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
                    script(broker_url, url, directory)
                    if mode == "script"
                    else node_red(mode, broker_url, url, directory, given)
                )
                async with starting as started:
                    load = Load(broker_url, given.machines, "message", 0.0, "load")
                    # The same trees as those of `ours`: what else this machine does is nobody's cost.
                    meter = Meter(
                        {
                            "load": lambda: load.pid,
                            "broker": lambda: broker.pid,
                            name: lambda: started.process.pid,
                            "database": lambda: server.pid,
                        }
                    )
                    return await measured(name, connection, load, meter, started, given)
            finally:
                await connection.close()
    finally:
        await asyncio.to_thread(broker.stop)


async def measured(
    name: str, connection: asyncpg.Connection, load: Load, meter: Meter, started: Started, given: argparse.Namespace
) -> Result:
    """Load it as it can bear, and count."""
    try:
        marks: list[tuple[float, int, float]] = []
        seen = 0
        began = time.monotonic()
        while (now := time.monotonic()) < began + _WARM_UP_S + given.seconds:
            done = await connection.fetchval(INSERTED)
            load.allow(done + _WINDOW)
            # Rates are taken between changes that the statistics showed, they come about once a second.
            if now > began + _WARM_UP_S and done != seen:
                marks.append((now, done, sum(meter.cpu_s().values())))
            seen = done
            await asyncio.sleep(0.1)
        sent = await asyncio.to_thread(load.finish)
    finally:
        load.kill()
    if len(marks) < 2:
        raise RuntimeError(f"{name} wrote nothing in {given.seconds:g} s; its log ends with:\n{ending(started.log)}")
    stored, changed_at = -1, time.monotonic()
    while time.monotonic() < changed_at + 5 and stored < sent and time.monotonic() < began + given.seconds + _DRAIN_S:
        count = await connection.fetchval("select count(*) from reading", timeout=600)
        if count != stored:
            stored, changed_at = count, time.monotonic()
        await asyncio.sleep(0.5)
    if started.process.poll() is not None:
        raise RuntimeError(f"{name} ended while it was measured; its log ends with:\n{ending(started.log)}")
    (first_at, first, cpu_before), (last_at, last, cpu_after) = marks[0], marks[-1]
    rows = max(1, last - first)
    durability = "acknowledged on receipt: what is in memory at a crash, or when a batch fails, is lost"
    if failed := started.log.read_text(errors="replace").count("batch lost"):
        durability += f" ({failed} batches failed here)"
    return Result(
        name,
        round(rows / (last_at - first_at)),
        round((cpu_after - cpu_before) / rows * 1e6, 2),
        sent,
        stored,
        max(0, sent - stored),
        durability,
    )


@asynccontextmanager
async def script(broker_url: str, database_url: str, directory: Path) -> AsyncIterator[Started]:
    """The script, once it has subscribed."""
    command = [sys.executable, str(HERE / "script_peer.py"), broker_url, database_url]
    with running(command, {}, directory / "script.log") as started:
        await said(started, "ready")
        yield started


@asynccontextmanager
async def node_red(
    mode: str, broker_url: str, database_url: str, directory: Path, given: argparse.Namespace
) -> AsyncIterator[Started]:
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
    with running(command, environment, home / "output.log") as started:
        await said(started, "writer ready")
        await said(started, "Connected to broker")
        await asyncio.sleep(1.0)  # its subscription follows
        yield started


def installed(cache: Path, console: Console) -> str:
    """Install Node-RED where it is missing; empty, or why it cannot be had."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"{program} is not installed"
    wanted = [f"{name}@{version}" for name, version in NPM.items()]
    stamp = cache / "installed.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == NPM:
        return ""
    cache.mkdir(parents=True, exist_ok=True)
    console.print("installing Node-RED ...")
    command = ["npm", "install", "--prefix", str(cache), "--no-audit", "--no-fund", "--loglevel=error", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"npm says {done.stderr.strip()[-300:]}"
    stamp.write_text(json.dumps(NPM))
    return ""


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[Started]:
    """A process that is ended afterwards; it writes into a file, since a full pipe would hold it up."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield Started(process, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def said(started: Started, words: str) -> None:
    """Wait until a process has said something."""
    deadline = time.monotonic() + _READY_S
    while words not in started.log.read_text(errors="replace"):
        if started.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"it did not say {words!r}; its log ends with:\n{ending(started.log)}")
        await asyncio.sleep(0.1)


def ending(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-2000:]


def show(console: Console, results: list[Result], skipped: dict[str, str]) -> None:
    """One table."""
    table = Table("contestant", "readings/s", "ours is", "CPU s per million", "sent", "stored", "lost", "durability")
    for result in results:
        table.add_row(
            result.name,
            f"{result.committed_per_s:,}",
            f"{results[0].committed_per_s / result.committed_per_s:.1f} x",
            f"{result.cpu_s_per_million:.2f}",
            f"{result.sent:,}",
            f"{result.stored:,}",
            f"{result.lost:,}",
            result.durability,
        )
    for name, why in skipped.items():
        table.add_row(name, *[""] * 6, f"skipped: {why}")
    console.print(table)


if __name__ == "__main__":
    asyncio.run(main())
