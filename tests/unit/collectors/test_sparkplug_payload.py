"""Sparkplug payloads from bytes: what stands in them, and that nothing but one error comes of rubbish."""

import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sparkplug_payload import MalformedPayload, Metric, decode, rebirth_request

MS = 1000


def varint(number: int) -> bytes:
    """A varint of Protocol Buffers."""
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def data(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


# One metric with everything, one with an alias alone, one null; written by hand after Sparkplug 3.0, 6.4.
QUALITY = data(1, b"engUnit") + data(1, b"Quality") + data(2, number(1, 12) + data(8, b"A"))
QUALITY += data(2, number(1, 3) + number(3, 500))
FULL = data(1, b"Motor 1/current_u") + number(2, 7) + number(3, 1_000) + number(4, 9)
FULL += number(5, 1) + data(9, QUALITY) + varint(12 << 3 | 5) + b"\x00\x00\xc0\x3f"
ALIAS = number(2, 8) + number(10, 4_294_967_290)
NULL = data(1, b"x") + number(4, 3) + number(7, 1)
PAYLOAD = number(1, 2_000) + data(2, FULL) + data(2, ALIAS) + data(2, NULL) + number(3, 255)


def test_everything_is_read() -> None:
    payload = decode(PAYLOAD)
    assert (payload.time, payload.seq) == (2_000 * MS, 255)
    assert payload.metrics == (
        Metric("Motor 1/current_u", 7, 1_000 * MS, 9, "float_value", 1.5, is_historical=True, quality=500),
        Metric(alias=8, field="int_value", value=4_294_967_290),
        Metric("x", datatype=3, is_null=True),
    )


def test_what_is_never_a_reading_is_passed_over() -> None:
    data_set = data(1, b"table") + number(4, 16) + data(8, b"\xff\xff") + data(17, b"\xff")
    assert decode(data(2, data_set)).metrics == (Metric("table", datatype=16, field="dataset_value"),)


@pytest.mark.parametrize("pack", [zlib.compress, lambda body: zlib.compress(body, wbits=31)])
def test_a_compressed_payload_is_unpacked_up_to_a_limit(pack: object) -> None:
    packed = number(1, 2_000) + data(4, b"SPBV1.0_COMPRESSED") + data(5, pack(PAYLOAD))  # type: ignore[operator]
    assert decode(packed) == decode(PAYLOAD)
    with pytest.raises(MalformedPayload, match="longer than 20 bytes"):
        decode(packed, max_bytes=20)
    with pytest.raises(MalformedPayload, match="unpacked"):
        decode(data(4, b"SPBV1.0_COMPRESSED") + data(5, b"rubbish"))


def test_a_sequence_number_has_one_byte() -> None:
    with pytest.raises(MalformedPayload, match="256 is not 0 to 255"):
        decode(number(3, 256))


def test_a_name_must_be_text() -> None:
    with pytest.raises(MalformedPayload, match="UTF-8"):
        decode(data(2, data(1, b"\xff\xfe")))


def test_a_rebirth_request_says_so() -> None:
    payload = decode(rebirth_request(5_000_000))
    assert payload.metrics == (Metric("Node Control/Rebirth", None, 5_000_000, 11, "boolean_value", True),)
    assert (payload.time, payload.seq) == (5_000_000, None)


@given(st.binary(max_size=300))
def test_rubbish_gives_one_kind_of_error(rubbish: bytes) -> None:
    with suppress(MalformedPayload):
        decode(rubbish)


@given(st.integers(0, len(PAYLOAD)), st.binary(min_size=1, max_size=4))
def test_damage_gives_one_kind_of_error(place: int, damage: bytes) -> None:
    for damaged in (PAYLOAD[:place], PAYLOAD[:place] + damage + PAYLOAD[place + len(damage) :]):
        with suppress(MalformedPayload):
            decode(damaged)
