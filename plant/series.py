"""Readings in few bytes: how series of readings are written, on the wire and on a disk where they wait.

A *series* is the readings of one signal, in the order they came; a *clock* is the times of a series, stored once for
all series that were read together. Times are differences in the largest unit that divides them all. A series whose
values are decimals is stored as whole numbers, any other as it is, bit by bit. Every value comes out to the last bit.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plant.quality import Quality

_MOST_DECIMALS = 9
_RAW = -1  # "decimals" of a series whose values are stored as they are
_LARGEST_WHOLE = float(2**53)
_WIDTHS = (1, 2, 4, 8)
_WORST_QUALITY = int(max(Quality))


class SeriesError(ValueError):
    """The columns are no series; the message says what is wrong with them."""


class Series(NamedTuple):
    """Readings in order of series.

    rows: int64 (s,), readings of each series
    times: int64 (n,), microseconds since the epoch; values: float64 (n,); qualities: int16 (n,)
    """

    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]


class PackedSeries(NamedTuple):
    """Columns as :func:`pack_column` makes them, and two integers.

    decimals: of each kind of value, -1 where none of its series has any
    clocks: of each series, each the difference from the one before; raw: 1 where its values are stored as they are
    clock_rows: readings of each clock; time_base: of the first reading [us]; time_unit: of time_steps [us]
    time_steps: from reading to reading over all clocks, the first 0
    wholes: differences within a series; its first against the first of the one before
    raws: bits of float64, each XOR the one before
    doubtful: differences of the rows whose quality is not good; qualities: of these rows
    """

    decimals: bytes
    clocks: bytes
    raw: bytes
    clock_rows: bytes
    time_base: int
    time_unit: int
    time_steps: bytes
    wholes: bytes
    raws: bytes
    doubtful: bytes
    qualities: bytes


def pack_series(series: Series, kinds: NDArray[np.int64]) -> PackedSeries:
    """The columns of some series.

    kinds: int64 (s,), from 0 on: series of one kind share their number of decimals
    """
    rows = series.rows
    clocks, clock_rows, clock_times = _clocks(series.times, rows)
    unit, steps = _steps(clock_times)
    wholes, decimals, is_raw = _wholes(series.values, rows, kinds, int(kinds.max()) + 1 if len(kinds) else 0)
    row_is_raw = np.repeat(is_raw, rows)
    bits = series.values[row_is_raw].view(np.int64)
    doubtful = np.flatnonzero(series.qualities)
    return PackedSeries(
        pack_column(decimals),
        pack_column(np.diff(clocks, prepend=0)),
        pack_column(is_raw.astype(np.int64)),
        pack_column(clock_rows),
        int(clock_times[0]) if len(clock_times) else 0,
        unit,
        pack_column(steps),
        pack_column(_differences(wholes[~row_is_raw], rows[~is_raw])),
        pack_column(np.bitwise_xor(bits, np.concatenate((np.zeros(min(1, len(bits)), np.int64), bits[:-1])))),
        pack_column(np.diff(doubtful, prepend=0)),
        pack_column(series.qualities[doubtful].astype(np.int64)),
    )


def unpack_series(packed: PackedSeries, kinds: NDArray[np.int64], number_of_kinds: int) -> Series:
    """What :func:`pack_series` was given; raises :class:`SeriesError`.

    kinds: int64 (s,), each below ``number_of_kinds``
    """
    check_series(-(2**63) <= packed.time_base < 2**63 and 0 < packed.time_unit < 2**63, "times out of range")
    clocks, is_raw = np.cumsum(unpack_column(packed.clocks)), unpack_column(packed.raw) != 0
    clock_rows, decimals = unpack_column(packed.clock_rows), unpack_column(packed.decimals)
    check_series(len(clocks) == len(is_raw) == len(kinds), "columns of series differ in length")
    check_series(len(decimals) == number_of_kinds, "decimals are not one for each signal")
    check_series(is_within(clocks, len(clock_rows)), "a clock does not exist")
    steps = unpack_column(packed.time_steps)
    check_series(not len(clock_rows) or (clock_rows.min() > 0 and clock_rows.max() <= len(steps)), "an empty clock")
    check_series(int(clock_rows.sum()) == len(steps), "clocks and times differ in length")
    rows = clock_rows[clocks]
    wholes, bits = unpack_column(packed.wholes), unpack_column(packed.raws)
    # Checked before anything of that length is made: many series may name one long clock.
    check_series(int(rows[~is_raw].sum()) == len(wholes) and int(rows[is_raw].sum()) == len(bits), "values are missing")
    check_series(bool(((decimals >= _RAW) & (decimals <= _MOST_DECIMALS)).all()), "decimals that do not exist")
    n = int(rows.sum())
    row_is_raw = np.repeat(is_raw, rows)
    values = np.empty(n, np.float64)
    values[row_is_raw] = np.bitwise_xor.accumulate(bits).view(np.float64)
    exponents = np.repeat(decimals[kinds], rows)[~row_is_raw]
    values[~row_is_raw] = _sums(wholes, rows[~is_raw]) / 10.0 ** np.maximum(exponents, 0)
    with np.errstate(over="ignore"):
        clock_times = np.cumsum(steps * np.int64(packed.time_unit)) + np.int64(packed.time_base)
    times = clock_times[rows_of_groups(clock_rows, clocks)]
    qualities = np.zeros(n, np.int16)
    doubtful, marks = np.cumsum(unpack_column(packed.doubtful)), unpack_column(packed.qualities)
    check_series(len(doubtful) == len(marks) and is_within(doubtful, n), "qualities of rows that do not exist")
    check_series(is_within(marks, _WORST_QUALITY + 1), "a quality that does not exist")
    qualities[doubtful] = marks
    return Series(rows, times, values, qualities)


def check_series(holds: bool, otherwise: str) -> None:
    """Raise :class:`SeriesError` with the words ``otherwise`` unless something holds."""
    if not holds:
        raise SeriesError(otherwise)


def is_within(places: NDArray[np.int64], length: int) -> bool:
    """Whether all of int64 (n,) are places in something of that length."""
    return not len(places) or bool(places.min() >= 0 and places.max() < length)


def pack_column(numbers: NDArray[np.int64]) -> bytes:
    """Signed numbers int64 (n,): a byte for the least width that holds all, lowest bytes, second bytes, ..."""
    low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    width = next(width for width in _WIDTHS if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1)
    planes = numbers.astype(f"<i{width}").view(np.uint8).reshape(len(numbers), width).T
    return bytes((width,)) + planes.tobytes()


def unpack_column(column: bytes) -> NDArray[np.int64]:
    """The inverse of :func:`pack_column`; raises :class:`SeriesError`."""
    width = column[0] if column else 0
    if width not in _WIDTHS or (len(column) - 1) % width:
        raise SeriesError("a column of no known width")
    planes = np.frombuffer(column, np.uint8, offset=1).reshape(width, -1)
    return np.ascontiguousarray(planes.T).view(f"<i{width}").ravel().astype(np.int64)


def rows_of_groups(rows: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
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
    values: NDArray[np.float64], rows: NDArray[np.int64], kinds: NDArray[np.int64], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Whole numbers, decimals of each kind, and which series cannot be written so to the last bit."""
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
        decimals = np.full(number, _RAW)
        np.maximum.at(decimals, kinds[~is_raw], needed_by_series[~is_raw])
        scales = np.repeat(10.0 ** np.maximum(decimals, 0)[kinds], rows)
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
