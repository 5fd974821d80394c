"""How a batch lies in a spool segment: framed, checksummed, column by column.

A segment is a header and records. All numbers are little-endian.

    header   8 bytes   magic b"IBSPOOL" and the version, 1
    record   u32 body length, u32 CRC-32 of the body, body
    body     u8 kind, 3 bytes zero, u32 rows, i64 received_at [us], then by kind
       readings (1)   times i64[rows], values f64[rows], signal_ids i32[rows], qualities i16[rows]
       rejected (2)   MessagePack array of plant.Rejected
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from plant import Batch, Rejected

HEADER = b"IBSPOOL\x01"
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<B3xIq")
_READINGS, _REJECTED = 1, 2
_ROW = 8 + 8 + 4 + 2
MAX_BODY = 1 << 28

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Rejected])


class CorruptRecord(ValueError):
    """The bytes at this place are not a whole record: a torn tail, or a damaged disk."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record read back; ``end`` is the offset behind it in its ``segment``."""

    batch: Batch
    rejected: Sequence[Rejected]
    received_at: int
    end: int
    segment: int = 0


def encode_readings(batch: Batch, received_at: int) -> bytes:
    """A framed record of readings."""
    body = b"".join(
        (
            _BODY.pack(_READINGS, len(batch), received_at),
            batch.times.astype("<i8", copy=False).tobytes(),
            batch.values.astype("<f8", copy=False).tobytes(),
            batch.signal_ids.astype("<i4", copy=False).tobytes(),
            batch.qualities.astype("<i2", copy=False).tobytes(),
        )
    )
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def encode_rejected(rejected: Sequence[Rejected], received_at: int) -> bytes:
    """A framed record of rejected messages."""
    body = _BODY.pack(_REJECTED, len(rejected), received_at) + _encoder.encode(list(rejected))
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def record_at(data: bytes | memoryview, offset: int) -> Record | None:
    """The record that begins at ``offset``; None where not all of it is there (yet).

    Raises :class:`CorruptRecord` where what is there cannot be a record.
    """
    body_at = offset + _FRAME.size
    if body_at > len(data):
        return None
    length, checksum = _FRAME.unpack_from(data, offset)
    if not _BODY.size <= length <= MAX_BODY:
        raise CorruptRecord(f"record at byte {offset} claims {length} bytes")
    end = body_at + length
    if end > len(data):
        return None
    body = memoryview(data)[body_at:end]
    if zlib.crc32(body) != checksum:
        raise CorruptRecord(f"record at byte {offset} has a wrong checksum")
    kind, rows, received_at = _BODY.unpack_from(body)
    content = body[_BODY.size :]
    if kind == _REJECTED:
        return Record(Batch.empty(), _decoder.decode(content), received_at, end)
    if kind != _READINGS or len(content) != rows * _ROW:
        raise CorruptRecord(f"record at byte {offset} is of kind {kind} with {rows} rows in {len(content)} bytes")
    values_at, signals_at, qualities_at = rows * 8, rows * 16, rows * 20
    batch = Batch(
        np.frombuffer(content[:values_at], "<i8").astype(np.int64, copy=False),
        np.frombuffer(content[signals_at:qualities_at], "<i4").astype(np.int32, copy=False),
        np.frombuffer(content[values_at:signals_at], "<f8").astype(np.float64, copy=False),
        np.frombuffer(content[qualities_at:], "<i2").astype(np.int16, copy=False),
    )
    return Record(batch, (), received_at, end)


def rows_at(data: bytes | memoryview, offset: int) -> tuple[int, int] | None:
    """(readings, end) of the record at ``offset`` without decoding it; None at the end or at a torn tail."""
    body_at = offset + _FRAME.size
    if body_at + _BODY.size > len(data):
        return None
    length, _ = _FRAME.unpack_from(data, offset)
    end = body_at + length
    if not _BODY.size <= length <= MAX_BODY or end > len(data):
        return None
    kind, rows, _ = _BODY.unpack_from(data, body_at)
    return (rows if kind == _READINGS else 0), end
