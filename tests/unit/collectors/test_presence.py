"""Who is there: what devices and their last wills say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors import Mapping, MqttSource
from collectors.presence import Presence
from collectors.refusals import OtherMessage
from collectors.routing import RoutingDecoder
from plant import MachineEntry, SignalDirectory

MACHINES = [MachineEntry("works", "line-1", f"M{n}", "motor", {"speed": n}) for n in range(50)]
DIRECTORY = SignalDirectory(MACHINES)
NOW = 1_795_161_700_000_000
LWT = Mapping.model_validate(
    {"site": "works", "state_topic": "tele/{machine}/LWT", "online": "Online", "offline": "Offline"}
)
NUMBERED = Mapping.model_validate(
    {
        "site": "works",
        "state_topic": "st/{machine}",
        "state_path": "s.on",
        "online": "1",
        "offline": "0",
        "machines": {"7": "M7"},
    }
)


def presence() -> Presence:
    return Presence("mqtt", [LWT, NUMBERED])


def say(
    to: Presence, payload: bytes, machine: str = "M1", topic: str = "", *, retained: bool = False, at: int = NOW
) -> None:
    message = OtherMessage(topic or f"ib/v1/works/{machine}/state", payload, len(payload), at, retained)
    assert to.add(message, DIRECTORY)


def since(of: Presence, machine: str = "M1") -> tuple[bool, int | None] | None:
    state = of.state("works", machine)
    return None if state is None else (state.online, state.since)


def test_a_device_comes_and_goes() -> None:
    known = presence()
    say(known, b'{"online": true, "time": 1795161600000}')
    assert (known.online, known.offline, since(known)) == (1, 0, (True, 1_795_161_600_000_000))
    say(known, b'{"online": false}')
    assert (known.online, known.offline, since(known)) == (0, 1, (False, NOW))
    say(known, b'{"online": true}', at=NOW + 5)
    assert (known.online, known.offline, since(known)) == (1, 0, (True, NOW + 5))
    assert known.take_rejected() == []


def test_the_time_of_a_last_will_is_that_of_connecting_and_not_of_going() -> None:
    known = presence()
    say(known, b'{"online": true, "time": "2026-11-20T08:00:01Z"}')
    say(known, b'{"online": false, "time": "2026-11-20T08:00:00Z"}')
    assert since(known) == (False, NOW)


def test_a_state_that_is_told_again_keeps_its_beginning() -> None:
    known = presence()
    say(known, b'{"online": false}')
    say(known, b'{"online": false}', retained=True, at=NOW + 9)
    assert since(known) == (False, NOW)
    say(known, b'{"online": true}', retained=True, at=NOW + 9)
    assert since(known) == (True, None)


def test_other_topics_and_words() -> None:
    known = presence()
    say(known, b"Online", topic="tele/M2/LWT")
    say(known, b'"Offline"', topic="tele/M3/LWT")
    say(known, b'{"s": {"on": 1}}', topic="st/M4")
    say(known, b'{"s": {"on": "0"}}', topic="st/7")
    assert [since(known, name) for name in ("M2", "M3", "M4", "M7")] == [
        (True, NOW),
        (False, NOW),
        (True, NOW),
        (False, NOW),
    ]


@pytest.mark.parametrize(
    ("payload", "topic", "reason"),
    [
        (b"{", "", "not_json"),
        (b"[" * 5000, "", "not_json"),
        (b"[]", "", "bad_shape"),
        (b'{"online": 1}', "", "bad_shape"),
        (b'{"online": true, "time": "yesterday"}', "", "bad_time"),
        (b'{"online": true}', "ib/v1/works/M999/state", "unknown_machine"),
        (b"Gone", "tele/M1/LWT", "bad_shape"),
        (b"\xff", "tele/M1/LWT", "bad_shape"),
        (b"{}", "st/M1", "bad_shape"),
        (b'{"s": {"on": []}}', "st/M1", "bad_shape"),
    ],
)
def test_what_is_no_state_is_kept_with_its_reason(payload: bytes, topic: str, reason: str) -> None:
    known = presence()
    say(known, payload, topic=topic)
    rejected = known.take_rejected()
    assert [(entry.reason, entry.raw, entry.address) for entry in rejected] == [
        (reason, payload[:4096], topic or "ib/v1/works/M1/state")
    ]
    assert (known.online, known.offline) == (0, 0)


def test_a_state_that_is_taken_back_is_forgotten() -> None:
    known = presence()
    say(known, b'{"online": false}')
    say(known, b"")
    assert (since(known), known.offline, known.take_rejected()) == (None, 0, [])


def test_the_list_of_those_that_are_gone_is_short_and_newest_first() -> None:
    known = presence()
    for number in range(30):
        say(known, b'{"online": false}', f"M{number}", at=NOW + number)
    listed = known.newest_offline()
    assert (known.offline, len(listed), listed[0].machine, listed[0].since) == (30, 20, "M29", NOW + 29)


def test_machines_that_are_no_more_are_forgotten() -> None:
    known = presence()
    say(known, b'{"online": false}', "M1")
    say(known, b'{"online": true}', "M2")
    smaller = SignalDirectory(MACHINES[3:])
    known.add(OtherMessage("ib/v1/works/M3/state", b'{"online": true}', 16, NOW), smaller)
    assert (known.online, known.offline) == (1, 0)


def test_a_state_makes_no_reading() -> None:
    decoder = RoutingDecoder(MqttSource(name="mqtt", url="mqtt://x"))
    payload = b'{"online": false, "values": {"speed": 0}}'
    decoder.add_all([(b"ib/v1/works/M1/state", payload, len(payload), 1, 2)], NOW, DIRECTORY)
    batch, rejected = decoder.finish()
    assert (len(batch), rejected, decoder.presence.offline) == (0, [], 1)


def test_batches_of_both_decoders_keep_their_messages() -> None:
    mapping = {"topic": "x/{machine}", "site": "works", "values": [{"path": "v", "signal": "speed"}]}
    decoder = RoutingDecoder(MqttSource.model_validate({"name": "mqtt", "url": "mqtt://x", "mappings": [mapping]}))
    native, foreign = b'{"values": {"speed": 1}}', b'{"v": 2}'
    messages = [
        (b"ib/v1/works/M1/readings", native, len(native), 1, 2),
        (b"x/M2", foreign, len(foreign), 2, 2),
        (b"y", b"{}", 2, 3, 2),
    ]
    for kinds in (messages, messages[:1], messages[1:2]):
        decoder.add_all(kinds, NOW, DIRECTORY)
        batch, rejected = decoder.finish()
        assert batch.origins is not None
        expected = [message[1] for message in kinds if message[0] != b"y"]
        assert [batch.origins.of_row(row)[1] for row in range(len(batch))] == expected
        assert [entry.reason for entry in rejected] == ["bad_topic"] * (len(kinds) == 3)


@given(st.binary(max_size=60), st.sampled_from(["ib/v1/works/M1/state", "tele/M1/LWT", "st/M1"]), st.booleans())
def test_any_bytes_are_a_state_or_a_rejection(payload: bytes, topic: str, retained: bool) -> None:
    known = presence()
    say(known, payload, topic=topic, retained=retained)
    assert known.online + known.offline + len(known.take_rejected()) == (1 if payload else 0)
