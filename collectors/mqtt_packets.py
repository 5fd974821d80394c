"""MQTT packets out of a stream of bytes, many at a time.

paho asks the socket for one byte, then another, then the rest, and makes an object with a dozen fields of every
message. That costs more than everything else on the way of a reading, so PUBLISH packets are taken out of large
reads here; all other packets stay paho's business. Source: OASIS MQTT 3.1.1 and 5.0, sections 2.1 and 3.3.
"""

from typing import TypeAlias

from paho.mqtt.client import MQTTMessage

from plant import RAW_BYTES

Message: TypeAlias = tuple[bytes, bytes, int, int, int]
"""(topic, payload, length of the whole payload, message identifier, low four bits of the fixed header)

The payload is cut where it is longer than what is taken. Flags: 1 retained, 2 QoS 1, 4 QoS 2, 8 sent before.
"""

RETAINED = 0x01
QOS = 0x06

_PUBLISH = 0x30


class MalformedStream(ValueError):
    """What came is not MQTT; the connection is of no more use."""


class PacketReader:
    """Splits what a socket delivers into packets; holds at most one packet that is not whole yet.

    max_payload: of a longer payload only the beginning is kept
    """

    def __init__(self, *, version_5: bool, max_payload: int) -> None:
        self._version_5 = version_5
        self._max_payload = max_payload
        self.forget()

    def forget(self) -> None:
        """Drop what is held: another connection begins."""
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = 2

    def feed(self, data: bytes) -> tuple[list[Message], list[tuple[int, bytes]]]:
        """Messages of QoS 0 and 1, and every other packet as (first byte, content), each in order.

        Raises :class:`MalformedStream`.
        """
        self._held += len(data)
        self._parts.append(data)
        if self._held < self._wanted:
            return [], []  # a large packet is joined once, not with every read
        buffer = b"".join(self._parts) if len(self._parts) > 1 else data
        messages: list[Message] = []
        others: list[tuple[int, bytes]] = []
        version_5, longest = self._version_5, self._max_payload
        place, size = 0, len(buffer)
        wanted = 2
        while place + 2 <= size:
            first = buffer[place]
            length = buffer[place + 1]
            body = place + 2
            if length > 127:
                length, body = _number(buffer, place + 1)
                if body < 0:
                    wanted = size - place + 1
                    break
            end = body + length
            if end > size:
                wanted = end - place
                break
            if first & 0xF0 != _PUBLISH or first & QOS == 0x04:
                others.append((first, buffer[body:end]))
            else:
                at = body + 2
                if at > end:
                    raise MalformedStream("a message without a topic")
                after = at + (buffer[body] << 8 | buffer[body + 1])
                topic = buffer[at:after]
                mid = 0
                if first & 0x02:
                    if after + 2 > end:
                        raise MalformedStream("a message of QoS 1 without an identifier")
                    mid = buffer[after] << 8 | buffer[after + 1]
                    after += 2
                if version_5:
                    properties, behind = (
                        (buffer[after], after + 1) if after < end and buffer[after] < 128 else _number(buffer, after)
                    )
                    after = behind + properties if behind >= 0 else end + 1
                if after > end:
                    raise MalformedStream("a message that is longer than its packet")
                whole = end - after
                payload = buffer[after:end] if whole <= longest else buffer[after : after + RAW_BYTES]
                messages.append((topic, payload, whole, mid, first & 0x0F))
            place = end
        self._parts = [buffer[place:]] if place < size else []
        self._held = size - place
        self._wanted = wanted
        return messages, others


def message_of(message: MQTTMessage, max_payload: int) -> Message:
    """A message that paho has taken in (QoS 2)."""
    payload = bytes(message.payload)
    flags = message.qos << 1 | bool(message.retain)
    kept = payload if len(payload) <= max_payload else payload[:RAW_BYTES]
    return message._topic, kept, len(payload), message.mid, flags


def acknowledgements(mids: list[int]) -> bytes:
    """PUBACK packets, one behind the other (3.4; reason "success" is left out)."""
    return b"".join([b"\x40\x02" + mid.to_bytes(2, "big") for mid in mids])


def _number(buffer: bytes, place: int) -> tuple[int, int]:
    """A variable byte integer and the place behind it, (0, -1) where it is not whole (MQTT 5, 1.5.5)."""
    value = shift = 0
    for at in range(place, min(place + 4, len(buffer))):
        value |= (buffer[at] & 0x7F) << shift
        if buffer[at] < 128:
            return value, at + 1
        shift += 7
    if place + 4 <= len(buffer):
        raise MalformedStream("a length of more than four bytes")
    return 0, -1
