"""Sparkplug parts for tests: edge nodes that are not ours (npm, sparkplug-client), an observer, and our collector."""

import asyncio
import base64
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from collectors import SparkplugCollector, SparkplugSource
from plant import SignalDirectory

from .conftest import SITE, RecordingSink, directory_of, until

NODE_PARTS = Path(__file__).parents[1] / "node"
DIRECTORY = directory_of(["M1", "M2"])
CURRENT, WINDING, RUNNING, CURRENT_M2 = 1, 2, 3, 4
LINE = "line-1"
STATE = "spBv1.0/STATE/brain"


class EdgeNode:
    """A process with sparkplug-client that does as it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str, births: dict[str, Any], name: str = LINE) -> AsyncIterator["EdgeNode"]:
        """Connected and born."""
        process = await asyncio.create_subprocess_exec(
            shutil.which("node") or "node",
            str(NODE_PARTS / "sparkplug_edge_node.js"),
            url,
            SITE,
            name,
            json.dumps(births),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        edge = cls(process)
        listening = asyncio.create_task(edge._listen())
        try:
            await until(lambda: edge.count("born") > 0, "the edge node to be born")
            yield edge
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await listening

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.said.append(json.loads(line))

    def count(self, said: str) -> int:
        """How often it has said so."""
        return sum(entry["said"] == said for entry in self.said)

    async def do(self, deed: str, **order: Any) -> None:
        """Have something done, and wait until it is."""
        assert self._process.stdin is not None
        before = self.count("done")
        self._process.stdin.write(json.dumps({"do": deed, **order}).encode() + b"\n")
        await self._process.stdin.drain()
        await until(lambda: self.count("done") > before, f"the edge node to do {deed}")

    async def kill(self) -> None:
        """As a power cut does."""
        os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()


class Observer:
    """A client that sees all messages of Sparkplug, as (topic, payload, was it retained)."""

    def __init__(self, url: str, client_id: str) -> None:
        self.seen: list[tuple[str, bytes, bool]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 1)
        self._client.on_message = lambda _client, _userdata, message: self.seen.append(
            (message.topic, message.payload, message.retain)
        )
        parts = urlsplit(url)
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.loop_start()

    def states(self) -> list[tuple[bool, bool]]:
        """What was said of the host, as (online, was it retained)."""
        return [(json.loads(payload)["online"], kept) for topic, payload, kept in self.seen if topic == STATE]

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def now_us() -> int:
    """The wall clock."""
    return time.time_ns() // 1000


def collector_at(
    url: str, sink: RecordingSink, directory: Callable[[], SignalDirectory] = lambda: DIRECTORY, **options: object
) -> SparkplugCollector:
    """A collector of the two machines; asks for rebirths as often as it may."""
    source = SparkplugSource.model_validate({"name": "field", "url": url, "rebirth_interval_s": 1, **options})
    return SparkplugCollector(source, directory, sink, now_us)


def metric(name: str, value: Any, time_ms: int | None = None, kind: str = "Double", **more: Any) -> dict[str, Any]:
    """A metric by its name, as sparkplug-payload wants it."""
    stamp = {} if time_ms is None else {"timestamp": time_ms}
    return {"name": name, "type": kind, "value": value, **stamp, **more}


def by_alias(alias: int, value: Any, time_ms: int, kind: str = "Double", **more: Any) -> dict[str, Any]:
    """A metric by its alias alone."""
    return {"alias": alias, "type": kind, "value": value, "timestamp": time_ms, **more}


START_MS = now_us() // 1000 - 100_000


def births(at_ms: int = START_MS) -> dict[str, Any]:
    """A node with two motors; what they are born with is of the given time."""
    return {
        "node": {"metrics": [metric("Node Control/Rebirth", value=False, kind="Boolean")]},
        "devices": {
            "M1": {
                "metrics": [
                    metric("current_u", -1.0, at_ms, alias=1),
                    metric("winding_temperature", 20, at_ms, "Int8", alias=2),
                    metric("running", True, at_ms, "Boolean", alias=3),
                ]
            },
            "M2": {"metrics": [metric("current_u", -2.0, at_ms, alias=4)]},
        },
    }


async def connected(collector: SparkplugCollector) -> None:
    """The collector has its subscriptions."""
    await until(lambda: collector.status().connected, "the collector to connect")


async def born(collector: SparkplugCollector, devices: int = 2) -> None:
    """So many devices are on line."""
    await until(lambda: collector.status().devices_online == devices, f"{devices} devices to be on line")


async def encoded(node: str, payload: dict[str, Any]) -> bytes:
    """A payload made by sparkplug-payload; ``{"long": "-5"}`` stands for what JSON cannot hold."""
    process = await asyncio.create_subprocess_exec(
        node,
        str(NODE_PARTS / "sparkplug_encode.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(payload).encode() + b"\n")
    return base64.b64decode(out)
