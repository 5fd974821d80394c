"""Readings of a gateway in few bytes: version 1 of the payload on ``ib/v1/<site>/edge/<gateway>/batch``.

A payload is a header and a body. All numbers are little-endian; docs/edge.md has the layout for other programs.

    header   4 bytes magic b"IBE" and the version, 1; u32 length of the body before compression
    body     zlib (RFC 1950) of a MessagePack array, the fields of :class:`_Body` in order

Names stand once a message, in a dictionary; readings are packed by :mod:`plant.series`.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from plant import (
    PackedSeries,
    Rejected,
    Series,
    SeriesError,
    check_series,
    is_within,
    pack_column,
    pack_series,
    rows_of_groups,
    unpack_column,
    unpack_series,
)

_HEADER = struct.Struct("<3sBI")
_MAGIC, _VERSION = b"IBE", 1
MAX_BODY = 2 << 20
"""A body is never longer than this [bytes]; a payload that claims to be is not unpacked."""


class EdgeBatchError(ValueError):
    """The payload is no batch of this version; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class EdgeBatch:
    """Readings of one site by name, in order of series.

    names: (machine, signal) of each series
    rows: int64 (s,), readings of each series
    times: int64 (n,), microseconds since the epoch; values: float64 (n,); qualities: int16 (n,)
    rejected: what the gateway could not take as readings
    """

    names: Sequence[tuple[str, str]]
    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]
    rejected: Sequence[Rejected] = ()

    def __len__(self) -> int:
        return len(self.times)


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Columns as :func:`plant.pack_column` makes them; what the others hold is said by :class:`plant.PackedSeries`."""

    machines: list[str]
    signals: list[str]
    decimals: bytes  # of each signal
    series_machines: bytes  # differences of places in `machines`, a series each; series are in order of signal
    series_signals: bytes  # the same in `signals`
    series_clocks: bytes
    series_raw: bytes
    clock_rows: bytes
    time_base: int
    time_unit: int
    time_steps: bytes
    wholes: bytes
    raws: bytes
    doubtful: bytes
    qualities: bytes
    rejected: list[Rejected]

    def columns(self) -> PackedSeries:
        """All that is about readings and not about names."""
        return PackedSeries(
            self.decimals,
            self.series_clocks,
            self.series_raw,
            self.clock_rows,
            self.time_base,
            self.time_unit,
            self.time_steps,
            self.wholes,
            self.raws,
            self.doubtful,
            self.qualities,
        )


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)


def encode_edge_batch(batch: EdgeBatch) -> bytes:
    """The payload. ``ValueError`` where it would be too long: give fewer readings."""
    machines = {name: place for place, name in enumerate(dict.fromkeys(machine for machine, _ in batch.names))}
    signals = {name: place for place, name in enumerate(dict.fromkeys(signal for _, signal in batch.names))}
    of_machine = np.array([machines[machine] for machine, _ in batch.names], np.int64)
    of_signal = np.array([signals[signal] for _, signal in batch.names], np.int64)
    # The same signal of many machines is much alike: it stands together.
    order = np.lexsort((of_machine, of_signal))
    places = rows_of_groups(batch.rows, order)
    of_machine, of_signal = of_machine[order], of_signal[order]
    packed = pack_series(
        Series(batch.rows[order], batch.times[places], batch.values[places], batch.qualities[places]), of_signal
    )
    body = _encoder.encode(
        _Body(
            list(machines),
            list(signals),
            packed.decimals,
            pack_column(np.diff(of_machine, prepend=0)),
            pack_column(np.diff(of_signal, prepend=0)),
            *packed[1:],
            list(batch.rejected),
        )
    )
    if len(body) > MAX_BODY:
        raise ValueError(f"{len(batch):,} readings take {len(body):,} bytes, at most {MAX_BODY:,} are allowed")
    return _HEADER.pack(_MAGIC, _VERSION, len(body)) + zlib.compress(body)


def decode_edge_batch(payload: bytes) -> EdgeBatch:
    """What :func:`encode_edge_batch` was given, its series in another order; raises :class:`EdgeBatchError`."""
    body = _body_of(payload)
    try:
        of_machine = np.cumsum(unpack_column(body.series_machines))
        of_signal = np.cumsum(unpack_column(body.series_signals))
        check_series(len(of_machine) == len(of_signal), "columns of series differ in length")
        check_series(is_within(of_machine, len(body.machines)), "a machine is not in the dictionary")
        check_series(is_within(of_signal, len(body.signals)), "a signal is not in the dictionary")
        series = unpack_series(body.columns(), of_signal, len(body.signals))
    except SeriesError as problem:
        raise EdgeBatchError(str(problem)) from problem
    machines, signals = body.machines, body.signals
    names = [
        (machines[machine], signals[signal])
        for machine, signal in zip(of_machine.tolist(), of_signal.tolist(), strict=True)
    ]
    return EdgeBatch(names, *series, body.rejected)


def _body_of(payload: bytes) -> _Body:
    if len(payload) < _HEADER.size:
        raise EdgeBatchError("shorter than a header")
    magic, version, length = _HEADER.unpack_from(payload)
    if magic != _MAGIC:
        raise EdgeBatchError("does not begin as a batch does")
    if version != _VERSION:
        raise EdgeBatchError(f"version {version} is not known here, {_VERSION} is: update whoever is older")
    if length > MAX_BODY:
        raise EdgeBatchError(f"claims {length:,} bytes, at most {MAX_BODY:,} are taken")
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(payload[_HEADER.size :], length + 1)
        if len(content) != length or not unpacking.eof:
            raise EdgeBatchError("its length is not what its header says")
        body = _decoder.decode(content)
    except (zlib.error, msgspec.DecodeError, RecursionError) as problem:
        raise EdgeBatchError(f"its body cannot be read: {problem}") from problem
    return body
