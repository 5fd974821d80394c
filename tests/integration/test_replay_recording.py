"""Replay: a recorded file goes over a real broker, every cell arrives once."""

import asyncio
import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from brain.bench.skab import COLUMNS
from brain.embedded_broker import EmbeddedBroker
from collectors import MqttCollector, MqttSource, Recording, read_recording, replay_csv
from plant import MachineEntry, SignalDirectory, template_library, to_microseconds

from .conftest import NOW_US, SITE, RecordingSink, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

REAL = Path(__file__).parents[3] / "shared" / "datasets" / "skab" / "valve1" / "0.csv"
IDS = {signal.key: number for number, signal in enumerate(template_library()["pump_set"].signals, start=1)}
DIRECTORY = SignalDirectory([MachineEntry(SITE, "line-1", "rig", "pump_set", IDS)])


def collector_at(url: str, sink: RecordingSink) -> MqttCollector:
    return MqttCollector(MqttSource(name="mqtt", url=url), lambda: DIRECTORY, sink, lambda: NOW_US)


def recording_of(values: int) -> Recording:
    return Recording(("current",), tuple((n * 1_000_000, (float(n),)) for n in range(values)), 0)


@pytest.mark.skipif(not REAL.is_file(), reason="the Skoltech Anomaly Benchmark is not on this machine")
async def test_every_cell_of_a_real_recording_arrives(broker: EmbeddedBroker, sink: RecordingSink) -> None:
    with REAL.open() as file:
        lines = list(csv.DictReader(file, delimiter=";"))
    recording = read_recording(REAL, COLUMNS)
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        counts = await replay_csv(recording, broker.url, SITE, "rig")
        await until(lambda: len(sink.rows) == counts.readings, "everything sent to arrive")
    assert (counts.rows, counts.readings, counts.refused) == (len(lines), len(lines) * len(COLUMNS), 0)
    assert sink.rejected == []
    sent = {
        (
            IDS[signal],
            to_microseconds(datetime.fromisoformat(line["datetime"]).replace(tzinfo=UTC)),
            float(line[column]),
        )
        for line in lines
        for column, signal in COLUMNS.items()
    }
    assert {(signal_id, time, value) for signal_id, time, value, _ in sink.rows} == sent


async def test_a_recording_can_be_shifted_to_end_now(broker: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(broker.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await replay_csv(recording_of(120), broker.url, SITE, "rig", end_at=NOW_US, speed=1000)
        await until(lambda: len(sink.rows) == 120, "everything to arrive")
    times = sorted(time for _, time, _, _ in sink.rows)
    assert (times[-1], times[-1] - times[0]) == (NOW_US, 119_000_000)


async def test_a_replay_goes_on_after_a_restart_of_the_broker(mosquitto: EmbeddedBroker, sink: RecordingSink) -> None:
    collector = collector_at(mosquitto.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        replaying = asyncio.create_task(replay_csv(recording_of(600), mosquitto.url, SITE, "rig", speed=300))
        await until(lambda: len(sink.rows) > 20, "the replay to be under way")
        mosquitto.stop()
        mosquitto.start()
        counts = await replaying
        await until(lambda: len(sink.values(IDS["current"])) == counts.readings, "everything sent to arrive")
    assert sink.values(IDS["current"]) == list(range(600))


async def test_nobody_listening_is_an_error(mosquitto: EmbeddedBroker) -> None:
    with pytest.raises(OSError, match="nobody has subscribed"):
        await replay_csv(recording_of(10), mosquitto.url, SITE, "rig")


async def test_no_broker_is_an_error(mosquitto: EmbeddedBroker) -> None:
    mosquitto.stop()
    with pytest.raises(OSError, match="refused"):
        await replay_csv(recording_of(10), mosquitto.url, SITE, "rig")
