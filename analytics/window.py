"""Readings pivoted onto a grid of time: one array a machine and signal, NaN where nothing was measured."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array
from historian import Connection, Machine, Rollup, read_readings
from plant import MICROSECONDS, Batch, Quality, to_datetime

_MOST_COUNTED = 100


@dataclass(frozen=True, slots=True)
class SignalIndex:
    """Where each signal id goes: machine row and signal column.

    machine_of, column_of: int64 (largest id + 1,), -1 for ids that are not there
    """

    machines: tuple[Machine, ...]
    keys: tuple[str, ...]
    machine_of: NDArray[np.int64]
    column_of: NDArray[np.int64]

    @classmethod
    def of(cls, machines: Sequence[Machine]) -> "SignalIndex":
        """The index of some machines."""
        keys = tuple(sorted({key for machine in machines for key in machine.signal_ids}))
        column = {key: number for number, key in enumerate(keys)}
        size = max((signal for machine in machines for signal in machine.signal_ids.values()), default=0) + 1
        machine_of, column_of = np.full(size, -1), np.full(size, -1)
        for row, machine in enumerate(machines):
            for key, signal in machine.signal_ids.items():
                machine_of[signal], column_of[signal] = row, column[key]
        return cls(tuple(machines), keys, machine_of, column_of)

    def places(self, signal_ids: NDArray[np.int32]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Which ids are known, and the rows and columns of those."""
        inside = (signal_ids > 0) & (signal_ids < len(self.machine_of))
        known = inside.copy()
        known[inside] = self.machine_of[signal_ids[inside]] >= 0
        return known, self.machine_of[signal_ids[known]], self.column_of[signal_ids[known]]


@dataclass(frozen=True, slots=True)
class Window:
    """Values on a grid: (machines, signals, steps), and how many readings were bad or seen at all."""

    start_us: int
    step_us: int
    values: NDArray[np.floating[Any]]
    bad: NDArray[np.int64]
    seen: NDArray[np.int64]

    def of_machine(self, index: SignalIndex, row: int) -> dict[str, Array]:
        """Signal -> (steps,) of one machine, signals it has."""
        machine = index.machines[row]
        values = self.values[row].astype(np.float64)
        return {key: values[column] for column, key in enumerate(index.keys) if key in machine.signal_ids}

    def bad_share(self, index: SignalIndex, row: int) -> dict[str, float]:
        """Signal -> share of its readings that were bad."""
        return {
            key: float(self.bad[row, column] / self.seen[row, column])
            for column, key in enumerate(index.keys)
            if self.seen[row, column]
        }

    def newest_us(self) -> NDArray[np.int64]:
        """Time of the newest value of every machine, (machines,); -1 where there is none."""
        some: NDArray[np.bool_] = np.any(np.isfinite(self.values), axis=1)
        last = self.values.shape[2] - 1 - np.argmax(some[:, ::-1], axis=1)
        newest: NDArray[np.int64] = np.where(some.any(axis=1), self.start_us + last * self.step_us, -1)
        return newest


@dataclass(frozen=True, slots=True)
class _Grid:
    """(machines, signals, steps) each: newest value of a step, and how many readings were bad or seen at all."""

    values: NDArray[np.floating[Any]]
    bad: NDArray[np.int8]
    seen: NDArray[np.int8]

    @classmethod
    def empty(cls, index: SignalIndex, steps: int, kind: type[np.floating[Any]] = np.float64) -> "_Grid":
        shape = (len(index.machines), len(index.keys), steps)
        return cls(np.full(shape, np.nan, kind), np.zeros(shape, np.int8), np.zeros(shape, np.int8))

    def take_over(self, older: "_Grid", shift: int, until: int) -> None:
        """Steps before ``until`` from a grid that began ``shift`` steps earlier."""
        self.values[..., :until] = older.values[..., shift : shift + until]
        self.bad[..., :until] = older.bad[..., shift : shift + until]
        self.seen[..., :until] = older.seen[..., shift : shift + until]

    def add(self, batch: Batch, index: SignalIndex, start_us: int, step_us: int) -> None:
        """Put readings in, by time; bad ones are counted and give no value."""
        known, rows, columns = index.places(batch.signal_ids)
        at = (batch.times[known] - start_us) // step_us
        inside = (at >= 0) & (at < self.values.shape[2])
        rows, columns, at = rows[inside], columns[inside], at[inside]
        is_bad = batch.qualities[known][inside] == Quality.BAD
        _count(self.seen, rows, columns, at)
        _count(self.bad, rows[is_bad], columns[is_bad], at[is_bad])
        good = ~is_bad
        self.values[rows[good], columns[good], at[good]] = batch.values[known][inside][good]

    def window(self, start_us: int, step_us: int) -> Window:
        """What the grid holds."""
        return Window(
            start_us, step_us, self.values, self.bad.sum(axis=2, dtype=np.int64), self.seen.sum(axis=2, dtype=np.int64)
        )


