"""How a batch lies in a spool segment: framed, checksummed, column by column.

A segment is a header and records. All numbers are little-endian.

    header   8 bytes   magic b"IBSPOOL" and the version: 1, or 2 where the segment has been packed
    record   u32 body length, u32 CRC-32 of the body, body
    body     u8 kind, 3 bytes zero, u32 rows, i64 received_at [us], then by kind
       readings (1)   times i64[rows], values f64[rows], signal_ids i32[rows], qualities i16[rows]
       rejected (2)   MessagePack array of plant.Rejected
       packed (3)     of packed segments, see ingest/packed.py: rows readings, and what was rejected among them
"""

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from ingest.packed import END, decode_packed, encode_packed
from plant import Batch, Rejected

HEADER = b"IBSPOOL\x01"
PACKED_HEADER = b"IBSPOOL\x02"
_FRAME = struct.Struct("<II")
_BODY = struct.Struct("<B3xIq")
_READINGS, _REJECTED, _PACKED = 1, 2, 3
_ROW = 8 + 8 + 4 + 2
MAX_BODY = 1 << 28
# A body's kind and the zeros behind it.
_BODY_BEGINS = re.compile(rb"[\x01-\x03]\x00\x00\x00")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Rejected])


class CorruptRecord(ValueError):
    """The bytes at this place are not a whole record: a torn tail, or a damaged disk."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record read back; ``end`` is the offset behind it in its ``segment``, as the collector wrote that."""

    batch: Batch
    rejected: Sequence[Rejected]
    received_at: int
    end: int
    segment: int = 0


class Frame(NamedTuple):
    """A whole record without its content.

    begin, end: of the record in the bytes that were looked at
    unpacked_end: the offset behind it in the segment as the collector wrote that; None where it lies as written
    """

    kind: int
    rows: int
    received_at: int
    begin: int
    end: int
    unpacked_end: int | None

    @property
    def readings(self) -> int:
        """How many are in it."""
        return 0 if self.kind == _REJECTED else self.rows


def encode_readings(batch: Batch, received_at: int) -> bytes:
    """A framed record of readings."""
    return _framed(
        b"".join(
            (
                _BODY.pack(_READINGS, len(batch), received_at),
                batch.times.astype("<i8", copy=False).tobytes(),
                batch.values.astype("<f8", copy=False).tobytes(),
                batch.signal_ids.astype("<i4", copy=False).tobytes(),
                batch.qualities.astype("<i2", copy=False).tobytes(),
            )
        )
    )


def encode_rejected(rejected: Sequence[Rejected], received_at: int) -> bytes:
    """A framed record of rejected messages."""
    return _framed(_BODY.pack(_REJECTED, len(rejected), received_at) + _encoder.encode(list(rejected)))


def pack_records(records: Sequence[Record]) -> bytes:
    """One framed record for a packed segment, of records that follow each other.

    ``ValueError`` where it does not give back what is in them.
    """
    batch, content = encode_packed([record.batch for record in records], [e for r in records for e in r.rejected])
    end = END.pack(records[-1].end)
    return _framed(_BODY.pack(_PACKED, len(batch), min(record.received_at for record in records)) + end + content)


def _framed(body: bytes) -> bytes:
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def frame_at(data: bytes | memoryview, begin: int, *, compare: bool = True) -> Frame | None:
    """The record that begins there; None where not all of it is there (yet).

    compare: with its checksum
    Raises :class:`CorruptRecord` where what is there cannot be a record.
    """
    body_at = begin + _FRAME.size
    if body_at > len(data):
        return None
    length, checksum = _FRAME.unpack_from(data, begin)
    if not _BODY.size <= length <= MAX_BODY:
        raise CorruptRecord(f"record at byte {begin} claims {length} bytes")
    end = body_at + length
    if end > len(data):
        return None
    kind, rows, received_at = _BODY.unpack_from(data, body_at)
    size = length - _BODY.size
    if not (size == rows * _ROW if kind == _READINGS else kind == _REJECTED or (kind == _PACKED and size >= END.size)):
        raise CorruptRecord(f"record at byte {begin} is of kind {kind} with {rows} rows in {size} bytes")
    if compare and zlib.crc32(memoryview(data)[body_at:end]) != checksum:
        raise CorruptRecord(f"record at byte {begin} has a wrong checksum")
    unpacked_end = END.unpack_from(data, body_at + _BODY.size)[0] if kind == _PACKED else None
    return Frame(kind, rows, received_at, begin, end, unpacked_end)


