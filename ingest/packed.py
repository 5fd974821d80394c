"""What a record of a packed segment holds: many records' readings in few bytes, for a spool that waits long.

The content is an i64, the offset behind the last of these records in the segment as the collector wrote it, and zlib
(RFC 1950) of a MessagePack array: the signals' numbers (differences, a column), the fields of
:class:`plant.PackedSeries`, and an array of plant.Rejected. Readings come back in order of signal; of one signal, in
the order they came.
"""

import struct
import zlib
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from plant import (
    Batch,
    PackedSeries,
    Rejected,
    Series,
    SeriesError,
    concatenate,
    pack_column,
    pack_series,
    unpack_column,
    unpack_series,
)

END = struct.Struct("<q")


class _Content(msgspec.Struct, array_like=True):
    signals: bytes
    columns: PackedSeries
    rejected: list[Rejected]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Content)


def encode_packed(batches: Sequence[Batch], rejected: Sequence[Rejected]) -> tuple[Batch, bytes]:
    """The readings in the order in which they come back, and the content that gives them.

    ``ValueError`` where it does not, bit by bit: what lies on the disk is about to be replaced by this.
    """
    batch = concatenate(batches)
    batch = batch.select(np.argsort(batch.signal_ids, kind="stable"))
    signals, rows = np.unique(batch.signal_ids, return_counts=True)
    packed = pack_series(
        Series(rows.astype(np.int64), batch.times, batch.values, batch.qualities), np.arange(len(signals))
    )
    numbers: NDArray[np.int64] = signals.astype(np.int64)
    content = _Content(pack_column(np.diff(numbers, prepend=0)), packed, list(rejected))
    compressed = zlib.compress(_encoder.encode(content))
    read, read_rejected = decode_packed(compressed)
    if not _is_same(read, batch) or read_rejected != list(rejected):
        raise ValueError(f"{len(batch):,} readings do not come back as they were")
    return batch, compressed


def decode_packed(content: bytes | memoryview) -> tuple[Batch, list[Rejected]]:
    """The readings, in order of signal, and what was rejected. Raises ``ValueError``."""
    try:
        body = _decoder.decode(zlib.decompress(content))
    except (zlib.error, msgspec.DecodeError) as problem:
        raise SeriesError(str(problem)) from problem
    signals = np.cumsum(unpack_column(body.signals))
    series = unpack_series(body.columns, np.arange(len(signals)), len(signals))
    ids = np.repeat(signals, series.rows).astype(np.int32)
    return Batch(series.times, ids, series.values, series.qualities), body.rejected


def _is_same(one: Batch, other: Batch) -> bool:
    return (
        np.array_equal(one.times, other.times)
        and np.array_equal(one.signal_ids, other.signal_ids)
        and np.array_equal(one.values.view(np.int64), other.values.view(np.int64))
        and np.array_equal(one.qualities, other.qualities)
    )
