"""A gateway's batch: whatever goes in comes out to the last bit, and whatever arrives breaks nothing."""

import zlib
from collections import defaultdict
from collections.abc import Sequence

import msgspec
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.edge import EdgeDecoder, edge_topic
from collectors.edge_batch import (
    _HEADER,
    MAX_BODY,
    EdgeBatch,
    EdgeBatchError,
    _Body,
    decode_edge_batch,
    encode_edge_batch,
)
from collectors.refusals import OtherMessage
from plant import MachineEntry, Rejected, SignalDirectory

SIGNALS = {"current_u": 1, "speed": 2}
DIRECTORY = SignalDirectory([MachineEntry("works", "line-1", "M1", "motor", SIGNALS)], {"gw-1": "works"})
TOPIC = edge_topic("works", "gw-1")
NOW = 1_763_700_000_000_000

MOMENTS = st.one_of(
    st.integers(NOW - 10**12, NOW),
    st.integers(0, 600).map(lambda second: NOW + second * 1_000_000),
    st.integers(-(2**63), 2**63 - 1),
)
VALUES = st.one_of(
    st.floats(width=64),
    st.floats(width=32),
    st.decimals(-10_000, 10_000, places=2, allow_nan=False).map(float),
    st.sampled_from([0.0, -0.0, 1.0, float("nan"), float("inf"), 5e-324, 2.0**53, 1e300]),
)
READINGS = st.lists(st.tuples(MOMENTS, VALUES, st.sampled_from([0, 0, 0, 1, 2])), min_size=1, max_size=12)
NAMES = st.text(min_size=1, max_size=8)
REJECTED = st.builds(Rejected, NAMES, NAMES, NAMES, NAMES, st.binary(max_size=50), st.integers(-(2**63), 2**63 - 1))
BATCHES = st.dictionaries(st.tuples(NAMES, NAMES), READINGS, max_size=8)


def batch_of(
    series: dict[tuple[str, str], list[tuple[int, float, int]]], rejected: Sequence[Rejected] = ()
) -> EdgeBatch:
    rows = [row for readings in series.values() for row in readings]
    return EdgeBatch(
        list(series),
        np.array([len(readings) for readings in series.values()], np.int64),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float64),
        np.array([row[2] for row in rows], np.int16),
        list(rejected),
    )


def series_of(batch: EdgeBatch) -> dict[tuple[str, str], list[tuple[int, int, int]]]:
    """Readings by name, in order, values as their bits."""
    found = defaultdict(list)
    bits = batch.values.view(np.int64).tolist()
    row = 0
    for name, count in zip(batch.names, batch.rows.tolist(), strict=True):
        for _ in range(count):
            found[name].append((int(batch.times[row]), bits[row], int(batch.qualities[row])))
            row += 1
    assert row == len(batch)
    return dict(found)


@given(BATCHES, st.lists(REJECTED, max_size=3))
@settings(max_examples=400)
def test_any_batch_comes_back_to_the_last_bit(
    series: dict[tuple[str, str], list[tuple[int, float, int]]], rejected: list[Rejected]
) -> None:
    batch = batch_of(series, rejected)
    again = decode_edge_batch(encode_edge_batch(batch))
    assert series_of(again) == series_of(batch)
    assert again.rejected == rejected


def test_what_machines_send_takes_few_bytes() -> None:
    rng = np.random.default_rng(7)
    steps = np.round(rng.normal(20, 3, (20, 4, 60)), 2)
    series = {
        (f"M{machine}", f"signal_{signal}"): [
            (NOW + machine * 1000 + second * 1_000_000, float(value), 0) for second, value in enumerate(values)
        ]
        for machine, signals in enumerate(steps)
        for signal, values in enumerate(signals)
    }
    payload = encode_edge_batch(batch_of(series))
    # Two bytes of every value are noise; times, names and the rest must cost next to nothing beside them.
    assert len(payload) / (20 * 4 * 60) < 2.2


def damaged(payload: bytes, change: object) -> bytes:
    """The payload with some fields of its body replaced."""
    body = msgspec.msgpack.decode(zlib.decompress(payload[_HEADER.size :]), type=_Body)
    content = msgspec.msgpack.encode(msgspec.structs.replace(body, **change))  # type: ignore[arg-type]
    return _HEADER.pack(b"IBE", 1, len(content)) + zlib.compress(content)


USUAL = encode_edge_batch(batch_of({("M1", "current_u"): [(NOW, 1.5, 0), (NOW + 1, 2.5, 1)]}))
COLUMNS = [name for name in _Body.__struct_fields__ if _Body.__annotations__[name] is bytes]


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=60).map(lambda tail: USUAL[:8] + tail)))
@settings(max_examples=300)
def test_any_bytes_are_a_batch_or_an_error(payload: bytes) -> None:
    with pytest.raises(EdgeBatchError):
        decode_edge_batch(payload)


