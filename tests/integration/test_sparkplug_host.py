"""A host application of Sparkplug: what it says of itself on its STATE topic."""

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from brain.embedded_broker import EmbeddedBroker

from .conftest import Cable, Device, RecordingSink, running, until
from .sparkplug_parts import STATE, EdgeNode, Observer, births, born, collector_at, connected

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


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


@pytest.mark.usefixtures("node")
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
