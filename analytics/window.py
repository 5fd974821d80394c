"""Readings pivoted onto a grid of time: one array a machine and signal, NaN where nothing was measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array
from historian import Machine, Rollup
from plant import Batch, Quality


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
    """Values on a grid: float64 (machines, signals, steps), and how many readings were bad or seen at all."""

    start_us: int
    step_us: int
    values: Array
    bad: NDArray[np.int64]
    seen: NDArray[np.int64]

    def of_machine(self, index: SignalIndex, row: int) -> dict[str, Array]:
        """Signal -> (steps,) of one machine, signals it has."""
        machine = index.machines[row]
        return {key: self.values[row, column] for column, key in enumerate(index.keys) if key in machine.signal_ids}

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


def pivot_readings(batch: Batch, index: SignalIndex, start_us: int, step_us: int, steps: int) -> Window:
    """Readings of [start, start + steps) on the grid; the newest of a step wins, bad ones are left out."""
    shape = (len(index.machines), len(index.keys))
    values = np.full((*shape, steps), np.nan)
    bad, seen = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    known, rows, columns = index.places(batch.signal_ids)
    at = (batch.times[known] - start_us) // step_us
    inside = (at >= 0) & (at < steps)
    rows, columns, at = rows[inside], columns[inside], at[inside]
    is_bad = batch.qualities[known][inside] == Quality.BAD
    np.add.at(seen, (rows, columns), 1)
    np.add.at(bad, (rows[is_bad], columns[is_bad]), 1)
    good = ~is_bad
    values[rows[good], columns[good], at[good]] = batch.values[known][inside][good]
    return Window(start_us, step_us, values, bad, seen)


def pivot_rollup(rollup: Rollup, index: SignalIndex, start_us: int, step_us: int, steps: int) -> Array:
    """Averages of a roll-up on its grid, float64 (machines, signals, steps)."""
    values = np.full((len(index.machines), len(index.keys), steps), np.nan)
    known, rows, columns = index.places(rollup.signal_ids)
    at = (rollup.buckets[known] - start_us) // step_us
    inside = (at >= 0) & (at < steps)
    values[rows[inside], columns[inside], at[inside]] = rollup.averages[known][inside]
    return values
