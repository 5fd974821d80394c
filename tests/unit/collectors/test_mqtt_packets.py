"""Packets come out of the stream as paho would take them out, however the network cuts it."""

import socket
from itertools import pairwise

import paho.mqtt.client as mqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collectors.mqtt_packets import MalformedStream, PacketReader, acknowledgements, message_of

LONGEST = 5000
messages = st.tuples(
    st.text("ab/é", min_size=1, max_size=200),
    st.binary(max_size=300) | st.integers(100, 20_000).map(lambda size: b"x" * size),
    st.integers(1, 65535),
    st.integers(0, 2),
    st.booleans(),
)


def packet(topic: str, payload: bytes, mid: int, qos: int, retained: bool, *, version_5: bool) -> bytes:
    """A PUBLISH as paho writes it."""
    protocol = MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    properties = None
    if version_5:
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("kind", "x" * (len(payload) % 200))
    client._sock = socket.socket()
    client._send_publish(mid, topic.encode(), payload, qos, retained, False, None, properties)
    return bytes(client._out_packet[0]["packet"])


def taken_by_paho(stream: list[bytes], *, version_5: bool) -> list[tuple[bytes, bytes, int, int, int]]:
    """Messages as paho's own reading hands them out."""
    protocol = MQTTProtocolVersion.MQTTv5 if version_5 else MQTTProtocolVersion.MQTTv311
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol, manual_ack=True)
    rest = bytearray(b"".join(stream))

    def receive(count: int) -> bytes:
        data = bytes(rest[:count])
        del rest[:count]
        return data

    seen: list[tuple[bytes, bytes, int, int, int]] = []
    client._sock_recv = receive
    client.on_message = lambda _client, _userdata, message: seen.append(message_of(message, LONGEST))
    while rest:
        client._packet_read()
    return seen


@given(st.lists(messages, max_size=8), st.booleans(), st.data())
def test_same_messages_as_paho_however_the_stream_is_cut(entries, version_5, data):
    stream = [packet(*entry, version_5=version_5) for entry in entries]
    stream.insert(data.draw(st.integers(0, len(stream))), b"\xd0\x00")  # an answer to a ping
    whole = b"".join(stream)
    cuts = sorted({0, len(whole), *data.draw(st.lists(st.integers(0, len(whole)), max_size=10))})
    reader = PacketReader(version_5=version_5, max_payload=LONGEST)
    seen, others = [], []
    for start, end in pairwise(cuts):
        some, rest = reader.feed(whole[start:end])
        seen += some
        others += rest
    assert seen == [entry for entry in taken_by_paho(stream, version_5=version_5) if entry[4] & 6 != 4]
    assert [first & 0xF0 for first, _ in others if first & 0xF0 != 0x30] == [0xD0]
    # What is of QoS 2 is left to paho whole.
    assert len(seen) + len(others) == len(stream)


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes_are_packets_or_malformed(data, version_5):
    reader = PacketReader(version_5=version_5, max_payload=LONGEST)
    try:
        reader.feed(data)
    except MalformedStream:
        return
    assert reader._held <= len(data)


@pytest.mark.parametrize("broken", [b"\x32\xff\xff\xff\xff\x01", b"\x32\x03\x00\x01a", b"\x30\x04\x00\x09ab"])
def test_what_cannot_be_mqtt_is_said_to_be_malformed(broken: bytes) -> None:
    with pytest.raises(MalformedStream):
        PacketReader(version_5=False, max_payload=LONGEST).feed(broken)


def test_acknowledgements_are_packets_one_behind_the_other() -> None:
    assert acknowledgements([1, 65535]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"
