"""Readings of a gateway in few bytes: version 1 of the payload on ``ib/v1/<site>/edge/<gateway>/batch``.

A payload is a header and a body. All numbers are little-endian; docs/edge.md has the layout for other programs.

    header   4 bytes magic b"IBE" and the version, 1; u32 length of the body before compression
    body     zlib (RFC 1950) of a MessagePack array, the fields of :class:`_Body` in order

Names stand once a message, in a dictionary. A *series* is the readings of one signal, in the order they came; a *clock*
is the times of a series, stored once for all series that were read together. Times are differences in the largest unit
that divides them all. A series whose values are decimals is stored as whole numbers, any other as it is, bit by bit.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from plant import Quality, Rejected

_HEADER = struct.Struct("<3sBI")
_MAGIC, _VERSION = b"IBE", 1
MAX_BODY = 2 << 20
"""A body is never longer than this [bytes]; a payload that claims to be is not unpacked."""

_MOST_DECIMALS = 9
_RAW = -1  # "decimals" of a series whose values are stored as they are
_LARGEST_WHOLE = float(2**53)
_WIDTHS = (1, 2, 4, 8)
_WORST_QUALITY = int(max(Quality))


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
    """Columns are packed: a byte for the width, then the numbers' lowest bytes, their second bytes, and so on."""

    machines: list[str]
    signals: list[str]
    decimals: bytes  # of each signal
    series_machines: bytes  # differences of places in `machines`, a series each; series are in order of signal
    series_signals: bytes  # the same in `signals`
    series_clocks: bytes  # the same in the clocks
    series_raw: bytes  # 1 where the values of the series are stored as they are
    clock_rows: bytes  # readings of each clock
    time_base: int  # of the first reading [us]
    time_unit: int  # [us]
    time_steps: bytes  # from reading to reading over all clocks, the first 0 [time_unit]
    wholes: bytes  # differences within a series; its first against the first of the one before
    raws: bytes  # the bits of float64, each XOR the one before
    doubtful: bytes  # differences of the rows whose quality is not good
    qualities: bytes  # of these rows
    rejected: list[Rejected]


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
    places = _rows_of(batch.rows, order)
    rows, of_machine, of_signal = batch.rows[order], of_machine[order], of_signal[order]
    times, values, qualities = batch.times[places], batch.values[places], batch.qualities[places]
    clocks, clock_rows, clock_times = _clocks(times, rows)
    unit, steps = _steps(clock_times)
    wholes, decimals, is_raw = _wholes(values, rows, of_signal, len(signals))
    row_is_raw = np.repeat(is_raw, rows)
    bits = values[row_is_raw].view(np.int64)
    doubtful = np.flatnonzero(qualities)
    body = _encoder.encode(
        _Body(
            list(machines),
            list(signals),
            _packed(decimals),
            _packed(np.diff(of_machine, prepend=0)),
            _packed(np.diff(of_signal, prepend=0)),
            _packed(np.diff(clocks, prepend=0)),
            _packed(is_raw.astype(np.int64)),
            _packed(clock_rows),
            int(clock_times[0]) if len(clock_times) else 0,
            unit,
            _packed(steps),
            _packed(_differences(wholes[~row_is_raw], rows[~is_raw])),
            _packed(np.bitwise_xor(bits, np.concatenate((np.zeros(min(1, len(bits)), np.int64), bits[:-1])))),
            _packed(np.diff(doubtful, prepend=0)),
            _packed(qualities[doubtful].astype(np.int64)),
            list(batch.rejected),
        )
    )
    if len(body) > MAX_BODY:
        raise ValueError(f"{len(batch):,} readings take {len(body):,} bytes, at most {MAX_BODY:,} are allowed")
    return _HEADER.pack(_MAGIC, _VERSION, len(body)) + zlib.compress(body)


def decode_edge_batch(payload: bytes) -> EdgeBatch:
    """What :func:`encode_edge_batch` was given, its series in another order; raises :class:`EdgeBatchError`."""
    body = _body_of(payload)
    of_machine, of_signal = np.cumsum(_unpacked(body.series_machines)), np.cumsum(_unpacked(body.series_signals))
    clocks, is_raw = np.cumsum(_unpacked(body.series_clocks)), _unpacked(body.series_raw) != 0
    clock_rows, decimals = _unpacked(body.clock_rows), _unpacked(body.decimals)
    series = len(of_machine)
    _check(len(of_signal) == len(clocks) == len(is_raw) == series, "columns of series differ in length")
    _check(len(decimals) == len(body.signals), "decimals are not one for each signal")
    _check(_within(of_machine, len(body.machines)), "a machine is not in the dictionary")
    _check(_within(of_signal, len(body.signals)), "a signal is not in the dictionary")
    _check(_within(clocks, len(clock_rows)), "a clock does not exist")
    steps = _unpacked(body.time_steps)
    _check(not len(clock_rows) or (clock_rows.min() > 0 and clock_rows.max() <= len(steps)), "an empty clock")
    _check(int(clock_rows.sum()) == len(steps), "clocks and times differ in length")
    rows = clock_rows[clocks]
    wholes, bits = _unpacked(body.wholes), _unpacked(body.raws)
    # Checked before anything of that length is made: many series may name one long clock.
    _check(int(rows[~is_raw].sum()) == len(wholes) and int(rows[is_raw].sum()) == len(bits), "values are missing")
    _check(bool(((decimals >= _RAW) & (decimals <= _MOST_DECIMALS)).all()), "decimals that do not exist")
    n = int(rows.sum())
    row_is_raw = np.repeat(is_raw, rows)
    values = np.empty(n, np.float64)
    values[row_is_raw] = np.bitwise_xor.accumulate(bits).view(np.float64)
    exponents = np.repeat(decimals[of_signal], rows)[~row_is_raw]
    values[~row_is_raw] = _sums(wholes, rows[~is_raw]) / 10.0 ** np.maximum(exponents, 0)
    with np.errstate(over="ignore"):
        clock_times = np.cumsum(steps * np.int64(body.time_unit)) + np.int64(body.time_base)
    times = clock_times[_rows_of(clock_rows, clocks)]
    qualities = np.zeros(n, np.int16)
    doubtful, marks = np.cumsum(_unpacked(body.doubtful)), _unpacked(body.qualities)
    _check(len(doubtful) == len(marks) and _within(doubtful, n), "qualities of rows that do not exist")
    _check(_within(marks, _WORST_QUALITY + 1), "a quality that does not exist")
    qualities[doubtful] = marks
    machines, signals = body.machines, body.signals
    names = [
        (machines[machine], signals[signal])
        for machine, signal in zip(of_machine.tolist(), of_signal.tolist(), strict=True)
    ]
    return EdgeBatch(names, rows, times, values, qualities, body.rejected)


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
    _check(-(2**63) <= body.time_base < 2**63 and 0 < body.time_unit < 2**63, "times out of range")
    return body


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise EdgeBatchError(otherwise)


