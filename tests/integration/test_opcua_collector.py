"""The OPC UA collector against a real server: every value once, over restarts and cut connections."""

import math
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from asyncua import ua

from collectors import CertificateStore, OpcUaCollector, OpcUaSource
from plant import MICROSECONDS, Quality, SignalDirectory

from .conftest import NAMESPACE, NOW_US, SITE, Cable, OpcUaPlant, RecordingSink, directory_of, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SECOND = MICROSECONDS
START = NOW_US - 600 * SECOND
CURRENT, WINDING, RUNNING = 1, 2, 3


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits."""
    monkeypatch.setattr("collectors.opcua._LONGEST_BACKOFF_S", 0.5)
    monkeypatch.setattr("collectors.opcua._SETTLE_S", 0.2)
    monkeypatch.setattr("collectors.opcua._LOOK_FOR_NEW_S", 0.2)


def collector_at(
    url: str,
    sink: RecordingSink,
    directory: SignalDirectory | None = None,
    memory: Path | None = None,
    **options: object,
) -> OpcUaCollector:
    """A collector of machine M1."""
    known = directory or directory_of(["M1"])
    source = OpcUaSource.model_validate(
        {"name": "press-shop", "url": url, "publishing_interval_ms": 50, "timeout_s": 2, **options}
    )
    return OpcUaCollector(source, lambda: known, sink, lambda: NOW_US, CertificateStore(Path("unused")), memory)


async def test_every_value_arrives_with_time_and_quality(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u", "winding_temperature", "running"])
    collector = collector_at(plant.url, sink, history=False)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        for n in range(30):  # faster than they are published
            await plant.measure(START + n * SECOND, float(n))
        await plant.measure(START, 80.0, "winding_temperature")
        await plant.measure(START + SECOND, 80.0, "winding_temperature")  # the same value, measured again
        await plant.measure(
            START + 2 * SECOND, 81.0, "winding_temperature", status=ua.StatusCodes.UncertainSensorNotAccurate
        )
        await plant.measure(START + 3 * SECOND, None, "winding_temperature", status=ua.StatusCodes.BadSensorFailure)
        await plant.measure(START, True, "running")
        await until(lambda: len(sink.rows) == 35, "all values")
        assert collector.status().readings == 35
    rows = set(sink.rows)
    assert sink.values(CURRENT) == list(range(30))
    assert (RUNNING, START, 1.0, Quality.GOOD) in rows
    winding = sorted((time, value, quality) for signal, time, value, quality in sink.rows if signal == WINDING)
    assert [(time, quality) for time, _, quality in winding] == [
        (START, Quality.GOOD),
        (START + SECOND, Quality.GOOD),
        (START + 2 * SECOND, Quality.UNCERTAIN),
        (START + 3 * SECOND, Quality.BAD),
    ]
    assert math.isnan(winding[-1][1])


async def test_what_is_no_number_is_rejected_and_the_rest_goes_on(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u", "text", "list"])
    signals = {"text": "winding_temperature", "list": "running"}
    collector = collector_at(plant.url, sink, signals=signals, history=False)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, "broken", "text")
        await plant.measure(START, [1.0, 2.0], "list")
        await plant.measure(START, math.nan)
        await plant.measure(START + SECOND, 5.0)
        await until(lambda: len(sink.rejected) == 2 and sink.values(CURRENT) == [5.0], "two refusals, one reading")
        assert collector.status().unbound == 1, "the array"
    assert set(sink.reasons()) == {"not_a_number"}
    assert {entry.address for entry in sink.rejected} == {
        f"{SITE}/line-1/M1/{variable}" for variable in ("current_u", "text")
    }
    assert {entry.raw for entry in sink.rejected} == {b"'broken'", b"nan"}


async def test_variables_nobody_registered_are_counted_and_told_once(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u", "colour"], M9=["current_u"])
    with structlog.testing.capture_logs() as logs:
        collector = collector_at(plant.url, sink)
        async with running(collector):
            await until(lambda: collector.status().connected, "the collector to connect")
            await plant.measure(START, 5.0)
            await until(lambda: sink.values(CURRENT) == [5.0], "the reading that is known")
            assert collector.status().unbound == 2
    told = [entry for entry in logs if entry["event"] == "variables_not_bound"]
    assert len(told) == 1
    assert any("M9 is not registered" in example for example in told[0]["examples"])
    assert sink.rejected == []


async def test_a_machine_registered_later_is_collected_from_its_past_on(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u"], M2=["current_u"])
    known = directory_of(["M1"])
    source = OpcUaSource(name="press-shop", url=plant.url, publishing_interval_ms=50)
    collector = OpcUaCollector(source, lambda: known, sink, lambda: NOW_US, CertificateStore(Path("unused")))
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 1.0, machine="M2")
        known = directory_of(["M1", "M2"])
        await until(lambda: collector.status().unbound == 0, "the new machine to be bound")
        await plant.measure(START + SECOND, 2.0, machine="M2")
        await until(lambda: sink.values(4) == [1.0, 2.0], "its readings")


async def test_variables_bound_by_hand(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["Strom", "T"])
    collector = collector_at(
        plant.url,
        sink,
        nodes=[
            {"node": f"nsu={NAMESPACE};s=M1.Strom", "site": SITE, "machine": "M1", "signal": "current_u"},
            {"node": f"nsu={NAMESPACE};s=M1.nowhere", "site": SITE, "machine": "M1", "signal": "winding_temperature"},
            {"node": "nsu=urn:unknown;s=x", "site": SITE, "machine": "M1", "signal": "running"},
            {"node": "not a node id", "site": SITE, "machine": "M1", "signal": "running"},
        ],
    )
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 3.0, "Strom")
        await until(lambda: sink.values(CURRENT) == [3.0], "the one that is there")
        assert collector.status().unbound == 3


async def test_names_of_the_server_are_mapped(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["Strom"])
    collector = collector_at(
        plant.url,
        sink,
        root=f"Objects/{SITE}",
        pattern="{any}/{machine}/{signal}",
        site=SITE,
        signals={"Strom": "current_u"},
    )
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 3.0, "Strom")
        await until(lambda: sink.values(CURRENT) == [3.0], "the mapped signal")


async def test_after_a_restart_of_the_server_its_history_fills_the_gap(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u", "winding_temperature"])
    collector = collector_at(plant.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        for n in range(50):
            await plant.measure(START + n * SECOND, float(n))
        await until(lambda: len(sink.values(CURRENT)) == 50, "the first readings")
        await plant.stop()
        for n in range(50, 400):  # more than the server hands out in one answer
            await plant.measure(START + n * SECOND, float(n))
        await plant.start()
        for n in range(400, 420):
            await plant.measure(START + n * SECOND, float(n))
        await until(lambda: collector.status().reconnects == 1, "a reconnect")
        for n in range(420, 440):
            await plant.measure(START + n * SECOND, float(n))
        await until(lambda: len(sink.values(CURRENT)) == 440, "the gap to be filled")
        await until(lambda: collector.status().gaps == 0, "the gap to be closed")
        assert collector.status().recovered >= 350
    assert sink.values(CURRENT) == list(range(440))
    assert {value for signal, _, value, _ in sink.rows if signal == CURRENT} == set(range(440))


async def test_history_is_read_from_the_newest_stored_reading_on(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u"])
    for n in range(100):
        await plant.measure(START + n * SECOND, float(n))
    directory = directory_of(["M1"], {"M1": {"current_u": START + 60 * SECOND}})
    async with running(collector_at(plant.url, sink, directory)):
        await until(lambda: 61.0 in sink.values(CURRENT) and 99.0 in sink.values(CURRENT), "what is missing")
    assert sink.values(CURRENT) == list(range(59, 100))  # with a second of overlap


async def test_a_gap_is_not_forgotten_when_the_process_dies_while_filling_it(
    plant: OpcUaPlant, sink: RecordingSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant.start(M1=["current_u"])
    for n in range(100):
        await plant.measure(START + n * SECOND, float(n))
    with monkeypatch.context() as context:
        context.setattr("collectors.opcua._SETTLE_S", 60.0)  # dies before it reads any history
        async with running(collector_at(plant.url, sink, directory_of(["M1"]), tmp_path)):
            await until(lambda: sink.values(CURRENT) == [99.0], "the live value")
    stored = directory_of(["M1"], {"M1": {"current_u": START + 99 * SECOND}})
    collector = collector_at(plant.url, sink, stored, tmp_path)
    async with running(collector):
        await until(lambda: len(sink.values(CURRENT)) == 100, "the whole past")
        await until(lambda: collector.status().gaps == 0, "the gap to be closed")


async def test_a_server_without_history_is_read_live(plant: OpcUaPlant, sink: RecordingSink) -> None:
    plant.keeps_history = False
    await plant.start(M1=["current_u"])
    collector = collector_at(plant.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 1.0)
        await until(lambda: sink.values(CURRENT) == [1.0] and collector.status().gaps == 0, "the live value")
        assert collector.status().last_error == ""


async def test_it_waits_for_a_server_that_is_not_there_yet(plant: OpcUaPlant, sink: RecordingSink) -> None:
    collector = collector_at(plant.url, sink)
    async with running(collector):
        await until(lambda: collector.status().last_error != "", "the collector to say that nobody answers")
        await plant.start(M1=["current_u"])
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 1.0)
        await until(lambda: sink.values(CURRENT) == [1.0], "the first reading")


@pytest.mark.parametrize("silent", [False, True], ids=["cut", "silent"])
async def test_a_broken_connection_is_noticed_and_the_gap_filled(
    plant: OpcUaPlant, sink: RecordingSink, silent: bool
) -> None:
    await plant.start(M1=["current_u"])
    parts = urlsplit(plant.url)
    async with Cable.to(parts.hostname or "", parts.port or 0) as cable:
        collector = collector_at(f"opc.tcp://127.0.0.1:{cable.port}/plant", sink, timeout_s=1)
        async with running(collector):
            await until(lambda: collector.status().connected, "the collector to connect")
            await plant.measure(START, 0.0)
            await until(lambda: sink.values(CURRENT) == [0.0], "the first reading")
            cable.silent = silent
            if not silent:
                cable.cut()
            for n in range(1, 20):
                await plant.measure(START + n * SECOND, float(n))
            if silent:
                await until(lambda: not collector.status().connected, "the silence to be noticed")
                cable.silent = False
            await until(lambda: len(sink.values(CURRENT)) == 20, "the gap to be filled")
    assert sink.values(CURRENT) == list(range(20))


async def test_a_variable_is_found_again_where_an_update_moved_its_namespace(
    plant: OpcUaPlant, sink: RecordingSink
) -> None:
    await plant.start(M1=["Strom"])
    node = {"node": f"nsu={NAMESPACE};s=M1.Strom", "site": SITE, "machine": "M1", "signal": "current_u"}
    collector = collector_at(plant.url, sink, nodes=[node])
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 1.0, "Strom")
        await until(lambda: sink.values(CURRENT) == [1.0], "the first reading")
        await plant.stop()
        plant.other_namespaces = ["urn:vendor:update"]
        await plant.start()
        await until(lambda: collector.status().reconnects == 1, "a reconnect")
        await plant.measure(START + SECOND, 2.0, "Strom")
        await until(lambda: sink.values(CURRENT) == [1.0, 2.0], "the reading at the new index")


async def test_a_session_that_lives_without_its_subscription_is_begun_anew(
    plant: OpcUaPlant, sink: RecordingSink
) -> None:
    await plant.start(M1=["current_u"])
    collector = collector_at(plant.url, sink, timeout_s=1)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 0.0)
        await until(lambda: sink.values(CURRENT) == [0.0], "the first reading")
        await plant.forget_subscriptions()
        for n in range(1, 20):
            await plant.measure(START + n * SECOND, float(n))
        await until(lambda: sink.values(CURRENT) == list(range(20)), "all of it, by a new session")
        assert collector.status().reconnects == 1


async def test_the_current_value_comes_first_and_then_the_past_from_its_newest_end(
    plant: OpcUaPlant, sink: RecordingSink
) -> None:
    await plant.start(M1=["current_u"])
    hours = [START - n * 60 * SECOND for n in reversed(range(600))]
    for n, moment in enumerate(hours):
        await plant.measure(moment, float(n))
    collector = collector_at(plant.url, sink, first_history_h=24)
    async with running(collector):
        await until(lambda: len(sink.values(CURRENT)) == 600, "the whole past")
        await until(lambda: collector.status().gaps == 0, "the gap to be closed")
    times = [moment for _, moment, _, _ in sink.rows]
    assert times[0] == hours[-1]
    first_seen = {moment: place for place, moment in reversed(list(enumerate(times)))}
    assert first_seen[hours[-5]] < first_seen[hours[300]] < first_seen[hours[0]]


async def test_what_the_servers_queue_could_not_hold_is_read_from_its_history(
    plant: OpcUaPlant, sink: RecordingSink
) -> None:
    await plant.start(M1=["current_u"])
    collector = collector_at(plant.url, sink)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 0.0)
        await until(lambda: sink.values(CURRENT) == [0.0] and collector.status().gaps == 0, "the first reading")
        for n in range(1, 10):
            await plant.remember(START + n * SECOND, float(n))
        overflow = 0x480
        await plant.measure(START + 10 * SECOND, 10.0, status=overflow)
        await until(lambda: sink.values(CURRENT) == list(range(11)), "what was pushed out of the queue")


async def test_changes_within_a_deadband_are_not_sent(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u", "winding_temperature"])
    await plant.measure(START, 1.0)  # the server here cannot compare with nothing
    collector = collector_at(plant.url, sink, history=False, sampling={"current_u": {"deadband": 0.5, "queue_size": 7}})
    async with running(collector):
        await until(lambda: sink.values(CURRENT) == [1.0], "the collector to connect")
        for n, value in enumerate([1.1, 1.4, 1.2, 2.0, 2.1], 1):
            await plant.measure(START + n * SECOND, value)
            await plant.measure(START + n * SECOND, value, "winding_temperature")
        await until(lambda: len(sink.values(WINDING)) == 5, "every change of the other signal")
    assert sink.values(CURRENT) == [1.0, 2.0]


async def test_how_far_the_servers_clock_is_off_is_measured(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u"])
    source = OpcUaSource(name="press-shop", url=plant.url)
    late = 90 * SECOND
    collector = OpcUaCollector(
        source,
        lambda: directory_of(["M1"]),
        sink,
        lambda: time.time_ns() // 1000 - late,
        CertificateStore(Path("unused")),
    )
    async with running(collector):
        await until(lambda: collector.status().clock_skew_s is not None, "a comparison")
        assert collector.status().clock_skew_s == pytest.approx(90, abs=5)
        assert any("clock is +90 s off" in warning for warning in collector.status().warnings)


async def test_a_sink_that_refuses_is_offered_the_same_again(plant: OpcUaPlant, sink: RecordingSink) -> None:
    await plant.start(M1=["current_u"])
    sink.refusals = 2
    collector = collector_at(plant.url, sink, history=False)
    async with running(collector):
        await until(lambda: collector.status().connected, "the collector to connect")
        await plant.measure(START, 1.0)
        await until(lambda: sink.values(CURRENT) == [1.0], "the reading to be taken at last")
