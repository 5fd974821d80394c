"""Sparkplug messages to rows: where values go, when they are of, and what is put aside with its reason."""

import math
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collectors import SparkplugSource
from collectors.mqtt_packets import RETAINED, Message
from collectors.sparkplug_host import HostState
from collectors.sparkplug_payload import _Payload
from collectors.sparkplug_rows import SparkplugDecoder
from plant import Batch, MachineEntry, Quality, Rejected, SignalDirectory

NOW = 1_700_000_000_000_000
NOW_MS = NOW // 1000
SIGNALS = {"current_u": 1, "running": 2, "winding_temperature": 3}
DIRECTORY = SignalDirectory([MachineEntry("works", "edge", "M1", "motor", SIGNALS)])


def source(**options: Any) -> SparkplugSource:
    return SparkplugSource.model_validate({"name": "field", "url": "mqtt://127.0.0.1", **options})


def payload(seq: int | None, *metrics: dict[str, Any], time_ms: int | None = NOW_MS) -> bytes:
    made = _Payload()
    if time_ms is not None:
        made.timestamp = time_ms
    if seq is not None:
        made.seq = seq
    for metric in metrics:
        made.metrics.add(**metric)
    data: bytes = made.SerializeToString()
    return data


def message(topic: str, data: bytes, flags: int = 0, length: int | None = None) -> Message:
    return topic.encode(), data, len(data) if length is None else length, 0, flags


def decoded(*messages: Message, directory: SignalDirectory = DIRECTORY, **options: Any) -> tuple[Batch, list[Rejected]]:
    decoder = SparkplugDecoder(source(**options))
    decoder.add_all(messages, NOW, directory)
    return decoder.finish()


def of_m1(*metrics: dict[str, Any], **options: Any) -> Message:
    return message("spBv1.0/works/DBIRTH/edge/M1", payload(1, *metrics, **options))


def test_group_edge_node_device_and_metric_are_site_line_machine_and_signal() -> None:
    batch, rejected = decoded(
        of_m1(
            {"name": "current_u", "datatype": 9, "float_value": 12.5, "timestamp": NOW_MS - 5},
            {"name": "running", "datatype": 11, "boolean_value": True},
            {"name": "winding_temperature", "datatype": 1, "int_value": 251},
        )
    )
    assert rejected == []
    assert batch.times.tolist() == [NOW - 5000, NOW, NOW]
    assert batch.signal_ids.tolist() == [1, 2, 3]
    assert batch.values.tolist() == [12.5, 1.0, -5.0]
    assert batch.origins is not None
    assert batch.origins.of_row(2)[0] == "spBv1.0/works/DBIRTH/edge/M1"


@pytest.mark.parametrize(
    ("options", "topic", "name"),
    [
        ({"patterns": ["{site}/{any}/{machine}/{signal}"]}, "NDATA/gateway-7", "M1/current_u"),
        ({"patterns": ["{site}/{any}/{any}/{machine}/{signal}"]}, "DDATA/gateway-7/plc", "M1/current_u"),
        ({"patterns": ["{any}/gateway-7/{machine}/{signal}"], "site": "works"}, "DDATA/gateway-7/M1", "current_u"),
        ({"patterns": ["{site}/{any}/{signal}"], "machine": "M1"}, "NDATA/gateway-7", "current_u"),
        ({"patterns": ["{site}/x/{signal}", "{site}/{any}/{machine}/{signal}"]}, "DDATA/gateway-7/M1", "current_u"),
        ({"signals": {"I1": "current_u"}}, "DDATA/edge/M1", "I1"),
        ({"patterns": ["{site}/{any}/{machine}/{signal}"], "signals": {"M1/I": "current_u"}}, "NDATA/edge", "M1/I"),
        ({"patterns": ["{site}/{any}/{machine}/{any}/{signal}"]}, "NDATA/edge", "M1/phase/current_u"),
    ],
)
def test_a_pattern_says_what_names_mean(options: dict[str, Any], topic: str, name: str) -> None:
    kind, _, place = topic.partition("/")
    sent = message(f"spBv1.0/works/{kind}/{place}", payload(1, {"name": name, "float_value": 1.0}))
    batch, rejected = decoded(sent, **options)
    assert (batch.signal_ids.tolist(), rejected) == ([1], [])