def _within(places: NDArray[np.int64], length: int) -> bool:
    return not len(places) or bool(places.min() >= 0 and places.max() < length)


def _packed(numbers: NDArray[np.int64]) -> bytes:
    """Signed numbers in the least width that holds all, byte planes one after the other."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    width = next(width for width in _WIDTHS if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1)
    planes = numbers.astype(f"<i{width}").view(np.uint8).reshape(len(numbers), width).T
    return bytes((width,)) + planes.tobytes()


def _unpacked(column: bytes) -> NDArray[np.int64]:
    width = column[0] if column else 0
    if width not in _WIDTHS or (len(column) - 1) % width:
        raise EdgeBatchError("a column of no known width")
    planes = np.frombuffer(column, np.uint8, offset=1).reshape(width, -1)
    return np.ascontiguousarray(planes.T).view(f"<i{width}").ravel().astype(np.int64)


def _rows_of(rows: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places of the rows of groups, the groups taken in another order; ``rows``: of each group."""
    counts = rows[order]
    begins = (np.cumsum(rows) - rows)[order]
    before = np.cumsum(counts) - counts
    places: NDArray[np.int64] = np.arange(int(counts.sum())) + np.repeat(begins - before, counts)
    return places


def _clocks(
    times: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The clock of each series, the rows of each clock, and the times of all clocks."""
    known: dict[bytes, int] = {}
    parts: list[NDArray[np.int64]] = []
    clocks = np.empty(len(rows), np.int64)
    end = 0
    for place, count in enumerate(rows.tolist()):
        part = times[end : end + count]
        end += count
        clock = known.setdefault(part.tobytes(), len(parts))
        if clock == len(parts):
            parts.append(part)
        clocks[place] = clock
    clock_rows = np.array([len(part) for part in parts], np.int64)
    return clocks, clock_rows, np.concatenate(parts) if parts else times[:0]


def _steps(times: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    steps = np.diff(times, prepend=times[:1])
    if not len(steps) or not steps.any() or max(abs(int(times.min())), abs(int(times.max()))) >= 2**61:
        return 1, steps
    unit = int(np.gcd.reduce(steps))
    return unit, steps // unit


def _wholes(
    values: NDArray[np.float64], rows: NDArray[np.int64], of_signal: NDArray[np.int64], signals: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers, decimals of each signal, and which series cannot be written so to the last bit."""
    begins = np.cumsum(rows) - rows
    needed = np.full(len(values), _MOST_DECIMALS + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        missing = np.arange(len(values))
        for places in range(_MOST_DECIMALS + 1):
            exact = _is_exact(values[missing], 10.0**places)
            needed[missing[exact]] = places
            missing = missing[~exact]
            if not len(missing):
                break
        needed_by_series = np.maximum.reduceat(needed, begins) if len(rows) else needed
        is_raw = needed_by_series > _MOST_DECIMALS
        decimals = np.full(signals, _RAW)
        np.maximum.at(decimals, of_signal[~is_raw], needed_by_series[~is_raw])
        scales = np.repeat(10.0 ** np.maximum(decimals, 0)[of_signal], rows)
        # Of large numbers with few decimals, the decimals that another series needs may be too many.
        inexact = ~_is_exact(values, scales)
        if len(rows):
            is_raw |= np.logical_or.reduceat(inexact, begins)
        scaled = np.rint(values * scales)
        scaled[np.repeat(is_raw, rows)] = 0
    return scaled.astype(np.int64), decimals, is_raw


def _is_exact(values: NDArray[np.float64], scale: "float | NDArray[np.float64]") -> NDArray[np.bool_]:
    """Whether value == whole / scale, bit by bit (minus zero and NaN are not)."""
    wholes = np.rint(values * scale)
    # Through an integer, as it will travel: that takes the sign off a zero.
    there = np.where(np.abs(wholes) < _LARGEST_WHOLE, wholes, 0.0).astype(np.int64) / scale
    exact: NDArray[np.bool_] = there.view(np.int64) == values.view(np.int64)
    return exact


def _differences(wholes: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    begins = np.cumsum(rows) - rows
    differences = np.diff(wholes, prepend=0)
    differences[begins] = np.diff(wholes[begins], prepend=0)
    return differences


def _sums(differences: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The inverse of :func:`_differences`."""
    begins = np.cumsum(rows) - rows
    with np.errstate(over="ignore"):
        sums = np.cumsum(differences)
        firsts = np.cumsum(differences[begins])
        wholes: NDArray[np.int64] = sums + np.repeat(firsts - sums[begins], rows)
    return wholes