@given(st.dictionaries(st.sampled_from(COLUMNS), st.binary(max_size=18), min_size=1, max_size=3))
@settings(max_examples=600)
def test_any_columns_are_a_batch_or_an_error(columns: dict[str, bytes]) -> None:
    try:
        batch = decode_edge_batch(damaged(USUAL, columns))
    except EdgeBatchError:
        return
    assert int(batch.rows.sum()) == len(batch) == len(batch.values) == len(batch.qualities)
    assert len(batch.names) == len(batch.rows)


@given(st.integers(0, len(USUAL) - 1), st.integers(1, 255))
@settings(max_examples=200)
def test_a_flipped_byte_is_found(place: int, by: int) -> None:
    payload = bytearray(USUAL)
    payload[place] ^= by
    try:
        again = decode_edge_batch(bytes(payload))
    except EdgeBatchError:
        return
    assert series_of(again) == series_of(decode_edge_batch(USUAL))  # bits of the compression that mean nothing


def test_what_unpacks_to_too_much_is_not_unpacked() -> None:
    bomb = zlib.compress(bytes(50_000_000))
    for claimed in (100, MAX_BODY, MAX_BODY + 1):
        with pytest.raises(EdgeBatchError):
            decode_edge_batch(_HEADER.pack(b"IBE", 1, claimed) + bomb)


def test_another_version_is_named() -> None:
    with pytest.raises(EdgeBatchError, match="version 2"):
        decode_edge_batch(USUAL[:3] + b"\x02" + USUAL[4:])


# ------------------------------------------------------------------ the decoder behind the topic


def decoded(payload: bytes, topic: str = TOPIC) -> tuple[object, list[Rejected]]:
    decoder = EdgeDecoder("field", 262_144)
    taken = decoder.add(OtherMessage(topic, payload, len(payload), NOW), DIRECTORY)
    assert taken
    return decoder.finish()


def test_names_become_signals_and_the_rest_is_refused_with_its_readings() -> None:
    series = {
        ("M1", "current_u"): [(NOW, 1.5, 0)],
        ("M1", "colour"): [(NOW, 2.5, 0)],
        ("M9", "speed"): [(NOW, 3.5, 0), (NOW + 1000, 4.5, 0)],
        ("M1", "speed"): [(NOW, 5.5, 2)],
    }
    batch, rejected = decoded(encode_edge_batch(batch_of(series)))
    rows = zip(batch.signal_ids.tolist(), batch.values.tolist(), batch.qualities.tolist(), strict=True)
    assert sorted(rows) == [(1, 1.5, 0), (2, 5.5, 2)]
    assert sorted(entry.reason for entry in rejected) == ["unknown_machine", "unknown_signal"]
    kept = next(entry for entry in rejected if entry.reason == "unknown_machine")
    assert orjson.loads(kept.raw) == [
        {"time": NOW / 1000, "values": {"speed": 3.5}},
        {"time": NOW / 1000 + 1, "values": {"speed": 4.5}},
    ]


def test_what_the_gateway_refused_reaches_quarantine() -> None:
    entry = Rejected("plc", "ib/v1/works/M1/readings", "not_json", "not JSON", b"{", NOW - 5)
    _, rejected = decoded(encode_edge_batch(batch_of({}, [entry])))
    assert rejected == [Rejected("gw-1/plc", entry.address, "not_json", "not JSON", b"{", NOW - 5)]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (edge_topic("works", "gw-2"), "unknown_gateway"),
        (edge_topic("elsewhere", "gw-1"), "foreign_site"),
        (TOPIC, "bad_batch"),
    ],
)
def test_only_a_known_gateway_speaks_and_only_for_its_site(topic: str, reason: str) -> None:
    payload = USUAL if topic != TOPIC else USUAL[:-1]
    batch, rejected = decoded(payload, topic)
    assert len(batch) == 0
    assert [entry.reason for entry in rejected] == [reason]
    # It may be another tenant's.
    assert (rejected[0].raw == b"") == (reason == "unknown_gateway")


def test_a_message_that_was_cut_is_too_large() -> None:
    decoder = EdgeDecoder("field", 262_144)
    decoder.add(OtherMessage(TOPIC, USUAL[:20], 300_000, NOW), DIRECTORY)
    assert [entry.reason for entry in decoder.finish()[1]] == ["too_large"]


@pytest.mark.parametrize("topic", ["ib/v1/works/M1/readings", "ib/v1/works/edge/gw-1/state", "factory/1"])
def test_other_topics_are_left_to_others(topic: str) -> None:
    assert not EdgeDecoder("field", 262_144).add(OtherMessage(topic, b"", 0, NOW), DIRECTORY)


def test_the_directory_is_remembered_with_its_gateways() -> None:
    again = SignalDirectory.from_json(DIRECTORY.to_json())
    assert again.gateways == {"gw-1": "works"}
    assert again.signal_id("works", "M1", "speed") == 2
    before = msgspec.json.encode(list(DIRECTORY))
    assert SignalDirectory.from_json(before).gateways == {}