def frame_behind(data: bytes, *, may_be_torn: bool) -> Frame | None:
    """The first whole record in ``data``, which begins with a record that seems damaged; None where there is none.

    What devices send lies in records byte for byte, and may look like one: a record that a crash has torn must not be
    searched. So the next one is expected where the damaged one says that it ends, by its length or by its rows. Only
    where its heading is damaged too is anything else taken, and only if from there on all are whole to the very end.

    may_be_torn: it may be the last, and part of it
    """
    frame = _whole_at(data, 0)
    if frame is not None:
        return frame
    ends, is_torn = _ends(data)
    for end in ends:
        if (frame := _whole_at(data, end)) is not None:
            return frame
    if may_be_torn and is_torn:
        return None
    for match in _BODY_BEGINS.finditer(data, _FRAME.size):
        frame = _whole_at(data, match.start() - _FRAME.size)
        if frame is not None and _all_whole_from(data, frame):
            return frame
    return None


def _ends(data: bytes) -> tuple[list[int], bool]:
    """Where a damaged record may end, and whether it is just not all there."""
    if len(data) < _FRAME.size + _BODY.size:
        return [], True
    length, _ = _FRAME.unpack_from(data)
    kind, rows, _ = _BODY.unpack_from(data, _FRAME.size)
    of_rows = _BODY.size + rows * _ROW
    is_sound = _BODY.size <= length <= MAX_BODY and kind in (_READINGS, _REJECTED, _PACKED)
    is_torn = is_sound and _FRAME.size + length > len(data) and (kind != _READINGS or length == of_rows)
    lengths = [of_rows, length] if kind == _READINGS else [length]
    return [_FRAME.size + each for each in lengths], is_torn


def _whole_at(data: bytes, begin: int) -> Frame | None:
    try:
        return frame_at(data, begin)
    except CorruptRecord:
        return None


def _all_whole_from(data: bytes, frame: Frame) -> bool:
    following: Frame | None = frame
    while following is not None and following.end < len(data):
        following = _whole_at(data, following.end)
    return following is not None


def content_of(data: bytes | memoryview, frame: Frame, end: int, segment: int = 0) -> Record:
    """What is in a record, given its place: see :class:`Record`.

    Raises :class:`CorruptRecord` where the content contradicts its checksum.
    """
    content = memoryview(data)[frame.begin + _FRAME.size + _BODY.size : frame.end]
    rows = frame.rows
    if frame.kind == _READINGS:
        values_at, signals_at, qualities_at = rows * 8, rows * 16, rows * 20
        batch = Batch(
            np.frombuffer(content[:values_at], "<i8").astype(np.int64, copy=False),
            np.frombuffer(content[signals_at:qualities_at], "<i4").astype(np.int32, copy=False),
            np.frombuffer(content[values_at:signals_at], "<f8").astype(np.float64, copy=False),
            np.frombuffer(content[qualities_at:], "<i2").astype(np.int16, copy=False),
        )
        return Record(batch, (), frame.received_at, end, segment)
    rejected: Sequence[Rejected]
    try:
        if frame.kind == _REJECTED:
            batch, rejected = Batch.empty(), _decoder.decode(content)
        else:
            batch, rejected = decode_packed(content[END.size :])
    except (msgspec.DecodeError, ValueError) as problem:
        raise CorruptRecord(f"record at byte {frame.begin} cannot be read: {problem}") from problem
    return Record(batch, rejected, frame.received_at, end, segment)


def record_at(data: bytes | memoryview, offset: int) -> Record | None:
    """The record that begins at ``offset`` with its content, in bytes of a segment that lies as it was written."""
    frame = frame_at(data, offset)
    return None if frame is None else content_of(data, frame, frame.end)
