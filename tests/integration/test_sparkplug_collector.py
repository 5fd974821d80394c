"""The Sparkplug collector against a real broker and edge nodes that are not ours (npm, sparkplug-client)."""

import asyncio
import base64
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from brain.embedded_broker import EmbeddedBroker
from collectors import SparkplugCollector, SparkplugSource
from collectors.sparkplug_payload import decode
from collectors.sparkplug_values import number_of, quality_of
from plant import Quality, SignalDirectory

from .conftest import SITE, Cable, Device, RecordingSink, directory_of, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

NODE_PARTS = Path(__file__).parents[1] / "node"
DIRECTORY = directory_of(["M1", "M2"])
CURRENT, WINDING, RUNNING, CURRENT_M2 = 1, 2, 3, 4
LINE = "line-1"
STATE = "spBv1.0/STATE/brain"


@pytest.fixture(autouse=True)
def node() -> str:
    """The path of node; without it, or without its packages, there is no edge node to test with."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed: no edge nodes that are not ours")
    if not (NODE_PARTS / "node_modules" / "sparkplug-client").is_dir():
        pytest.skip("sparkplug-client is not installed in tests/node: run `make system-packages`")
    return path


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


@pytest.fixture
def observe(mosquitto: EmbeddedBroker) -> Iterator[Callable[[], Observer]]:
    """Makes observers, and closes them in the end."""
    made: list[Observer] = []

    def observer() -> Observer:
        made.append(Observer(mosquitto.url, f"observer-{len(made)}"))
        return made[-1]

    yield observer
    for one in made:
        one.close()


def now_us() -> int:
    return time.time_ns() // 1000


def collector_at(
    url: str, sink: RecordingSink, directory: Callable[[], SignalDirectory] = lambda: DIRECTORY, **options: object
) -> SparkplugCollector:
    """A collector of the two machines; asks for rebirths as often as it may."""
    source = SparkplugSource.model_validate({"name": "field", "url": url, "rebirth_interval_s": 1, **options})
    return SparkplugCollector(source, directory, sink, now_us)


def metric(name: str, value: Any, time_ms: int | None = None, kind: str = "Double", **more: Any) -> dict[str, Any]:
    stamp = {} if time_ms is None else {"timestamp": time_ms}
    return {"name": name, "type": kind, "value": value, **stamp, **more}


def by_alias(alias: int, value: Any, time_ms: int, kind: str = "Double", **more: Any) -> dict[str, Any]:
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
    await until(lambda: collector.status().connected, "the collector to connect")


async def born(collector: SparkplugCollector, devices: int = 2) -> None:
    await until(lambda: collector.status().devices_online == devices, f"{devices} devices to be on line")


# ------------------------------------------------------------------ payloads

INTEGERS = {"Int8": 8, "Int16": 16, "Int32": 32, "Int64": 64, "UInt8": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}


async def test_payloads_of_another_implementation_are_read(node: str) -> None:
    metrics: list[tuple[str, Any, float]] = []
    for kind, bits in INTEGERS.items():
        low, high = (0, 2**bits - 1) if kind[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        numbers = (low, -1 if low else 1, 0, 100, high)
        metrics += [(kind, {"long": str(number)} if bits == 64 else number, float(number)) for number in numbers]
    metrics += [(kind, value, np.float32(value)) for kind, value in (("Float", 12.3), ("Float", -0.0))]
    metrics += [("Double", 12.3, 12.3), ("Boolean", True, 1.0), ("Boolean", False, 0.0)]
    metrics += [("DateTime", {"long": "1700000000123"}, 1.700000000123e12), ("Double", None, float("nan"))]
    payload = {
        "timestamp": START_MS,
        "seq": 17,
        "metrics": [
            {
                **metric(f"m/{number}", value, START_MS + number, kind),
                "alias": number,
                "properties": {"Quality": {"type": "Int32", "value": 500}, "unit": {"type": "String", "value": "A"}},
            }
            for number, (kind, value, _) in enumerate(metrics)
        ],
    }
    decoded = decode(await encoded(node, payload))
    assert (decoded.time, decoded.seq) == (START_MS * 1000, 17)
    assert [entry.name for entry in decoded.metrics] == [f"m/{number}" for number in range(len(metrics))]
    assert [entry.alias for entry in decoded.metrics] == list(range(len(metrics)))
    assert [entry.time for entry in decoded.metrics] == [(START_MS + n) * 1000 for n in range(len(metrics))]
    np.testing.assert_array_equal(
        [number_of(entry, entry.datatype) for entry in decoded.metrics], [number for _, _, number in metrics]
    )
    expected = [Quality.UNCERTAIN] * (len(metrics) - 1) + [Quality.BAD]
    assert [quality_of(entry) for entry in decoded.metrics] == expected


async def encoded(node: str, payload: dict[str, Any]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        node,
        str(NODE_PARTS / "sparkplug_encode.js"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(json.dumps(payload).encode() + b"\n")
    return base64.b64decode(out)


# ------------------------------------------------------------------ edge nodes


async def test_births_and_data_by_alias_arrive_once(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            for n in range(300):  # sequence numbers begin anew at 256
                await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, n / 8, START_MS + 1 + n)]})
            at_ms = START_MS + 50
            await edge.do("ddata", device="M2", payload={"timestamp": at_ms, "metrics": [metric("current_u", 3.5)]})
            await edge.do("ddata", device="M1", payload={"metrics": [by_alias(2, -7, START_MS + 1, "Int8")]})
            await until(lambda: len(sink.rows) >= 306, "all readings")
        status = collector.status()
        assert edge.count("commanded") == 0
    assert sink.rejected == []
    assert sorted(sink.rows) == sorted(
        [
            (CURRENT, START_MS * 1000, -1.0, Quality.GOOD),
            *((CURRENT, (START_MS + 1 + n) * 1000, n / 8, Quality.GOOD) for n in range(300)),
            (WINDING, START_MS * 1000, 20.0, Quality.GOOD),
            (WINDING, (START_MS + 1) * 1000, -7.0, Quality.GOOD),
            (RUNNING, START_MS * 1000, 1.0, Quality.GOOD),
            (CURRENT_M2, START_MS * 1000, -2.0, Quality.GOOD),
            (CURRENT_M2, (START_MS + 50) * 1000, 3.5, Quality.GOOD),
        ]
    )
    assert (status.kind, status.nodes_online, status.devices_online, status.rebirths) == ("sparkplug", 1, 2, 0)


async def test_a_gap_makes_the_edge_node_be_born_again(broker: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(broker.url, births()) as edge:
            await born(collector)
            await edge.do("lose")
            both = [by_alias(1, 98.0, START_MS + 1), metric("current_u", 99.0, START_MS + 2)]
            await edge.do("ddata", device="M1", payload={"metrics": both})
            await until(lambda: edge.count("born") == 2, "the edge node to be born again")
            await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, 100.0, START_MS + 3)]})
            await until(lambda: 100.0 in sink.values(CURRENT), "data after the rebirth")
        assert [entry["rebirth"] for entry in edge.said if entry["said"] == "commanded"] == [True]
        assert collector.status().rebirths == 1
    # What came by name was certain, what came by alias was not, and is not lost either.
    assert sink.values(CURRENT) == [-1.0, 99.0, 100.0]
    assert sink.reasons() == ["unknown_alias"]
    assert sink.rejected[0].address == f"spBv1.0/{SITE}/DDATA/{LINE}/M1"
    assert len(decode(sink.rejected[0].raw).metrics) == 2


async def test_devices_go_and_come(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            await edge.do("ddeath", device="M1")
            await until(lambda: collector.status().devices_offline == 1, "the death of a device")
            assert collector.status().offline == (f"{SITE}/{LINE}/M1",)
            rows = len(sink.rows)
            await edge.do("dbirth", device="M1", payload={"metrics": [metric("current_u", 5.0, START_MS + 9, alias=1)]})
            await born(collector)
            await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, 6.0, START_MS + 10)]})
            await until(lambda: sink.values(CURRENT) == [-1.0, 5.0, 6.0], "data of the device that came back")
            assert len(sink.rows) == rows + 2
        assert edge.count("commanded") == 0


async def test_an_edge_node_that_is_killed_is_away_by_its_will(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            rows = list(sink.rows)
            await edge.kill()
            await until(lambda: collector.status().nodes_offline == 1, "the death of the edge node")
        status = collector.status()
        assert (status.nodes_online, status.devices_online, status.devices_offline) == (0, 0, 2)
        assert status.offline == tuple(f"{SITE}/{name}" for name in (LINE, f"{LINE}/M1", f"{LINE}/M2"))
        await asyncio.sleep(1.2)
        assert sink.rows == rows  # a death invents nothing
        assert collector.status().rebirths == 0
        async with EdgeNode.at(mosquitto.url, births(START_MS + 60)) as again:
            await born(collector)
            await again.do("ddata", device="M1", payload={"metrics": [by_alias(1, 7.0, START_MS + 61)]})
            await until(lambda: sink.values(CURRENT) == [-1.0, -1.0, 7.0], "data after its return")
            await again.do("stop")
            await until(lambda: collector.status().nodes_offline == 1, "its orderly end")


async def test_a_collector_that_starts_again_asks_for_births_and_goes_on(
    mosquitto: EmbeddedBroker, sink: RecordingSink
) -> None:
    async with EdgeNode.at(mosquitto.url, births()) as edge:
        for round_ in (1, 2):
            collector = collector_at(mosquitto.url, sink)
            async with running(collector):
                await connected(collector)
                at_ms = START_MS + 10 * round_
                await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, 0.0, at_ms)]})
                await born(collector)
                await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, round_, at_ms + 1)]})
                await until(lambda wanted=round_: wanted in sink.values(CURRENT), "data after the rebirth")
                assert collector.status().rebirths == 1
        assert edge.count("commanded") == 2
    # The values of the births are the same readings each time; those that nobody could name are in quarantine.
    assert sink.values(CURRENT) == [-1.0, 1.0, 2.0]
    assert sink.reasons() == ["unknown_alias"] * 2


async def test_a_quiet_edge_node_is_asked_after_our_connection_was_cut(
    mosquitto: EmbeddedBroker, sink: RecordingSink
) -> None:
    parts = urlsplit(mosquitto.url)
    async with Cable.to(parts.hostname or "", parts.port or 0) as cable:
        collector = collector_at(f"mqtt://127.0.0.1:{cable.port}", sink)
        async with running(collector):
            await connected(collector)
            async with EdgeNode.at(mosquitto.url, births()) as edge:
                await born(collector)
                cable.cut()
                await until(lambda: collector.status().reconnects == 1, "a reconnect")
                await until(lambda: edge.count("commanded") == 1, "the edge node to be asked")
                await born(collector)
                await edge.do("ddata", device="M1", payload={"metrics": [by_alias(1, 7.0, START_MS + 1)]})
                await until(lambda: sink.values(CURRENT) == [-1.0, 7.0], "data after that")
    assert sink.rejected == []


async def test_a_machine_that_is_registered_later_is_seen_at_once(
    mosquitto: EmbeddedBroker, sink: RecordingSink
) -> None:
    """Its edge node sends what changes, and that may be hours away: it is asked for its births."""
    known = [directory_of(["M1"])]
    collector = collector_at(mosquitto.url, sink, lambda: known[-1])
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            await until(lambda: collector.status().unbound == 1, "the motor that is not registered to be counted")
            known.append(DIRECTORY)
            await until(lambda: sink.values(CURRENT_M2) == [-2.0], "the value of the motor that is registered now")
            assert (edge.count("commanded"), collector.status().unbound) == (1, 0)


async def test_historical_values_null_and_quality(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            long_ago = START_MS - 86_400_000
            stored = [by_alias(1, float(n), long_ago + n, isHistorical=True) for n in range(5)]
            await edge.do("ddata", device="M1", payload={"metrics": stored})
            stale = {"Quality": {"type": "Int32", "value": 500}}
            await edge.do(
                "ddata",
                device="M1",
                payload={
                    "metrics": [
                        by_alias(2, None, START_MS + 1, "Int8"),
                        by_alias(3, value=False, time_ms=START_MS + 1, kind="Boolean", properties=stale),
                    ]
                },
            )
            await until(lambda: len(sink.rows) == 11, "all readings")
    assert sink.values(CURRENT) == [0.0, 1.0, 2.0, 3.0, 4.0, -1.0]
    null = next(row for row in sink.rows if row[:2] == (WINDING, (START_MS + 1) * 1000))
    assert np.isnan(null[2])
    assert null[3] == Quality.BAD
    assert (RUNNING, (START_MS + 1) * 1000, 0.0, Quality.UNCERTAIN) in sink.rows
    assert sink.rejected == []


async def test_compressed_payloads_are_taken(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            for n, algorithm in enumerate(("DEFLATE", "GZIP")):
                data = {"metrics": [by_alias(1, float(n), START_MS + 1 + n)]}
                packed = {"compress": True, "algorithm": algorithm}
                await edge.do("ddata", device="M1", payload=data, options=packed)
            await until(lambda: sink.values(CURRENT) == [-1.0, 0.0, 1.0], "both")


async def test_poison_is_put_aside_and_acknowledged(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    random = np.random.default_rng(7)
    cut = base64.b64decode("CAUSCwoBYSABUPv///8PEhAKAWIgBFj7//////////8BEgkQAyAJZQAAwD8YAQ==")[:-7]
    poison = [b"", b"\xff" * 30, cut, *(random.bytes(size) for size in (1, 40, 4_000))]
    # Each message stays in the window of three until it is acknowledged.
    collector = collector_at(mosquitto.url, sink, receive_maximum=3, max_payload=10_000)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()) as edge:
            await born(collector)
            for n, payload in enumerate(poison):
                for place in (f"NBIRTH/{LINE}", f"DDATA/{LINE}/M1", f"DBIRTH/{LINE}/M2", "NDATA/unheard-of"):
                    await device.publish(f"spBv1.0/{SITE}/{place}", payload)
                data = {"metrics": [by_alias(1, float(n), START_MS + 1 + n)]}
                await edge.do("ddata", device="M1", payload=data)
            await device.publish(f"spBv1.0/{SITE}/DDATA/{LINE}/M1", random.bytes(1_000_000))
            await until(lambda: len(sink.rejected) == 4 * len(poison) + 1, "all poison to be in quarantine")
            await until(lambda: len(sink.values(CURRENT)) == len(poison) + 1, "all readings")
        assert edge.count("commanded") == 0
        assert collector.status().rejected == 4 * len(poison) + 1
    assert set(sink.reasons()) == {"not_sparkplug", "too_large"}


async def test_births_that_a_broker_keeps_are_not_taken_for_new(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, node: str
) -> None:
    old = await encoded(node, {"timestamp": START_MS, "seq": 0, "metrics": [metric("current_u", 1.0)]})
    await device.publish(f"spBv1.0/{SITE}/NBIRTH/{LINE}", old, retain=True)
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        await until(lambda: sink.reasons() == ["retained"], "the kept message to be put aside")
        assert collector.status().nodes_online == 0


# ------------------------------------------------------------------ host application


async def test_a_host_says_that_it_is_there_and_that_it_goes(
    mosquitto: EmbeddedBroker, sink: RecordingSink, observe: Callable[[], Observer]
) -> None:
    watching = observe()
    async with running(collector_at(mosquitto.url, sink, host_id="brain")):
        await until(lambda: watching.states() == [(True, False)], "the host to be on line")
        late = observe()
        await until(lambda: late.states() == [(True, True)], "the state to be kept for who comes later")
    await until(lambda: watching.states() == [(True, False), (False, False)], "the host to leave")
    afterwards = observe()
    await until(lambda: afterwards.states() == [(False, True)], "the state to be kept after it left")


async def test_a_host_that_is_cut_off_is_away_by_its_will_and_returns(
    mosquitto: EmbeddedBroker, sink: RecordingSink, observe: Callable[[], Observer]
) -> None:
    watching = observe()
    parts = urlsplit(mosquitto.url)
    async with Cable.to(parts.hostname or "", parts.port or 0) as cable:
        collector = collector_at(f"mqtt://127.0.0.1:{cable.port}", sink, host_id="brain")
        async with running(collector):
            await connected(collector)
            await until(lambda: watching.states() == [(True, False)], "the host to be on line")
            cable.cut()
            await until(lambda: collector.status().reconnects == 1, "a reconnect")
            await until(lambda: watching.states() == [(True, False), (False, False), (True, False)], "its return")
    said = [json.loads(payload)["timestamp"] for topic, payload, _ in watching.seen if topic == STATE]
    assert said[0] == said[1] < said[2]  # the will bears the time of the connection it belongs to


async def test_a_host_contradicts_who_says_that_it_is_away(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, observe: Callable[[], Observer]
) -> None:
    watching = observe()
    collector = collector_at(mosquitto.url, sink, host_id="brain")
    async with running(collector):
        await connected(collector)
        await until(lambda: watching.states() == [(True, False)], "the host to be on line")
        await device.publish(STATE, b'{"online": false, "timestamp": 1}', retain=True)
        await until(lambda: watching.states()[1:] == [(False, False), (True, False)], "the host to contradict")
        late = observe()
        await until(lambda: late.states() == [(True, True)], "the right state to be kept")
    assert sink.rejected == []


async def test_without_a_host_id_nothing_is_said(
    mosquitto: EmbeddedBroker, sink: RecordingSink, observe: Callable[[], Observer]
) -> None:
    watching = observe()
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await connected(collector)
        async with EdgeNode.at(mosquitto.url, births()):
            await born(collector)
    assert not [topic for topic, _, _ in watching.seen if "STATE" in topic or "CMD" in topic]
