"""The MQTT collector against real brokers: nothing is lost, whatever ends or breaks."""

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from brain.embedded_broker import EmbeddedBroker
from collectors import MqttCollector, MqttSource
from plant import Quality, SignalDirectory

from .conftest import NOW_MS, NOW_US, SITE, Cable, Device, RecordingSink, directory_of, message, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

DIRECTORY = directory_of(["M1", "M2"])
CURRENT, WINDING, RUNNING = 1, 2, 3


def collector_at(
    url: str, sink: RecordingSink, memory: Path | None = None, directory: SignalDirectory = DIRECTORY, **options: object
) -> MqttCollector:
    """A collector of the two machines."""
    source = MqttSource.model_validate({"name": "mqtt", "url": url, "client_id": "collector", **options})
    return MqttCollector(source, lambda: directory, sink, lambda: NOW_US, memory)


def numbers(first: int, count: int) -> list[bytes]:
    """Messages of M1, a second apart; the value says which one it is."""
    return [message(NOW_MS + 1000 * n, current_u=n) for n in range(first, first + count)]


async def test_readings_arrive_by_column(broker: EmbeddedBroker, device: Device, sink: RecordingSink) -> None:
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await device.send(message(NOW_MS, current_u=12.5, running=True), machine="M1")
        await device.send(
            b'[{"time": "2026-11-20T08:00:00.123Z", "values": {"current_u": 1},'
            b' "quality": {"current_u": "uncertain"}}]',
            machine="M2",
        )
        await until(lambda: len(sink.rows) == 3, "three readings to arrive")
        assert collector.status().readings == 3
    assert not collector.status().connected
    assert sorted(sink.rows) == [
        (CURRENT, NOW_MS * 1000, 12.5, Quality.GOOD),
        (RUNNING, NOW_MS * 1000, 1.0, Quality.GOOD),
        (4, 1_795_161_600_123_000, 1.0, Quality.UNCERTAIN),
    ]