def test_what_belongs_nowhere_is_counted_and_told_once() -> None:
    decoder = SparkplugDecoder(source())
    sent = of_m1(
        {"name": "colour", "float_value": 1.0},
        {"name": "deep/current_u", "float_value": 1.0},
        {"name": "bdSeq", "long_value": 0},
        {"name": "Node Control/Rebirth", "boolean_value": False},
        {"name": "current_u", "float_value": 1.0},
    )
    other = message("spBv1.0/works/DDATA/edge/M9", payload(2, {"name": "current_u", "float_value": 1.0}))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            decoder.add_all([sent, other], NOW, DIRECTORY)
            batch, rejected = decoder.finish()
    assert (batch.signal_ids.tolist(), rejected) == ([1], [])
    assert len(decoder.binding.unbound) == 3
    assert [(entry["event"], entry["count"]) for entry in logs] == [("metrics_not_bound", 3)]
    assert any("machine works/M9 is not registered" in example for example in logs[0]["examples"])
    decoder.nodes.due(NOW)
    larger = SignalDirectory([*DIRECTORY, MachineEntry("works", "edge", "M9", "motor", {"current_u": 11})])
    decoder.follow(larger)
    assert decoder.nodes.due(NOW + 60_000_000) == [("works", "edge")]
    decoder.add_all([sent, other], NOW, larger)
    assert decoder.finish()[0].signal_ids.tolist() == [1, 11]


def test_a_signal_is_fed_by_one_metric_until_its_device_ends() -> None:
    decoder = SparkplugDecoder(source(patterns=["{site}/{any}/{machine}/{signal}"]))
    births = [
        message(f"spBv1.0/works/NBIRTH/{edge}", payload(0, {"name": "bdSeq", "datatype": 8, "long_value": 0}))
        for edge in ("old", "new")
    ]
    data = [
        message(f"spBv1.0/works/DBIRTH/{edge}/M1", payload(1, {"name": "current_u", "float_value": value}))
        for edge, value in (("old", 1.0), ("new", 2.0))
    ]
    decoder.add_all([*births, *data], NOW, DIRECTORY)
    assert decoder.finish()[0].values.tolist() == [1.0]
    decoder.add_all(data, NOW, SignalDirectory(DIRECTORY))
    assert decoder.finish()[0].values.tolist() == [1.0]
    death = message("spBv1.0/works/NDEATH/old", payload(None, {"name": "bdSeq", "datatype": 8, "long_value": 0}))
    decoder.add_all([death, data[1]], NOW, DIRECTORY)
    assert decoder.finish()[0].values.tolist() == [2.0]


def test_times_are_the_metrics_own_then_the_payloads_then_of_receipt() -> None:
    value = {"name": "current_u", "float_value": 1.0}
    for own, outer, expected in ((5, 7, 5_000), (None, 7, 7_000), (None, None, NOW)):
        metric = value if own is None else {**value, "timestamp": own}
        batch, _ = decoded(of_m1(metric, time_ms=outer))
        assert batch.times.tolist() == [expected]


def test_historical_values_need_a_time_of_their_own() -> None:
    value = {"name": "current_u", "float_value": 1.0, "is_historical": True}
    batch, rejected = decoded(of_m1({**value, "timestamp": 5}, value))
    assert batch.times.tolist() == [5_000]
    assert [entry.reason for entry in rejected] == ["bad_time"]


def test_quality_and_null() -> None:
    qualities = [0, 192, 500]
    metrics: list[dict[str, Any]] = [
        {
            "name": "current_u",
            "timestamp": code,
            "float_value": 1.0,
            "properties": {"keys": ["Quality"], "values": [{"type": 3, "int_value": code}]},
        }
        for code in qualities
    ]
    batch, rejected = decoded(of_m1(*metrics, {"name": "running", "datatype": 11, "is_null": True}))
    assert rejected == []
    assert batch.qualities.tolist() == [Quality.BAD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]
    assert math.isnan(batch.values[3])


