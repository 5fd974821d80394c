"""Foreign JSON: shapes that boxes and gateways really send, and anything else."""

import json
import math
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collectors import Mapping, MqttSource, try_mapping
from collectors.mapped import MappedDecoder
from collectors.mapping import topic_filter
from collectors.refusals import OtherMessage
from plant import Batch, MachineEntry, Quality, Rejected, SignalDirectory

SIGNALS = {"current_u": 1, "winding_temperature": 2, "running": 3, "voltage_uv": 4, "speed": 5, "power_factor": 6}
DIRECTORY = SignalDirectory(
    [
        MachineEntry("works", "line-1", "M1", "motor", SIGNALS),
        MachineEntry("works", "line-1", "M2", "motor", {key: number + 10 for key, number in SIGNALS.items()}),
    ]
)
RECEIVED = 1_795_161_700_000_000
MOMENT = 1_795_161_600_000_000  # 2026-11-20T08:00:00Z
GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD

FLAT = """
topic = "factory/{site}/{machine}/telemetry"
values = [
  { path = "Ia", signal = "current_u" },
  { path = "T1", signal = "winding_temperature" },
  { path = "run", signal = "running" },
]
"""
NAMED_LIST = """
topic = "gw/{machine}/data"
site = "works"
each = "d"
signal_path = "tag"
values = [{ name = "Ia", signal = "current_u" }, { name = "Tw", signal = "winding_temperature" }]
"""

