"""Real brokers and OPC UA servers for the collectors, and a sink that remembers what it was given."""

import asyncio
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson
import pytest
import pytest_asyncio
from asyncua import Server, ua
from asyncua.server.history import HistoryDict
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from brain.embedded_broker import EmbeddedBroker
from plant import Batch, MachineEntry, Rejected, SignalDirectory, to_datetime
from tests.cable import Cable

__all__ = ["Cable"]

SITE = "works"
SIGNALS = ("current_u", "winding_temperature", "running")


def directory_of(machines: Sequence[str], last_times: dict[str, dict[str, int]] | None = None) -> SignalDirectory:
    """Machines of line-1 in SITE with SIGNALS; ids count up from 1 in order."""
    return SignalDirectory(
        MachineEntry(
            SITE,
            "line-1",
            machine,
            "motor",
            {signal: number * len(SIGNALS) + index + 1 for index, signal in enumerate(SIGNALS)},
            (last_times or {}).get(machine, {}),
        )
        for number, machine in enumerate(machines)
    )


class RecordingSink:
    """Keeps rows as (signal id, time, value, quality); can be held shut, or refuse for a while."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, float, int]] = []
        self.rejected: list[Rejected] = []
        self.open = asyncio.Event()
        self.open.set()
        self.offered = 0
        self.refusals = 0

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """See :meth:`plant.Sink.put`."""
        self.offered += len(batch)
        await self.open.wait()
        if self.refusals:
            self.refusals -= 1
            raise OSError("no space left on device")
        self.rows += zip(
            batch.signal_ids.tolist(),
            batch.times.tolist(),
            batch.values.tolist(),
            batch.qualities.tolist(),
            strict=True,
        )
        self.rejected += rejected

    def values(self, signal_id: int) -> list[float]:
        """Values of one signal in order of time, repeats left out: what the historian would hold."""
        return [
            value for _, value in sorted({time: value for id_, time, value, _ in self.rows if id_ == signal_id}.items())
        ]

    def reasons(self) -> list[str]:
        """Why things were rejected, sorted."""
        return sorted(entry.reason for entry in self.rejected)


@pytest.fixture
def sink() -> RecordingSink:
    """An empty sink."""
    return RecordingSink()


async def until(condition: Callable[[], bool], what: str, patience_s: float = 20.0) -> None:
    """Wait until the condition holds; fails saying what did not happen."""
    try:
        async with asyncio.timeout(patience_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"within {patience_s:.0f} s: {what}")


class Runs(Protocol):
    """Anything with a run method that ends when cancelled."""

    async def run(self) -> None:
        """Run."""


@asynccontextmanager
async def running(part: Runs) -> AsyncIterator[None]:
    """Run in the background; an error in it fails the test, and cancelling must work within seconds."""
    task = asyncio.create_task(part.run())
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(15):
                await task


# ---------------------------------------------------------------------- brokers


@pytest.fixture(params=["mosquitto", "amqtt"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A running broker of each kind, on a data directory of its own."""
    yield from _started(EmbeddedBroker(tmp_path / "the broker", prefer=request.param), request.param)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A running mosquitto, for what amqtt does not promise."""
    yield from _started(EmbeddedBroker(tmp_path / "the broker"), "mosquitto")


def _started(broker: EmbeddedBroker, kind: str) -> Iterator[EmbeddedBroker]:
    if broker.kind != kind:
        pytest.skip(f"{kind} is not installed")
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Device:
    """Publishes as a device does; :meth:`send` returns when the broker has acknowledged."""

    def __init__(self, url: str, client_id: str = "a-device") -> None:
        self._acknowledged: set[int] = set()
        self._connected = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.on_connect = lambda *_: self._connected.set()
        parts = urlsplit(url)
        self._client.connect(parts.hostname or "", parts.port or 1883)
        self._client.loop_start()
        assert self._connected.wait(10), "the broker does not take a device"

    async def send(self, *payloads: bytes, machine: str = "M1", **options: Any) -> None:
        """Publish payloads of a machine in order, with QoS 1 unless told otherwise."""
        await self.publish(f"ib/v1/{SITE}/{machine}/readings", *payloads, **options)

    async def publish(self, topic: str, *payloads: bytes, qos: int = 1, retain: bool = False) -> None:
        """Publish on any topic."""
        sent = [self._client.publish(topic, payload, qos=qos, retain=retain) for payload in payloads]
        for message in sent:
            await asyncio.to_thread(message.wait_for_publish, 20)
            assert message.is_published(), "the broker did not acknowledge"

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device at the test's broker."""
    name = "broker" if "broker" in request.fixturenames else "mosquitto"
    connected = Device(request.getfixturevalue(name).url)
    yield connected
    connected.close()


