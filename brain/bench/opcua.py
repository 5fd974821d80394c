"""OPC UA in `brain bench ingest`: one collector, several servers that change their values."""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass

from brain.bench.flow import collecting, meter_of
from brain.embedded_broker import free_port
from brain.product import Product
from brain.settings import Settings
from historian import Database, load_positions

_READY_S = 60.0
_DRAIN_S = 60.0
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class OpcUaFlow:
    """How it went; value changes a second over the measured time, all servers together."""

    servers: int
    changes_per_s: int
    committed_per_s: int
    sent: int
    stored: int
    lost: int
    cpu_s_per_million: dict[str, float]
    peak_mb: dict[str, float]


class Server:
    """A server's process."""

    def __init__(self, first: int, machines: int, rate: float) -> None:
        self.url = f"opc.tcp://127.0.0.1:{free_port()}/bench"
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "brain.bench.opcua_load", "--url", self.url),
                *("--first", str(first), "--machines", str(machines), "--rate", str(rate)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> None:
        """Wait until it serves."""
        if self._line() != "ready\n":
            raise RuntimeError("a server of the benchmark did not start")

    def tell(self) -> None:
        """Begin, then stop changing values."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def changes(self) -> int:
        """How many there were, once it was told to stop."""
        count: int = json.loads(self._line())["changes"]
        return count

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


async def run_opcua(
    settings: Settings, postgres_pid: int | None, *, seconds: float, rate: float, servers: int, machines: int
) -> OpcUaFlow:
    """``rate`` value changes a second from so many servers with so many machines each, into one collector."""
    running = [Server(number * machines, machines, rate / servers) for number in range(servers)]
    try:
        async with Product.open(settings) as product:
            for server in running:
                async with asyncio.timeout(_READY_S):
                    await asyncio.to_thread(server.ready)
            sources = [
                {"name": f"bench-{number}", "url": server.url, "history": False}
                for number, server in enumerate(running)
            ]
            await product.start("ingest")
            await product.start("collect", environment={"BRAIN_OPCUA": json.dumps(sources)})
            await collecting(product, 1)
            async with Database.open(product.database_url, max_size=1) as database, database.connection() as connection:

                async def committed() -> int:
                    return sum(entry.committed_readings for entry in (await load_positions(connection)).values())

                for server in running:
                    server.tell()
                await asyncio.sleep(2.0)
                meter = meter_of(product, None, postgres_pid)
                meter.begin()
                before = await committed()
                deadline = time.monotonic() + seconds
                while time.monotonic() < deadline:
                    meter.sample()
                    await asyncio.sleep(1.0)
                done, elapsed, cpu = await committed() - before, meter.elapsed_s(), meter.cpu_s()
                for server in running:
                    server.tell()
                changes = [await asyncio.to_thread(server.changes) for server in running]
                deadline = time.monotonic() + _DRAIN_S
                while await committed() < sum(changes) and time.monotonic() < deadline:
                    await asyncio.sleep(_POLL_S)
                stored = await connection.fetchval("select count(*) from reading", timeout=600)
    finally:
        for server in running:
            server.end()
    return OpcUaFlow(
        servers,
        round(sum(changes) / (elapsed + 2.0)),
        round(done / elapsed),
        sum(changes),
        stored,
        max(0, sum(changes) - stored),
        {name: round(used / max(done, 1) * 1e6, 2) for name, used in cpu.items()},
        {name: round(peak, 1) for name, peak in meter.peak_mb.items()},
    )