# What it is, mapping, topic, payload, (signal id, value, quality, time), reasons of what is rejected.
SHAPES: list[tuple[str, str, str, str, list[tuple[int, float, Quality, int]], list[str]]] = [
    (
        "a flat object, time of arrival",
        FLAT,
        "factory/works/M1/telemetry",
        '{"Ia": 12.5, "T1": 80, "run": true, "fw": "1.2"}',
        [(1, 12.5, GOOD, RECEIVED), (2, 80.0, GOOD, RECEIVED), (3, 1.0, GOOD, RECEIVED)],
        [],
    ),
    (
        "nested, with units and an RFC 3339 time",
        """
        topic = "plant/{any}/motor/{machine}"
        site = "works"
        time_path = "$.header.timestamp"
        values = [
          { path = "body.elec['phase A'].amps", signal = "current_u", unit = "kA" },
          { path = "body.temps[0]", signal = "winding_temperature", unit = "degF" },
          { path = "body.temps[-1]", signal = "speed", factor = 10 },
        ]""",
        "plant/hall-3/motor/M1",
        (
            '{"header": {"timestamp": "2026-11-20T16:00:00+08:00"},'
            ' "body": {"elec": {"phase A": {"amps": 0.0125}}, "temps": [212, 0, 148]}}'
        ),
        [(1, 12.5, GOOD, MOMENT), (2, 100.0, GOOD, MOMENT), (5, 1480.0, GOOD, MOMENT)],
        [],
    ),
    (
        "a list of names and values, one of them unknown",
        NAMED_LIST,
        "gw/M1/data",
        '{"ts": 1, "d": [{"tag": "Ia", "value": 1.5}, {"tag": "Tw", "value": 70}, {"tag": "Xyz", "value": 3}]}',
        [(1, 1.5, GOOD, RECEIVED), (2, 70.0, GOOD, RECEIVED)],
        ["unknown_signal"],
    ),
    (
        "an array of records, epoch seconds",
        FLAT + 'time_path = "ts"\ntime_format = "epoch_s"',
        "factory/works/M1/telemetry",
        '[{"ts": 1795161600, "Ia": 1}, {"ts": "soon", "Ia": 2}, {"ts": 1795161601.5, "Ia": 3}]',
        [(1, 1.0, GOOD, MOMENT), (1, 3.0, GOOD, MOMENT + 1_500_000)],
        ["bad_time"],
    ),
    (
        "a Modbus gateway: devices with tags, times in milliseconds",
        """
        topic = "modbus/{site}/up"
        each = ["devices", "tags"]
        machine_path = "^id"
        machines = { 2 = "M2" }
        signal_path = "name"
        time_path = "ts"
        time_format = "epoch_ms"
        values = [{ name = "Ia", signal = "current_u", factor = 0.1 }, { name = "U", signal = "voltage_uv" }]""",
        "modbus/works/up",
        (
            '{"devices": [{"id": "M1", "tags": [{"name": "Ia", "value": 123, "ts": 1795161600000},'
            ' {"name": "U", "value": 401.5, "ts": 1795161600500}]},'
            ' {"id": 2, "tags": [{"name": "Ia", "value": 456, "ts": 1795161601000}]},'
            ' {"id": "M9", "tags": [{"name": "Ia", "value": 7, "ts": 1795161601000}]}]}'
        ),
        [(1, 12.3, GOOD, MOMENT), (4, 401.5, GOOD, MOMENT + 500_000), (11, 45.6, GOOD, MOMENT + 1_000_000)],
        ["unknown_machine"],
    ),
    (
        "numbers as text",
        FLAT.replace("values", "text_numbers = true\nvalues", 1),
        "factory/works/M1/telemetry",
        '{"Ia": "12.3", "T1": " 80 ", "run": "yes"}',
        [(1, 12.3, GOOD, RECEIVED), (2, 80.0, GOOD, RECEIVED)],
        ["not_a_number"],
    ),
    (
        "numbers as text where nobody has said so",
        FLAT,
        "factory/works/M1/telemetry",
        '{"Ia": "12.3", "T1": 80}',
        [(2, 80.0, GOOD, RECEIVED)],
        ["not_a_number"],
    ),
    (
        "a state as a word, or a number",
        """
        topic = "box/M1"
        site = "works"
        machine = "M1"
        values = [
          { path = "status", signal = "running", enum = { RUN = true, STOP = false, 3 = true } },
          { path = "mode", signal = "speed", enum = { slow = 750, fast = 1500 } },
        ]""",
        "box/M1",
        '[{"status": "RUN", "mode": "fast"}, {"status": "STOP"}, {"status": 3.0}, {"status": "FAULT"}, {"status": []}]',
        [
            (3, 1.0, GOOD, RECEIVED),
            (5, 1500.0, GOOD, RECEIVED),
            (3, 0.0, GOOD, RECEIVED),
            (3, 1.0, GOOD, RECEIVED),
        ],
        ["not_a_number"] * 2,
    ),
    (
        "local times, one of an hour that comes twice",
        FLAT + 'time_path = "t"\ntime_format = "%d.%m.%Y %H:%M:%S"\ntime_zone = "Europe/Berlin"',
        "factory/works/M1/telemetry",
        '[{"t": "20.11.2026 09:00:00", "Ia": 1}, {"t": "25.10.2026 02:30:00", "Ia": 2}]',
        [(1, 1.0, GOOD, MOMENT)],
        ["bad_time"],
    ),
    (
        "an OPC gateway: one name for machine and tag, quality as a number",
        """
        topic = "iotgateway"
        site = "works"
        each = "values"
        signal_path = "id"
        value_path = "v"
        time_path = "t"
        time_format = "epoch_ms"
        quality_path = "q"
        qualities = { true = "good", false = "bad", 64 = "uncertain" }
        ignore_others = true
        values = [
          { name = "Ch1.Dev1.Ia", machine = "M1", signal = "current_u" },
          { name = "Ch1.Dev2.Ia", machine = "M2", signal = "current_u" },
        ]""",
        "iotgateway",
        (
            '{"timestamp": 1, "values": [{"id": "Ch1.Dev1.Ia", "v": 1, "q": true, "t": 1795161600000},'
            ' {"id": "Ch1.Dev2.Ia", "v": 2, "q": 64, "t": 1795161600000},'
            ' {"id": "Ch1.Dev2.Ia", "v": null, "q": false, "t": 1795161600000},'
            ' {"id": "Ch1.Dev2.Ia", "v": 3, "q": 192, "t": 1795161600000},'
            ' {"id": "Ch1.Dev3.Other", "v": 3, "q": 192, "t": 1795161600000}]}'
        ),
        [(1, 1.0, GOOD, MOMENT), (11, 2.0, UNCERTAIN, MOMENT), (11, math.nan, BAD, MOMENT)],
        ["bad_quality"],
    ),
    (
        "records under their names",
        """
        topic = "plc/{site}"
        each = ["$", "tags"]
        machine_path = "^@key"
        signal_path = "@key"
        value_path = "val" """,
        "plc/works",
        '{"M1": {"tags": {"current_u": {"val": 1}, "speed": {"val": 1480}}}, "M2": {"tags": {"speed": {}}}}',
        [(1, 1.0, GOOD, RECEIVED), (5, 1480.0, GOOD, RECEIVED)],
        ["bad_shape"],
    ),
    (
        "one topic a value, the payload is the number",
        """
        topic = "{site}/{machine}/{signal}"
        value_path = "$"
        values = [{ name = "cosphi", signal = "power_factor", unit = "%" }]""",
        "works/M1/cosphi",
        "87",
        [(6, 0.87, GOOD, RECEIVED)],
        [],
    ),
    (
        "rows without names",
        """
        topic = "csvbox/{machine}"
        site = "works"
        each = "rows"
        time_path = "[0]"
        time_format = "epoch_s"
        values = [{ path = "[1]", signal = "current_u" }, { path = "[2]", signal = "voltage_uv", unit = "mV" }]""",
        "csvbox/M2",
        '{"rows": [[1795161600, 5, 400000], [1795161601, null, 401000], 7]}',
        [(11, 5.0, GOOD, MOMENT), (14, 400.0, GOOD, MOMENT), (14, 401.0, GOOD, MOMENT + 1_000_000)],
        ["bad_shape", "not_a_number"],
    ),
]