async def test_what_was_not_durable_is_delivered_to_the_next_process(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    shut = RecordingSink()
    shut.open.clear()
    collector = collector_at(broker.url, shut)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await device.send(*numbers(0, 5))
        await until(lambda: shut.offered > 0, "the sink to be offered something")
    assert shut.rows == []
    # While nobody collects, the broker keeps what comes.
    await device.send(*numbers(5, 5))
    async with running(collector_at(broker.url, sink)):
        await until(lambda: len(sink.values(CURRENT)) == 10, "all readings to be delivered again")
    assert sink.values(CURRENT) == list(range(10))


async def test_what_was_durable_is_acknowledged_and_not_delivered_again(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    first = collector_at(broker.url, sink)
    async with running(first):
        await until(lambda: first.status().connected, "the collector to connect")
        await device.send(*numbers(0, 20))
        await until(lambda: len(sink.rows) == 20, "the readings to arrive")
        await device.send(*numbers(20, 1))  # acknowledgements travel in order: when this is here, those are sent
        await until(lambda: len(sink.rows) == 21, "one more reading to arrive")
    again = RecordingSink()
    second = collector_at(broker.url, again)
    async with running(second):
        await until(lambda: second.status().connected, "the collector to connect again")
        await device.send(*numbers(100, 1))
        await until(lambda: 100 in again.values(CURRENT), "the new reading to arrive")
    assert again.values(CURRENT) in ([100], [20, 100])


async def test_a_sink_that_refuses_is_offered_the_same_again(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    sink.refusals = 2
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await device.send(*numbers(0, 3))
        await until(lambda: sink.values(CURRENT) == [0, 1, 2], "the readings to be taken at last")


async def test_it_comes_back_after_the_broker_was_killed(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await device.send(*numbers(0, 10))
        # amqtt acknowledges before it delivers, and has nothing on disk: what it held would be gone with it.
        await until(lambda: len(sink.rows) == 10, "the readings of before")
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        await until(lambda: not broker.is_alive(), "the broker to die")
        url = broker.url
        assert broker.start() == url
        await until(lambda: collector.status().connected and collector.status().reconnects > 0, "a reconnect")
        survivor = Device(broker.url, "another-device")
        await survivor.send(*numbers(10, 10))
        survivor.close()
        await until(lambda: len(sink.values(CURRENT)) == 20, "readings of before and after")
    assert sink.values(CURRENT) == list(range(20))


async def test_sessions_outlive_a_restart_of_the_broker(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
    await device.send(*numbers(0, 1500))  # more than the thousand that mosquitto keeps by default
    mosquitto.stop()
    mosquitto.start()
    async with running(collector_at(mosquitto.url, sink)):
        await until(lambda: len(sink.values(CURRENT)) == 1500, "everything that came while nobody collected")
    assert sink.values(CURRENT) == list(range(1500))


async def test_acknowledgements_stay_with_the_connection_that_delivered(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    """Message identifiers are used anew: acknowledged on the next connection, another message would be confirmed."""
    parts = urlsplit(mosquitto.url)
    async with Cable.to(parts.hostname or "", parts.port or 0) as cable:
        collector = collector_at(f"mqtt://127.0.0.1:{cable.port}", sink, receive_maximum=5)
        async with running(collector):
            await until(lambda: collector.status().connected, "the collector to connect")
            sink.open.clear()
            await device.send(*numbers(0, 5))
            await until(lambda: sink.offered > 0, "the sink to be offered something")
            cable.cut()
            sink.open.set()
            await until(lambda: collector.status().connected and collector.status().reconnects == 1, "a reconnect")
            await device.send(*numbers(5, 20))
            await until(lambda: len(sink.values(CURRENT)) == 25, "all readings")
        left = RecordingSink()
        late = collector_at(mosquitto.url, left)
        async with running(late):
            await until(lambda: late.status().connected, "the collector to connect again")
            await device.send(*numbers(100, 1))
            await until(lambda: 100 in left.values(CURRENT), "the new reading to arrive")
    assert sink.values(CURRENT) == list(range(25))


async def test_a_cut_connection_loses_nothing(broker: EmbeddedBroker, device: Device, sink: RecordingSink) -> None:
    parts = urlsplit(broker.url)
    async with Cable.to(parts.hostname or "", parts.port or 0) as cable:
        collector = collector_at(f"mqtt://127.0.0.1:{cable.port}", sink)
        async with running(collector):
            for round_ in range(3):
                await until(lambda: collector.status().connected, "the collector to connect")
                await device.send(*numbers(round_ * 20, 10))
                cable.cut()
                await device.send(*numbers(round_ * 20 + 10, 10))
            await until(lambda: len(sink.values(CURRENT)) == 60, "all readings")
    assert sink.values(CURRENT) == list(range(60))


async def test_it_says_who_has_taken_its_session_and_takes_it_back(
    mosquitto: EmbeddedBroker, device: Device, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.broker_collector._LONGEST_BACKOFF_S", 0.5)
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        thief = Device(mosquitto.url, "collector")  # it connects again by itself too
        await until(lambda: "another client" in collector.status().last_error, "the collector to say what may be wrong")
        thief.close()
        await until(lambda: collector.status().connected, "the collector to connect again")
        await device.send(*numbers(0, 3))
        await until(lambda: sink.values(CURRENT) == [0, 1, 2], "readings after that")


async def test_bad_messages_do_not_hold_up_good_ones(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    bad = [
        b"",
        b"{not json",
        b"\xff\xfe\x00",
        b"[" * 5000,
        b"42",
        b'{"values": [1]}',
        b'{"values": {"current_u": 1}, "time": "yesterday"}',
        b'{"values": {"current_u": 1}, "time": 1e300}',
        b'{"values": {"current_u": 1}, "quality": {"current_u": "fine"}}',
        b'{"values": {"colour": 1}}',
        b'{"values": {"current_u": "a lot"}}',
    ]
    reasons = (
        ["not_json"] * 4 + ["bad_shape"] * 2 + ["bad_time"] * 2 + ["bad_quality", "unknown_signal", "not_a_number"]
    )
    collector = collector_at(broker.url, sink, receive_maximum=3, topics=["ib/v1/#"])
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        for number, payload in enumerate(bad):
            await device.send(payload, *numbers(number, 1))
        await device.send(message(NOW_MS, current_u=1), machine="nobody-knows-it")
        await device.publish("ib/v1/elsewhere", b"{}")
        await device.send(b'{"time": %d, "values": {"winding_temperature": NaN, "running": true}}' % NOW_MS)
        await device.send(b"x" * 2_000_000)
        await device.send(*numbers(len(bad), 1))
        await until(lambda: len(sink.values(CURRENT)) == len(bad) + 1, "all good readings")
    assert sink.values(CURRENT) == list(range(len(bad) + 1))
    assert sink.values(RUNNING) == [1.0]
    assert sink.reasons() == sorted([*reasons, "unknown_machine", "bad_topic", "not_a_number", "too_large"])
    large = next(entry for entry in sink.rejected if entry.reason == "too_large")
    assert (large.raw, "2,000,000" in large.detail) == (b"x" * 4096, True)
    assert all(entry.source == "mqtt" and entry.address for entry in sink.rejected)


async def test_a_changed_topic_list_changes_the_kept_session(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink, tmp_path: Path
) -> None:
    narrow = [f"ib/v1/{SITE}/M1/readings"]
    first = collector_at(broker.url, sink, tmp_path / "memory")
    async with running(first):
        await until(lambda: first.status().connected, "the collector to connect")
    second = collector_at(broker.url, sink, tmp_path / "memory", topics=narrow)
    async with running(second):
        await until(lambda: second.status().connected, "the collector to connect with fewer topics")
        await device.send(message(NOW_MS, current_u=2), machine="M2")
        await device.send(message(NOW_MS, current_u=1), machine="M1")
        await until(lambda: sink.values(CURRENT) == [1], "the machine that is still wanted")
    assert sink.values(4) == []


async def test_messages_of_qos_0_and_retained_ones_are_taken(
    broker: EmbeddedBroker, device: Device, sink: RecordingSink
) -> None:
    await device.send(message(NOW_MS, current_u=7), retain=True)
    await device.send(b'{"values": {"current_u": 8}}', machine="M2", retain=True)
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await device.send(message(NOW_MS + 1, current_u=9), qos=0)
        await until(lambda: sink.values(CURRENT) == [7, 9], "both readings")
        await until(lambda: len(sink.rejected) == 1, "the retained message without a time to be refused")
    assert sink.reasons() == ["bad_time"]
