"""Sparkplug B payloads: Protocol Buffers in, plain data out, and the one payload that we send ourselves.

Field names, numbers and types are those of Sparkplug 3.0, chapter 6.4. What is never a reading (data sets,
templates, metadata) is left undecoded: on the wire it is bytes like any other.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from plant import MICROSECONDS

REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"
BOOLEAN = 11

_COMPRESSED = "SPBV1.0_COMPRESSED"
_DEFLATE_OR_GZIP = zlib.MAX_WBITS | 32
_MS = MICROSECONDS // 1000

# name -> (field, number, type); "+" repeats, "|" is one of those that exclude each other (6.4.5 to 6.4.9)
_MESSAGES: Mapping[str, tuple[tuple[str, int, str], ...]] = {
    "Payload": (
        ("timestamp", 1, "uint64"),
        ("metrics", 2, "Metric+"),
        ("seq", 3, "uint64"),
        ("uuid", 4, "string"),
        ("body", 5, "bytes"),
    ),
    "Metric": (
        ("name", 1, "string"),
        ("alias", 2, "uint64"),
        ("timestamp", 3, "uint64"),
        ("datatype", 4, "uint32"),
        ("is_historical", 5, "bool"),
        ("is_null", 7, "bool"),
        ("properties", 9, "PropertySet"),
        ("int_value", 10, "uint32|"),
        ("long_value", 11, "uint64|"),
        ("float_value", 12, "float|"),
        ("double_value", 13, "double|"),
        ("boolean_value", 14, "bool|"),
        ("string_value", 15, "string|"),
        ("bytes_value", 16, "bytes|"),
        ("dataset_value", 17, "bytes|"),
        ("template_value", 18, "bytes|"),
        ("extension_value", 19, "bytes|"),
    ),
    "PropertySet": (("keys", 1, "string+"), ("values", 2, "PropertyValue+")),
    "PropertyValue": (
        ("type", 1, "uint32"),
        ("is_null", 2, "bool"),
        ("int_value", 3, "uint32|"),
        ("long_value", 4, "uint64|"),
    ),
}
_SCALARS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("uint32", "uint64", "float", "double", "bool", "string", "bytes")
}


class MalformedPayload(ValueError):
    """The bytes are no Sparkplug B payload; the message says why."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it was sent.

    name: empty where only the alias was sent
    time: microseconds since the epoch
    datatype: code of 6.4.16; 0 where it was left out, as data messages may
    field: which field held the value, e.g. ``int_value``; empty where none did
    value: as on the wire: integers are unsigned there; None for what is never a number
    quality: the property ``Quality`` (6.4.9): 192 good, 0 bad, 500 stale
    """

    name: str = ""
    alias: int | None = None
    time: int | None = None
    datatype: int = 0
    field: str = ""
    value: float | None = None
    is_null: bool = False
    is_historical: bool = False
    quality: int | None = None


@dataclass(frozen=True, slots=True)
class Payload:
    """A decoded payload; ``time`` in microseconds since the epoch, ``seq`` 0 to 255 where it was sent."""

    time: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()

    @property
    def bd_seq(self) -> int | None:
        """Which connection of an edge node a birth or death belongs to (6.4.19, 6.4.25)."""
        for metric in self.metrics:
            if metric.name == BD_SEQ and isinstance(metric.value, int):
                return metric.value
        return None


def decode(data: bytes, max_bytes: int = 1 << 24) -> Payload:
    """A payload; raises :class:`MalformedPayload`.

    max_bytes: of a compressed payload, unpacked
    """
    message = _parsed(data)
    outer_seq = message.seq if message.HasField("seq") else None
    if message.uuid == _COMPRESSED:
        message = _parsed(_unpacked(message.body, max_bytes))
    seq = message.seq if message.HasField("seq") else outer_seq
    if seq is not None and seq > 255:
        raise MalformedPayload(f"sequence number {seq} is not 0 to 255")
    return Payload(
        message.timestamp * _MS if message.HasField("timestamp") else None,
        seq,
        tuple([_metric(metric) for metric in message.metrics]),
    )


def rebirth_request(time_us: int) -> bytes:
    """The payload of an NCMD that asks an edge node for its births (5.17, 6.4.23)."""
    message = _Payload(timestamp=time_us // _MS)
    message.metrics.add(name=REBIRTH, timestamp=time_us // _MS, datatype=BOOLEAN, boolean_value=True)
    data: bytes = message.SerializeToString()
    return data


def _parsed(data: bytes) -> Any:
    try:
        return _Payload.FromString(data)
    except DecodeError as problem:
        raise MalformedPayload("not Protocol Buffers, or cut short") from problem


def _unpacked(body: bytes, max_bytes: int) -> bytes:
    """A compressed body (uuid SPBV1.0_COMPRESSED, as Eclipse Tahu's clients send it)."""
    unpacker = zlib.decompressobj(_DEFLATE_OR_GZIP)
    try:
        data = unpacker.decompress(body, max_bytes)
    except zlib.error as problem:
        raise MalformedPayload(f"cannot be unpacked: {problem}") from problem
    if not unpacker.eof:
        raise MalformedPayload(f"is cut short, or longer than {max_bytes:,} bytes unpacked")
    return data


def _metric(message: Any) -> Metric:
    field = message.WhichOneof("value") or ""
    value = getattr(message, field) if field else None
    name = message.name
    if not isinstance(name, str):  # what is not UTF-8 comes as bytes
        raise MalformedPayload("a metric's name is not UTF-8")
    return Metric(
        name,
        message.alias if message.HasField("alias") else None,
        message.timestamp * _MS if message.HasField("timestamp") else None,
        message.datatype,
        field,
        value if isinstance(value, int | float) else None,
        message.is_null,
        message.is_historical,
        _quality(message.properties) if message.HasField("properties") else None,
    )


def _quality(properties: Any) -> int | None:
    for key, value in zip(properties.keys, properties.values, strict=False):
        field = value.WhichOneof("value")
        if key == "Quality" and field and not value.is_null:
            return int(getattr(value, field))
    return None


def _message_class() -> Any:
    """The class of payloads, made from the table above in a pool of its own."""
    file = descriptor_pb2.FileDescriptorProto(name="sparkplug_b", package="sparkplug", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any(kind.endswith("|") for _, _, kind in fields):
            message.oneof_decl.add(name="value")
        for field, number, written in fields:
            kind = written.rstrip("+|")
            entry = message.field.add(name=field, number=number)
            entry.label = entry.LABEL_REPEATED if written.endswith("+") else entry.LABEL_OPTIONAL
            if kind in _SCALARS:
                entry.type = _SCALARS[kind]
            else:
                entry.type, entry.type_name = entry.TYPE_MESSAGE, f".sparkplug.{kind}"
            if written.endswith("|"):
                entry.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("sparkplug.Payload"))


_Payload: Any = _message_class()