def mapping_of(text: str) -> Mapping:
    return Mapping.model_validate(tomllib.loads(text))


def decoded(
    mapping: Mapping, topic: str, payload: bytes, *, retained: bool = False, length: int | None = None
) -> tuple[Batch, list[Rejected]]:
    decoder = MappedDecoder("mqtt", 262_144, [mapping])
    found = []
    for _ in range(2):  # the second time everything is remembered
        size = len(payload) if length is None else length
        assert decoder.add(OtherMessage(topic, payload, size, RECEIVED, retained), DIRECTORY)
        found.append(decoder.finish())
    (first, first_rejected), (batch, rejected) = found
    assert repr(first) == repr(batch) or len(batch) > 500
    assert first_rejected == rejected
    return batch, rejected


@pytest.mark.parametrize(("text", "topic", "payload", "rows", "reasons"), [entry[1:] for entry in SHAPES])
def test_shapes(
    text: str, topic: str, payload: str, rows: list[tuple[int, float, Quality, int]], reasons: list[str]
) -> None:
    batch, rejected = decoded(mapping_of(text), topic, payload.encode())
    found = list(zip(batch.signal_ids.tolist(), batch.qualities.tolist(), batch.times.tolist(), strict=True))
    assert found == [(id_, quality, time) for id_, _, quality, time in rows]
    assert batch.values.tolist() == pytest.approx([value for _, value, _, _ in rows], nan_ok=True)
    assert sorted(entry.reason for entry in rejected) == reasons
    for entry in rejected:
        assert (entry.source, entry.address, entry.raw, entry.received_at) == (
            "mqtt",
            topic,
            payload.encode()[:4096],
            RECEIVED,
        )
    if rows:
        assert batch.origins is not None
        assert batch.origins.of_row(len(rows) - 1) == (topic, payload.encode())


@pytest.mark.parametrize(("text", "topic", "payload", "rows", "reasons"), [entry[1:] for entry in SHAPES])
def test_trying_out_shows_what_would_be_stored(
    text: str, topic: str, payload: str, rows: list[Any], reasons: list[str]
) -> None:
    trial = try_mapping(mapping_of(text), topic, payload.encode(), DIRECTORY, received_at=RECEIVED)
    assert trial.matches
    values = [reading.value for reading in trial.readings]
    assert values == pytest.approx([value for _, value, _, _ in rows], nan_ok=True)
    assert sorted(entry.reason for entry in trial.rejected) == reasons


def test_trying_out_without_a_plant_names_units_and_what_nothing_reads() -> None:
    mapping = mapping_of(SHAPES[1][1])
    payload = json.loads(SHAPES[1][3])
    payload["body"]["serial"] = "X1"
    payload["alarms"] = [{"code": 1}, {"code": 2}]
    trial = try_mapping(mapping, "plant/hall-3/motor/anything", json.dumps(payload).encode(), None, received_at=0)
    assert [
        (reading.machine, reading.signal, reading.raw, reading.value, reading.unit) for reading in trial.readings
    ] == [
        ("anything", "current_u", 0.0125, 12.5, "A"),
        ("anything", "winding_temperature", 212, pytest.approx(100), "Cel"),
        ("anything", "speed", 148, 1480, "1/min"),
    ]
    assert next(reading.path for reading in trial.readings) == "$.body.elec['phase A'].amps"
    assert trial.unmapped == ("$.body.temps[*]", "$.body.serial", "$.alarms[*].code")


def test_a_message_that_was_cut_is_said_to_be_too_large() -> None:
    trial = try_mapping(mapping_of(FLAT), "factory/works/M1/telemetry", b"{", None, received_at=0, length=2_000_000)
    assert [entry.reason for entry in trial.rejected] == ["too_large"]


