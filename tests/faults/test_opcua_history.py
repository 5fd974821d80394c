"""What an OPC UA server remembers is stored whole and once, however often it and the collector are killed.

The server writes each measurement down before it publishes it: that file is its history, and the truth here.
"""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from brain.installation import install
from brain.product import Product
from brain.settings import Settings
from historian import Database
from plant import MachineSpec
from tests.conftest import timescale_chroot
from tests.integration.conftest import free_port

from .conftest import LONG, SIGNALS, SITE, Outcome

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_KILLS = 10 if LONG else 2  # of the server, and as many of the collector
_SERVERS = Path(__file__).with_name("servers")
_NODE = Path(__file__).parents[1] / "node"
_PATIENCE_S = 90.0
_FRESH_US = 1_000_000

Readings = dict[tuple[str, int], float]


class RememberingServer:
    """A server process that can be killed; it keeps port and history."""

    def __init__(self, command: list[str], file: Path, microseconds: int, log: Path) -> None:
        """``microseconds``: of one unit of time in the file."""
        self.port = free_port()
        self._command = command
        self._file = file
        self._microseconds = microseconds
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it serves."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, str(self.port), *self._history_argument(), stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                if line.strip() == b"serving":
                    return
        pytest.fail(f"the server did not start: {self._log.read_text()[-2000:]}")

    async def kill(self) -> None:
        """With SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def history(self) -> Readings:
        """Everything that was measured: (signal, time in microseconds) -> value."""
        found: Readings = {}
        for line in self._file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                name, moment, value = line.split()
                found[name, int(moment) * self._microseconds] = float(value)
        return found

    def _history_argument(self) -> list[str]:
        # Inside a chroot the same file has a shorter name.
        root = self._command[1] if self._command[0] == "chroot" else ""
        return [str(self._file).removeprefix(root)]


def _simulator(folder: Path) -> RememberingServer:
    command = [sys.executable, str(_SERVERS / "simulator.py")]
    return RememberingServer(command, folder / "history", 1, folder / "server.log")


def _node_opcua(folder: Path) -> RememberingServer:
    if shutil.which("node") is None or not (_NODE / "node_modules" / "node-opcua-server").is_dir():
        pytest.skip("node-opcua is not installed: tests/node_parts.sh")
    command = [shutil.which("node") or "", str(_NODE / "opcua_server.js")]
    return RememberingServer(command, folder / "history", 1000, folder / "server.log")


def _open62541(folder: Path) -> RememberingServer:
    chroot = timescale_chroot()
    made = subprocess.run(
        ["sh", str(_SERVERS.parents[1] / "open62541_chroot.sh"), str(chroot), str(_SERVERS / "open62541.c")],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"open62541 could not be installed: {made.stderr[-300:]} see {chroot / 'open62541.log'}")
    root = chroot / "root"
    file = root / "srv" / "history" / uuid4().hex
    return RememberingServer(["chroot", str(root), made.stdout.strip()], file, 1, folder / "server.log")


@asynccontextmanager
async def _collecting(folder: Path, server: RememberingServer) -> AsyncIterator[tuple[Product, Database]]:
    settings = Settings(data_dir=folder / "installation", log_level="warning")
    source = {
        "name": "press-shop",
        "url": f"opc.tcp://127.0.0.1:{server.port}/plant",
        "publishing_interval_ms": 100,
        "timeout_s": 3,
    }
    async with Product.open(settings) as product:
        await install(settings, product.database_url, [MachineSpec(SITE, "line-1", "m00", "m00", "motor")])
        await product.start("ingest")
        await product.start("collect", environment={"BRAIN_OPCUA": json.dumps([source])})
        async with Database.open(product.database_url, max_size=2) as database:
            yield product, database


@pytest.mark.parametrize("kind", [_simulator, _node_opcua, _open62541])
async def test_all_that_the_server_remembers_is_stored_once(
    kind: Callable[[Path], RememberingServer], tmp_path: Path, outcomes: list[Outcome]
) -> None:
    server = kind(tmp_path)
    chance = random.Random(time.time_ns())
    await server.start()
    try:
        async with _collecting(tmp_path, server) as (product, database):
            await _fresh(database)
            waits = []
            for what in chance.sample(["server", "collector"] * _KILLS, 2 * _KILLS):
                await asyncio.sleep(chance.uniform(0.2, 2.5))
                if what == "server":
                    await server.kill()
                    await asyncio.sleep(chance.uniform(0.0, 2.0))
                    await server.start()
                else:
                    pid = product.supervisor.pid("collect")
                    if pid is not None:
                        os.kill(pid, signal.SIGKILL)
                if chance.random() < 0.5:  # else it is hurt again while it still recovers
                    waits.append(await _fresh(database))
            await _fresh(database)
            truth = server.history()
            stored, doubled = await _stored_when_complete(database, truth)
            quarantined = await _count(database, "select count(*) from quarantine")
    finally:
        await server.kill()
    missing = truth.keys() - stored.keys()
    wrong = sum(stored[key] != value for key, value in truth.items() if key in stored)
    outcomes.append(
        Outcome(
            f"kill -9 of {kind.__name__.strip('_')} and collector, {_KILLS} times each",
            len(truth), len(truth) - len(missing), doubled, quarantined, wrong, max(waits, default=0.0),
        )
    )  # fmt: skip
    assert not missing, f"{len(missing)} of {len(truth)} are missing, such as {sorted(missing)[:3]}"
    assert (doubled, wrong, quarantined) == (0, 0, 0)


async def _fresh(database: Database) -> float:
    """Wait until the current value is in the database; how long that took [s]."""
    began = time.monotonic()
    while time.monotonic() - began < _PATIENCE_S:
        newest = await _count(database, "select coalesce(max(extract(epoch from time) * 1e6)::bigint, 0) from reading")
        if newest > time.time_ns() // 1000 - _FRESH_US:
            return round(time.monotonic() - began, 1)
        await asyncio.sleep(0.05)
    pytest.fail("no current value came")


async def _stored_when_complete(database: Database, truth: Readings) -> tuple[Readings, int]:
    """What is stored as far as the truth reaches, once it is complete or nothing comes any more."""
    until = max(moment for _, moment in truth)
    began, stored, doubled = time.monotonic(), Readings(), 0
    while time.monotonic() - began < _PATIENCE_S:
        async with database.connection() as connection:
            rows = await connection.fetch(_STORED)
        stored = {(row["signal"], row["moment"]): row["value"] for row in rows if row["moment"] <= until}
        doubled = len(rows) - len({(row["signal"], row["moment"]) for row in rows})
        if truth.keys() <= stored.keys():
            break
        await asyncio.sleep(0.5)
    return stored, doubled


async def _count(database: Database, query: str) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval(query))


_STORED = """
select signal.key as signal, round(extract(epoch from time) * 1000000)::bigint as moment, value
from reading join signal on signal.id = reading.signal_id
where signal.key = any(array['current_u', 'voltage_uv', 'winding_temperature', 'power'])
"""
assert set(SIGNALS) == {"current_u", "voltage_uv", "winding_temperature", "power"}