def _count(grid: NDArray[np.int8], rows: NDArray[np.int64], columns: NDArray[np.int64], at: NDArray[np.int64]) -> None:
    """Add one at each place, as often as it comes; a hundred in one step are as good as more."""
    places, often = np.unique(np.ravel_multi_index((rows, columns, at), grid.shape), return_counts=True)
    flat = grid.reshape(-1)
    flat[places] = np.minimum(flat[places] + often, _MOST_COUNTED)


def pivot_readings(batch: Batch, index: SignalIndex, start_us: int, step_us: int, steps: int) -> Window:
    """Readings of [start, start + steps) on the grid; the newest of a step wins, bad ones are left out."""
    grid = _Grid.empty(index, steps)
    grid.add(batch, index, start_us, step_us)
    return grid.window(start_us, step_us)


def pivot_rollup(
    rollup: Rollup,
    index: SignalIndex,
    start_us: int,
    step_us: int,
    steps: int,
    column: Literal["averages", "minima"] = "averages",
) -> Array:
    """Averages or minima of a roll-up on its grid, float64 (machines, signals, steps)."""
    values = np.full((len(index.machines), len(index.keys), steps), np.nan)
    known, rows, columns = index.places(rollup.signal_ids)
    at = (rollup.buckets[known] - start_us) // step_us
    inside = (at >= 0) & (at < steps)
    values[rows[inside], columns[inside], at[inside]] = getattr(rollup, column)[known][inside]
    return values


class LiveReadings:
    """The newest seconds of all machines, kept up to date with little reading.

    Each refresh reads what is new and, again, the seconds before it in which something late may have come: all
    of them where that is cheap, three at least.
    """

    SECONDS = 75
    _LEAST_AGAIN_S = 3
    _ROWS_AGAIN = 100_000
    # A window is handed out again for a second, and for longer where making it took long: so reading takes a
    # tenth of the time at most, however large the plant.
    _FRESH_US = MICROSECONDS
    _FRESH_TIMES = 10
    _STALE_US = 8 * MICROSECONDS

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.index = SignalIndex.of(machines)
        self.rows = {machine.id: row for row, machine in enumerate(machines)}
        # Float32 holds seven digits, more than any sensor; it halves what ten thousand machines take.
        self._grid = _Grid.empty(self.index, self.SECONDS + 1, np.float32)
        self._start = 0
        self._rate = 0.0
        self._took_us = 0.0
        self._lock = asyncio.Lock()
        self._window = self._grid.window(0, MICROSECONDS)

    async def refresh(self, connection: Connection, now: int) -> Window:
        """The window that ends with ``now`` [us]; one that is a second old at most is handed out again."""
        async with self._lock:
            start = (now // MICROSECONDS - self.SECONDS + 1) * MICROSECONDS
            fresh_us = min(max(self._FRESH_US, self._FRESH_TIMES * self._took_us), self._STALE_US)
            if 0 <= start - self._start < fresh_us:
                return self._window
            began = time.monotonic()
            again_s = max(self._LEAST_AGAIN_S, int(self._ROWS_AGAIN / max(self._rate, 1.0)))
            shift = (start - self._start) // MICROSECONDS
            steps = self.SECONDS + 1
            first = 0 if not 0 < shift < steps else max(0, steps - shift - again_s)
            read_from = start + first * MICROSECONDS
            batch = await read_readings(
                connection, None, to_datetime(read_from), to_datetime(start + steps * MICROSECONDS)
            )
            self._rate = len(batch) / (steps - first)
            # Made anew, not in place: somebody may still be looking at the window of before.
            grid = _Grid.empty(self.index, steps, np.float32)
            if first:
                grid.take_over(self._grid, shift, first)
            grid.add(batch, self.index, start, MICROSECONDS)
            self._grid, self._start = grid, start
            self._window = grid.window(start, MICROSECONDS)
            # What is read the first time, the whole window, says nothing of what comes after.
            self._took_us = (time.monotonic() - began) * MICROSECONDS if first else 0.0
            return self._window