def test_a_topic_of_another_pattern_does_not_match() -> None:
    assert not try_mapping(mapping_of(FLAT), "factory/works/M1", b"{}", None, received_at=0).matches


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 5000, "not_json"),
        (b"7", "bad_shape"),
        (b"{}", "bad_shape"),
        (b'"text"', "bad_shape"),
        (b'{"Ia": ' + b"[" * 900 + b"]" * 900 + b"}", "not_a_number"),
        (b'{"Ia": NaN}', "not_a_number"),
        (b'{"Ia": 1e400}', "not_a_number"),
        (b'{"Ia": ' + b"9" * 400 + b"}", "not_a_number"),
    ],
)
def test_what_is_wrong_is_kept_with_its_reason(payload: bytes, reason: str) -> None:
    batch, rejected = decoded(mapping_of(FLAT), "factory/works/M1/telemetry", payload)
    assert (len(batch), [entry.reason for entry in rejected]) == (0, [reason])


def test_a_large_message_is_refused_as_a_whole() -> None:
    _, rejected = decoded(mapping_of(FLAT), "factory/works/M1/telemetry", b"x" * 4096, length=2_000_000)
    assert (rejected[0].reason, "2,000,000" in rejected[0].detail) == ("too_large", True)


def test_a_retained_message_must_say_when_it_was_measured() -> None:
    _, rejected = decoded(mapping_of(FLAT), "factory/works/M1/telemetry", b'{"Ia": 1}', retained=True)
    assert [entry.reason for entry in rejected] == ["bad_time"]
    timed = mapping_of(FLAT + 'time_path = "ts"\ntime_format = "epoch_s"')
    batch, rejected = decoded(timed, "factory/works/M1/telemetry", b'{"Ia": 1, "ts": 1795161600}', retained=True)
    assert (batch.times.tolist(), rejected) == ([MOMENT], [])


def test_a_time_that_should_be_there_is_not_made_up() -> None:
    timed = mapping_of(FLAT + 'time_path = "ts"\ntime_format = "epoch_s"')
    batch, rejected = decoded(timed, "factory/works/M1/telemetry", b'{"Ia": 1}')
    assert (len(batch), rejected[0].reason, "missing" in rejected[0].detail) == (0, "bad_time", True)


def test_a_unit_that_cannot_be_the_signals_is_refused_by_name() -> None:
    mapping = mapping_of(FLAT.replace('signal = "current_u"', 'signal = "current_u", unit = "mV"'))
    batch, rejected = decoded(mapping, "factory/works/M1/telemetry", b'{"Ia": 1, "T1": 5}')
    assert (len(batch), rejected[0].reason) == (1, "bad_unit")
    assert "'mV' to 'A'" in rejected[0].detail