def test_what_holds_no_single_number_is_counted() -> None:
    decoder = SparkplugDecoder(source())
    sent = of_m1({"name": "current_u", "datatype": 30, "bytes_value": b"\0\0"}, {"name": "colour", "datatype": 19})
    with structlog.testing.capture_logs() as logs:
        decoder.add_all([sent, sent], NOW, DIRECTORY)
        batch, rejected = decoder.finish()
    assert (len(batch), rejected, decoder.skipped) == (0, [], 2)
    assert [entry["event"] for entry in logs].count("metric_skipped") == 1


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (message("spBv1.0/works/NDATA", b""), "bad_topic"),
        ((b"spBv1.0/\xff/NDATA/x", b"", 0, 0, 0), "bad_topic"),
        (message("spBv1.0/works/DDATA/edge/M1", b"x" * 100, length=1_000_000), "too_large"),
        (message("spBv1.0/works/DBIRTH/edge/M1", payload(1), flags=RETAINED), "retained"),
        (message("spBv1.0/works/DDATA/edge/M1", b"\xff" * 20), "not_sparkplug"),
        (message("spBv1.0/works/DDATA/edge/M1", payload(1, {"name": "current_u"})[:-3]), "not_sparkplug"),
        (message("spBv1.0/works/DDATA/edge/M1", b""), "not_sparkplug"),
        (message("spBv1.0/works/DDATA/edge/M1", payload(1, {"alias": 4, "float_value": 1.0})), "unknown_alias"),
        (message("spBv1.0/works/DDATA/edge/M1", payload(1, {"float_value": 1.0})), "unnamed_metric"),
        (of_m1({"name": "current_u", "datatype": 12, "string_value": "a lot"}), "not_a_number"),
        (of_m1({"name": "current_u", "datatype": 9, "float_value": math.nan}), "not_a_number"),
        (of_m1({"name": "current_u", "float_value": 1.0, "timestamp": 1 << 63}), "bad_time"),
    ],
)
def test_what_is_not_taken_says_why(sent: Message, reason: str) -> None:
    batch, rejected = decoded(sent)
    assert len(batch) == 0
    assert [(entry.reason, entry.source, entry.received_at) for entry in rejected] == [(reason, "field", NOW)]
    assert rejected[0].detail
    assert rejected[0].raw == sent[1][:4096]


def test_one_message_does_not_flood_quarantine() -> None:
    sent = message("spBv1.0/works/DDATA/edge/M1", payload(1, *({"alias": n, "float_value": 1.0} for n in range(500))))
    _, rejected = decoded(sent)
    assert len(rejected) == 1
    assert "490 more metrics" in rejected[0].detail


@given(st.lists(st.tuples(st.sampled_from(["NBIRTH/e", "DDATA/e/M1", "NDEATH/e", "x"]), st.binary(max_size=60))))
def test_rubbish_never_raises(rubbish: list[tuple[str, bytes]]) -> None:
    messages = [message(f"spBv1.0/works/{place}", data) for place, data in rubbish]
    batch, _ = decoded(*messages)
    assert len(batch) == 0


def test_own_state_is_kept_apart_and_what_was_retained_is_old() -> None:
    host = HostState("brain")
    assert host.will(NOW).payload == b'{"online":false,"timestamp":%d}' % NOW_MS
    decoder = SparkplugDecoder(source(host_id="brain"), host.topic)
    said = host.offline(NOW)
    decoder.add_all([message(host.topic, said, RETAINED), message(host.topic, said)], NOW, DIRECTORY)
    batch, rejected = decoder.finish()
    assert (len(batch), rejected, decoder.states) == (0, [], [said])
    assert [host.is_denied_by(words) for words in (said, b"offline", host.online())] == [True, True, False]


@pytest.mark.parametrize(
    "options",
    [
        {"url": "http://x"},
        {"patterns": []},
        {"patterns": ["{site}/{machine}"]},
        {"groups": ["a/b"]},
        {"groups": [""]},
        {"host_id": "brain/#"},
        {"ca_file": "x.pem"},
    ],
)
def test_settings_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        source(**options)