def message(time_ms: int, **values: float | bool | None) -> bytes:
    """A native payload."""
    return orjson.dumps({"time": time_ms, "values": values})


NOW_US = time.time_ns() // 1000
NOW_MS = NOW_US // 1000


# ---------------------------------------------------------------------- Sparkplug


@pytest.fixture
def node() -> str:
    """The path of node, with sparkplug-client installed; without them there is no edge node to test with."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed: no edge nodes that are not ours")
    if not (Path(__file__).parents[1] / "node" / "node_modules" / "sparkplug-client").is_dir():
        pytest.skip("sparkplug-client is not installed in tests/node: run `make system-packages`")
    return path


# ---------------------------------------------------------------------- OPC UA

NAMESPACE = "urn:test:plant"
_INITIAL: dict[str, Any] = {"running": False, "text": "", "list": [0.0]}


class OpcUaPlant:
    """A server with folders site/line/machine/signal that can be stopped, and remembers what it measured."""

    def __init__(self, port: int) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/plant"
        self.keeps_history = True
        self.other_namespaces: Sequence[str] = ()
        self._index = 0
        self._machines: dict[str, tuple[str, ...]] = {}
        self._history = HistoryDict(max_history_data_response_size=100)
        self._server: Server | None = None

    async def start(self, **machines: Sequence[str]) -> None:
        """Serve these machines with these variables (those of the last start by default)."""
        self._machines = {name: tuple(signals) for name, signals in machines.items()} or self._machines
        server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.iserver.history_manager.set_storage(self._history)
        for other in self.other_namespaces:
            await server.register_namespace(other)
        self._index = index = await server.register_namespace(NAMESPACE)
        line = await (await server.nodes.objects.add_folder(index, SITE)).add_folder(index, "line-1")
        for machine, signals in self._machines.items():
            folder = await line.add_folder(index, machine)
            for signal in signals:
                await self._add(folder, index, machine, signal)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Go away; what was measured is kept."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop()

    async def measure(
        self, time_us: int, value: Any, signal: str = "current_u", machine: str = "M1", status: int = 0
    ) -> None:
        """A value of the device: into the server's history, and its address space while it serves."""
        node_id, data = self._data(time_us, value, signal, machine, status)
        if self.keeps_history:
            await self._history.save_node_value(node_id, data)
        if self._server is not None:
            await self._server.write_attribute_value(node_id, data)

    async def remember(self, time_us: int, value: Any, signal: str = "current_u", machine: str = "M1") -> None:
        """A value that reaches the server's history alone."""
        await self._history.save_node_value(*self._data(time_us, value, signal, machine, 0))

    def _data(self, time_us: int, value: Any, signal: str, machine: str, status: int) -> tuple[Any, Any]:
        moment = to_datetime(time_us)
        variant = None if value is None else ua.Variant(value)
        data = ua.DataValue(variant, ua.StatusCode(ua.UInt32(status)), moment, moment)
        return ua.NodeId(f"{machine}.{signal}", self._index or 2), data

    async def forget_subscriptions(self) -> None:
        """The sessions stay, and answer; nothing is published any more, and nobody is told."""
        assert self._server is not None
        service = self._server.iserver.subscription_service
        await service.delete_subscriptions(list(service.subscriptions))

    async def _add(self, folder: Any, index: int, machine: str, signal: str) -> None:
        node_id = ua.NodeId(f"{machine}.{signal}", index)
        node = await folder.add_variable(node_id, ua.QualifiedName(signal, index), _INITIAL.get(signal, 0.0))
        if node_id not in self._history._datachanges:
            await self._history.new_historized_node(node_id, None)
        if self.keeps_history:
            for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
                await node.set_attr_bit(attribute, ua.AccessLevel.HistoryRead)
        await node.write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)))


@pytest_asyncio.fixture
async def plant() -> AsyncIterator[OpcUaPlant]:
    """A server on a free port, not started yet."""
    server = OpcUaPlant(free_port())
    yield server
    await server.stop()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
