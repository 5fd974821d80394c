"""The native payload: any bytes are taken, good values are kept, and nothing is left uncounted."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.mqtt_packets import Message
from collectors.native import NativeDecoder
from plant import Batch, MachineEntry, Quality, Rejected, SignalDirectory

TOPIC = "ib/v1/works/M1/readings"
SIGNALS = {"current_u": 1, "winding_temperature": 2, "running": 3}
DIRECTORY = SignalDirectory([MachineEntry("works", "line-1", "M1", "motor", SIGNALS)])
RECEIVED = 1_795_161_600_000_000


def decoded(payload: bytes | str, topic: str = TOPIC, **options: Any) -> tuple[Batch, list[Rejected]]:
    """What becomes of a message, alike whether its topic is known already or not."""
    data = payload.encode() if isinstance(payload, str) else payload
    decoder = NativeDecoder("mqtt", max_payload=262_144)
    found = []
    for _ in range(2):
        decoder.add_all([message(data, topic, **options)], RECEIVED, DIRECTORY)
        found.append(decoder.finish())
    (first, first_rejected), (batch, rejected) = found
    assert rows(first) == rows(batch) or np.isnan(first.values).any()
    assert np.array_equal(first.times, batch.times)
    assert first_rejected == rejected
    return batch, rejected


def message(payload: bytes, topic: str = TOPIC, *, length: int | None = None, retained: bool = False) -> Message:
    return topic.encode(), payload, len(payload) if length is None else length, 1, 2 | retained


def rows(batch: Batch) -> list[tuple[int, float, int]]:
    return list(zip(batch.signal_ids.tolist(), batch.values.tolist(), batch.qualities.tolist(), strict=True))


def test_values_of_a_message_become_rows_of_one_time() -> None:
    batch, rejected = decoded(
        '{"time": "2026-11-20T08:00:00.123Z", "values": {"current_u": 12.3, "running": true},'
        ' "quality": {"current_u": "uncertain"}}'
    )
    assert rows(batch) == [(1, 12.3, Quality.UNCERTAIN), (3, 1.0, Quality.GOOD)]
    assert batch.times.tolist() == [1_795_161_600_123_000] * 2
    assert rejected == []


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ('"2026-11-20T08:00:00Z"', 1_795_161_600_000_000),
        ('"2026-11-20T16:00:00+08:00"', 1_795_161_600_000_000),
        ('"2026-11-20t08:00:00.5z"', 1_795_161_600_500_000),
        ('"2026-11-20T08:00:00.123456789Z"', 1_795_161_600_123_456),
        ("1795161600123", 1_795_161_600_123_000),
        ("1795161600123.5", 1_795_161_600_123_500),
        ("0", 0),  # too old, but that is not for the decoder to say
        ("-1000", -1_000_000),
    ],
)
def test_times(time: str, expected: int) -> None:
    batch, _ = decoded(f'{{"time": {time}, "values": {{"current_u": 1}}}}')
    assert batch.times.tolist() == [expected]


@pytest.mark.parametrize(
    "time",
    [
        '"2026-11-20T08:00:00"',  # no zone
        '"2026-11-20"',
        '"yesterday"',
        '""',
        "null",
        "true",
        "[]",
        "1e300",
        "-1e18",
        "253402300800000",  # year 10000
        '"9999-12-31T23:59:59Z"',
        '"0001-01-01T00:00:00+23:59"',
        "1e400",
        "NaN",
        "9" * 400,
    ],
)
def test_a_time_that_is_none_costs_the_object_only(time: str) -> None:
    batch, rejected = decoded(
        f'[{{"time": {time}, "values": {{"current_u": 1}}}}, {{"time": 5000, "values": {{"current_u": 2}}}}]'
    )
    assert [entry.reason for entry in rejected] == ["bad_time"]
    assert rows(batch) == [(1, 2.0, 0)]


def test_without_a_time_the_time_of_arrival_counts() -> None:
    batch, _ = decoded('{"values": {"current_u": 1}}')
    assert batch.times.tolist() == [RECEIVED]


def test_a_retained_message_must_say_when_it_was_measured() -> None:
    batch, rejected = decoded('{"values": {"current_u": 1}}', retained=True)
    assert (len(batch), [entry.reason for entry in rejected]) == (0, ["bad_time"])
    batch, rejected = decoded('{"time": 5000, "values": {"current_u": 1}}', retained=True)
    assert (len(batch), rejected) == (1, [])


@pytest.mark.parametrize("value", ["null", '"12"', "NaN", "Infinity", "-Infinity", "1e400", "[1]", "{}", "9" * 400])
def test_a_value_that_is_no_number_costs_that_signal_only(value: str) -> None:
    batch, rejected = decoded(f'{{"values": {{"current_u": 1.5, "winding_temperature": {value}, "running": false}}}}')
    assert rows(batch) == [(1, 1.5, 0), (3, 0.0, 0)]
    assert [entry.reason for entry in rejected] == ["not_a_number"]
    assert "winding_temperature" in rejected[0].detail


def test_a_bad_value_may_be_missing() -> None:
    batch, rejected = decoded('{"values": {"current_u": null}, "quality": {"current_u": "bad"}}')
    assert rejected == []
    assert math.isnan(batch.values[0])
    assert batch.qualities.tolist() == [Quality.BAD]


def test_an_unknown_signal_costs_itself_only() -> None:
    batch, rejected = decoded('{"values": {"current_u": 1, "colour": 2, "running": true}}')
    assert rows(batch) == [(1, 1.0, 0), (3, 1.0, 0)]
    assert [(entry.reason, entry.address) for entry in rejected] == [("unknown_signal", TOPIC)]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("ib/v1/works/M1", b"{}", "bad_topic"),
        ("ib/v2/works/M1/readings", b"{}", "bad_topic"),
        ("ib/v1/works/line/M1/readings", b"{}", "bad_topic"),
        ("(not UTF-8)", b"{}", "bad_topic"),
        ("ib/v1/works/M9/readings", b"{}", "unknown_machine"),
        ("ib/v1/elsewhere/M1/readings", b"{}", "unknown_machine"),
        (TOPIC, b"", "not_json"),
        (TOPIC, b"{", "not_json"),
        (TOPIC, b"\xff\xfe", "not_json"),
        (TOPIC, b"[" * 100_000, "not_json"),
        (TOPIC, b"7", "bad_shape"),
        (TOPIC, b"{}", "bad_shape"),
        (TOPIC, b'{"values": null}', "bad_shape"),
        (TOPIC, b'{"values": {"current_u": 1}, "quality": "good"}', "bad_quality"),
        (TOPIC, b'{"values": {"current_u": 1}, "quality": {"current_u": "fine"}}', "bad_quality"),
        (TOPIC, b'{"values": {"current_u": 1}, "quality": {"current_u": 0}}', "bad_quality"),
        (TOPIC, b" " * 262_145, "too_large"),
    ],
)
def test_reasons(topic: str, payload: bytes, reason: str) -> None:
    batch, rejected = decoded(payload, topic)
    assert len(batch) == 0
    assert [entry.reason for entry in rejected] == [reason]
    assert rejected[0].raw == payload[:4096]
    assert rejected[0].received_at == RECEIVED


def test_a_message_cut_on_arrival_says_how_long_it_was() -> None:
    _, rejected = decoded(b"x" * 4096, length=2_000_000)
    assert (rejected[0].reason, "2,000,000" in rejected[0].detail) == ("too_large", True)


def test_a_message_of_nothing_but_errors_does_not_flood_the_quarantine() -> None:
    _, rejected = decoded(json.dumps({"values": {f"unknown_{n}": n for n in range(5000)}}))
    assert len(rejected) == 50
    assert "4,950 more" in rejected[-1].detail
    assert sum(len(entry.raw) for entry in rejected) <= 50 * 4096


def test_texts_can_be_stored_whatever_the_device_sent() -> None:
    _, rejected = decoded(b'{"values": {"a\\u0000b": 1, "\\ud800": 2}}')
    _, more = decoded(b"{}", "ib/v1/\x00/\x07")
    assert [entry.reason for entry in rejected] == ["unknown_signal"] * 2
    for entry in [*rejected, *more]:
        text = entry.detail + entry.address
        assert "\x00" not in text
        text.encode()


def test_every_row_knows_the_message_it_came_from() -> None:
    decoder = NativeDecoder("mqtt", max_payload=1000)
    payloads = [b'{"values": {"current_u": 1, "running": 0}}', b"broken", b'[{"values": {"current_u": 2}}]']
    for number, payload in enumerate(payloads):
        decoder.add_all([message(payload)], RECEIVED + number, DIRECTORY)
    batch, rejected = decoder.finish()
    assert batch.origins is not None
    assert [batch.origins.of_row(row)[1] for row in range(3)] == [payloads[0], payloads[0], payloads[2]]
    assert rejected[0].raw == b"broken"
    again, nothing = decoder.finish()
    assert (len(again), nothing) == (0, [])


def test_columns_are_what_a_batch_asks_for() -> None:
    batch, _ = decoded('{"values": {"current_u": 1, "running": true}}')
    assert [column.dtype for column in (batch.times, batch.signal_ids, batch.values, batch.qualities)] == [
        np.dtype(kind) for kind in (np.int64, np.int32, np.float64, np.int16)
    ]


# ---------------------------------------------------------------------- whatever a device sends

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([*SIGNALS, "colour"]) | st.text(max_size=4)
objects = st.fixed_dictionaries(
    {},
    optional={
        "time": json_values | st.sampled_from(["2026-11-20T08:00:00Z", 1795161600123]),
        "values": st.dictionaries(keys, json_values, max_size=5) | json_values,
        "quality": st.dictionaries(keys, st.sampled_from(["good", "bad", "fine", None]), max_size=3) | json_values,
    },
)


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_bytes_on_any_topic_are_taken(payload: bytes, topic: str) -> None:
    for name in (topic, TOPIC):
        batch, rejected = decoded(payload, name)
        assert len(batch) or rejected or payload.split() in ([b"[]"], [b"[", b"]"])


@given(st.lists(objects, max_size=6), st.booleans())
def test_every_value_is_a_row_or_a_rejection(messages: list[dict[str, Any]], retained: bool) -> None:
    counts = []
    for entry in messages:
        batch, rejected = decoded(json.dumps(entry), retained=retained)
        values = entry.get("values")
        refused_whole = (
            not isinstance(values, dict)
            or any(refused.reason == "bad_time" for refused in rejected)
            or (bool(entry.get("quality")) and not isinstance(entry["quality"], dict))
        )
        if refused_whole:
            assert (len(batch), len(rejected)) == (0, 1)
        else:
            assert isinstance(values, dict)
            assert len(batch) + len(rejected) == len(values)
        assert np.isfinite(batch.values[batch.qualities != Quality.BAD]).all()
        counts.append((len(batch), len(rejected)))
    # Together in one message they are what they are alone.
    batch, rejected = decoded(json.dumps(messages), retained=retained)
    assert (len(batch), len(rejected)) == (sum(rows for rows, _ in counts), sum(refused for _, refused in counts))


@given(
    st.lists(
        st.dictionaries(st.sampled_from([*SIGNALS]), st.floats(allow_nan=False, allow_infinity=False), min_size=1),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.binary(max_size=20), max_size=5),
)
def test_good_messages_are_kept_whole_between_bad_ones(good: list[dict[str, float]], bad: list[bytes]) -> None:
    decoder = NativeDecoder("mqtt", max_payload=1000)
    expected = []
    for number, values in enumerate(good):
        if number < len(bad):
            decoder.add_all([message(bad[number], f"ib/v1/works/M1/{bad[number].hex()}")], RECEIVED, DIRECTORY)
        decoder.add_all([message(json.dumps({"time": number, "values": values}).encode())], RECEIVED, DIRECTORY)
        expected += [(number * 1000, SIGNALS[key], value) for key, value in values.items()]
    batch, rejected = decoder.finish()
    assert list(zip(batch.times.tolist(), batch.signal_ids.tolist(), batch.values.tolist(), strict=True)) == expected
    assert len(rejected) == min(len(good), len(bad))


def test_a_value_nested_as_deep_as_json_may_be_is_refused_like_any_other() -> None:
    _, rejected = decoded(b'{"values": {"current_u": ' + b"[" * 1000 + b"]" * 1000 + b"}}")
    assert [entry.reason for entry in rejected] == ["not_a_number"]
