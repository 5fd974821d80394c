"""Readings of one signal and hour in one row: regular times are not stored at all, decimals as small whole numbers.

Pure functions on arrays; ``reading_block_rows`` in the migrations is the way back, to the last bit.
"""

import struct
from collections.abc import Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from historian.copying import POSTGRES_EPOCH_US
from plant import MICROSECONDS, Batch, to_datetime, to_microseconds

HOUR_US = 3600 * MICROSECONDS

# Object identifiers of the elements' types (pg_type.dat).
_OIDS = {"int2": 21, "int4": 23, "int8": 20, "float8": 701}
_ELEMENTS = {
    kind: np.dtype([("length", ">i4"), ("value", dtype)])
    for kind, dtype in {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8"}.items()
}
_NULL = (-1).to_bytes(4, "big", signed=True)
_MOST_DECIMALS = 6


def hour_of(moment: datetime) -> datetime:
    """Start of the hour that a moment is in: blocks that may hold readings from it on begin there or later."""
    return to_datetime(to_microseconds(moment) // HOUR_US * HOUR_US)


def encode_blocks(batch: Batch) -> Iterator[bytes]:
    """Rows of ``reading_block`` in COPY's binary format, one for each signal and hour.

    batch: in order of signal and time, each key once
    """
    if not len(batch):
        return
    hours = batch.times // HOUR_US
    begins = np.flatnonzero((np.diff(batch.signal_ids, prepend=-1) != 0) | (np.diff(hours, prepend=-1) != 0))
    for begin, end in zip(begins, np.append(begins[1:], len(batch)), strict=True):
        yield _block(
            int(batch.signal_ids[begin]),
            int(hours[begin]) * HOUR_US,
            batch.times[begin:end],
            batch.values[begin:end],
            batch.qualities[begin:end],
        )


def _block(
    signal: int, hour: int, times: NDArray[np.int64], values: NDArray[np.float64], qualities: NDArray[np.int16]
) -> bytes:
    unit, step, steps = _steps(times)
    scale, base, numbers = _decimals(values)
    return b"".join(
        (
            (14).to_bytes(2, "big"),
            _int4(signal),
            _int8(hour - POSTGRES_EPOCH_US),
            _int8(int(times[0]) - POSTGRES_EPOCH_US),
            _int4(len(times)),
            _int8(unit),
            _NULL if step is None else _int8(step),
            _array("int2", steps) if steps is not None and steps.max() <= np.iinfo(np.int16).max else _NULL,
            _array("int8", steps) if steps is not None and steps.max() > np.iinfo(np.int16).max else _NULL,
            (8).to_bytes(4, "big") + struct.pack(">d", scale),
            _int8(base),
            *_whole(numbers),
            _array("float8", values) if numbers is None else _NULL,
            _array("int2", qualities) if qualities.any() else _NULL,
        )
    )


def _steps(times: NDArray[np.int64]) -> tuple[int, int | None, NDArray[np.int64] | None]:
    """Unit [us] and either the one step or all of them (the first 0), in units."""
    steps = np.diff(times)
    if not len(steps):
        return 1, 0, None
    unit = int(np.gcd.reduce(steps))
    steps //= unit
    if (steps == steps[0]).all():
        return unit, int(steps[0]), None
    return unit, None, np.concatenate((np.zeros(1, np.int64), steps))


def _decimals(values: NDArray[np.float64]) -> tuple[float, int, NDArray[np.int64] | None]:
    """Scale, base and whole numbers n with values == (base + n) / scale exactly; (1, 0, None) where there are none."""
    if np.isfinite(values).all() and np.abs(values).max() < 2**31 and not (np.signbit(values) & (values == 0)).any():
        for decimals in range(_MOST_DECIMALS + 1):
            scale = 10.0**decimals
            numbers = np.rint(values * scale)
            if np.array_equal(numbers / scale, values):
                whole = numbers.astype(np.int64)
                base = int(whole.min() + whole.max()) // 2
                if int(whole.max()) - base <= np.iinfo(np.int32).max:
                    return scale, base, whole - base
    return 1.0, 0, None


def _whole(numbers: NDArray[np.int64] | None) -> tuple[bytes, bytes]:
    if numbers is None:
        return _NULL, _NULL
    most = int(np.abs(numbers).max())
    if most <= np.iinfo(np.int16).max:
        return _array("int2", numbers), _NULL
    return _NULL, _array("int4", numbers)


def _int4(number: int) -> bytes:
    return (4).to_bytes(4, "big") + number.to_bytes(4, "big", signed=True)


def _int8(number: int) -> bytes:
    return (8).to_bytes(4, "big") + number.to_bytes(8, "big", signed=True)


def _array(kind: str, values: NDArray[np.int64] | NDArray[np.float64] | NDArray[np.int16]) -> bytes:
    """A one-dimensional array as PostgreSQL receives it (array_recv in its sources)."""
    elements = np.empty(len(values), _ELEMENTS[kind])
    elements["length"] = _ELEMENTS[kind]["value"].itemsize
    elements["value"] = values
    header = np.array([1, 0, _OIDS[kind], len(values), 1], ">i4").tobytes()
    return (len(header) + elements.nbytes).to_bytes(4, "big") + header + elements.tobytes()