def test_a_small_message_cannot_make_endless_work_for_the_quarantine() -> None:
    payload = json.dumps({"d": [{"tag": f"unknown {n}", "value": n} for n in range(3000)]}).encode()
    _, rejected = decoded(mapping_of(NAMED_LIST), "gw/M1/data", payload)
    assert len(rejected) == 50
    assert "2,950 more" in rejected[-1].detail


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"topic": "factory/+/telemetry"}, "no \\+ and #"),
        ({"topic": "factory/{plant}"}, "{any}"),
        ({"topic": "a/{machine}-x"}, "one level"),
        ({"topic": "{machine}/{machine}"}, "twice"),
        ({"topic": "ib/v1/{site}/{machine}/readings"}, "native"),
        ({"topic": "$share/x/{machine}"}, "share"),
        ({"topic": ""}, "topic"),
        ({"site": ""}, "nothing says the site"),
        ({"topic": "a"}, "nothing says the machine"),
        ({"values": []}, "nothing is mapped"),
        ({"values": [{"signal": "speed"}]}, "path"),
        ({"values": [{"signal": "speed", "path": "a", "name": "b"}]}, "signal_path"),
        ({"signal_path": "n"}, "name"),
        ({"values": [{"signal": "speed", "path": "a[*]"}]}, "wildcards"),
        ({"values": [{"signal": "speed", "path": "^a"}]}, "outwards"),
        ({"values": [{"signal": "speed", "path": "a", "unit": "furlong"}]}, "furlong"),
        ({"values": [{"signal": "speed", "path": "a", "factor": 0}]}, "factor of 0"),
        ({"values": [{"signal": "speed", "path": "a", "factor": math.inf}]}, "finite"),
        ({"values": [{"signal": "speed", "path": "a", "factor": 2, "enum": {"a": 1}}]}, "enum"),
        ({"time_path": "t", "time_format": "%Y"}, "month"),
        ({"time_zone": "Atlantis"}, "Atlantis"),
        ({"qualities": {"1": "fine"}}, "good"),
        ({"state_topic": "a/{signal}"}, "state"),
        ({"state_topic": "a/b"}, "nothing says the machine"),
        ({"state_topic": "b/{machine}", "online": "x", "offline": "x"}, "differ"),
        ({"state_topic": "a/{machine}"}, "must differ"),
        ({"each": "d[*]"}, "wildcards"),
        ({"each": ["d", "^e"]}, "inwards"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_when_it_is_read(change: dict[str, Any], words: str) -> None:
    right: dict[str, Any] = {"topic": "a/{machine}", "site": "works", "values": [{"path": "v", "signal": "speed"}]}
    Mapping.model_validate(right)
    with pytest.raises(ValidationError, match=words):
        Mapping.model_validate({**right, **change})


def test_what_is_subscribed_to_follows_from_the_mappings() -> None:
    assert topic_filter("a/{site}/{any}/x") == "a/+/+/x"
    source = MqttSource.model_validate(
        {
            "name": "a",
            "url": "mqtt://x",
            "mappings": [tomllib.loads(FLAT), {**tomllib.loads(NAMED_LIST), "state_topic": "gw/{machine}/lwt"}],
        }
    )
    assert source.reading_filters == (
        "ib/v1/+/+/readings",
        "ib/v1/+/edge/+/batch",
        "factory/+/+/telemetry",
        "gw/+/data",
    )
    assert source.state_filters == ("ib/v1/+/+/state", "gw/+/lwt")


# ---------------------------------------------------------------------- whatever comes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["12.3", "RUN"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(["a", "b", "d", "tag", "value", "Ia", "t", "q", "devices", "tags", "id", "name", "ts"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
paths = st.sampled_from(["$", "a", "a.b", "$.d[0]", "[0]", "['c d']", "tag", "Ia", "@key"])
mappings = st.sampled_from([mapping_of(entry[1]) for entry in SHAPES]) | st.builds(
    lambda each, path, time_path, quality_path, text_numbers, enum: Mapping.model_validate(
        {
            "topic": "x",
            "site": "works",
            "machine": "M1",
            "each": [one for one in each if one != "@key"],
            "time_path": time_path,
            "quality_path": quality_path,
            "text_numbers": text_numbers,
            "values": [{"path": path, "signal": "speed", "enum": enum}],
        }
    ),
    st.lists(paths, max_size=2),
    paths,
    st.just("") | paths,
    st.just("") | paths,
    st.booleans(),
    st.dictionaries(st.text(max_size=3), st.floats(-5, 5), max_size=2),
)


@given(mappings, json_values, st.booleans())
def test_any_json_is_taken_and_nothing_raises(mapping: Mapping, content: Any, retained: bool) -> None:
    topic = mapping.topic.format(site="works", machine="M1", signal="speed", any="x")
    batch, rejected = decoded(mapping, topic, json.dumps(content).encode(), retained=retained)
    good = batch.qualities != Quality.BAD
    assert all(math.isfinite(value) for value in batch.values[good])
    for entry in rejected:
        (entry.detail + entry.address).encode()
        assert "\x00" not in entry.detail
    trial = try_mapping(
        mapping, topic, json.dumps(content).encode(), DIRECTORY, received_at=RECEIVED, retained=retained
    )
    assert (len(trial.readings), len(trial.rejected)) == (len(batch), len(rejected))


@given(mappings, st.binary(max_size=100))
def test_any_bytes_are_taken(mapping: Mapping, payload: bytes) -> None:
    decoded(mapping, mapping.topic.format(site="works", machine="M1", signal="speed", any="x"), payload)


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e3) | st.floats(-1e3, -1e-3),
    st.floats(-1e3, 1e3),
    st.sampled_from([("Cel", 1.0, 0.0), ("K", 1.0, -273.15), ("[degF]", 5 / 9, -160 / 9), ("", 1.0, 0.0)]),
)
def test_factor_and_offset_come_before_the_unit(
    raw: float, factor: float, offset: float, unit: tuple[str, float, float]
) -> None:
    code, scale, shift = unit
    mapping = Mapping.model_validate(
        {
            "topic": "x",
            "site": "works",
            "machine": "M1",
            "values": [
                {"path": "v", "signal": "winding_temperature", "factor": factor, "offset": offset, "unit": code}
            ],
        }
    )
    batch, _ = decoded(mapping, "x", json.dumps({"v": raw}).encode())
    stored = float(batch.values[0])
    assert stored == pytest.approx((raw * factor + offset) * scale + shift, rel=1e-9, abs=1e-6)
    assert ((stored - shift) / scale - offset) / factor == pytest.approx(raw, rel=1e-6, abs=1)
