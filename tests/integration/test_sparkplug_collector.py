"""The Sparkplug collector against a real broker and edge nodes that are not ours (npm, sparkplug-client)."""

import asyncio
import base64
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from brain.embedded_broker import EmbeddedBroker
from collectors.sparkplug_payload import decode
from collectors.sparkplug_values import number_of, quality_of
from plant import Quality

from .conftest import SITE, Cable, Device, RecordingSink, directory_of, running, until
from .sparkplug_parts import (
    CURRENT,
    CURRENT_M2,
    DIRECTORY,
    LINE,
    RUNNING,
    START_MS,
    WINDING,
    EdgeNode,
    births,
    born,
    by_alias,
    collector_at,
    connected,
    encoded,
    metric,
)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120), pytest.mark.usefixtures("node")]


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
            assert collector.status().away == (f"{SITE}/{LINE}/M1",)
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
        assert status.away == tuple(f"{SITE}/{name}" for name in (LINE, f"{LINE}/M1", f"{LINE}/M2"))
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


async def test_nothing_is_acknowledged_before_it_is_durable(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, node: str
) -> None:
    sink.open.clear()
    collector = collector_at(mosquitto.url, sink, receive_maximum=3)
    async with running(collector):
        await connected(collector)
        for n in range(10):
            data = {"timestamp": START_MS + n, "seq": n, "metrics": [metric("current_u", float(n))]}
            await device.publish(f"spBv1.0/{SITE}/DDATA/{LINE}/M1", await encoded(node, data))
        await until(lambda: sink.offered > 0, "the sink to be offered something")
        await asyncio.sleep(0.5)
        assert sink.offered <= 3  # the broker sends no more while these are not acknowledged
        sink.open.set()
        await until(lambda: sink.values(CURRENT) == list(range(10)), "everything once the sink takes it")
