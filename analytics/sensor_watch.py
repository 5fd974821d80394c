"""Follows the sensors of many machines sample by sample: who is stuck, drops out or spikes. No I/O.

What is usual is taken from each machine's own baseline: a coarse sensor repeats itself, a fine one never does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.departure import DepartureModel
from analytics.indicators import Array

# Stuck is a value repeated so often, and so many times longer than ever in the baseline, while others moved.
_STUCK_SAMPLES = 30
_STUCK_TIMES = 3
_LEAST_MOVING = 2
_SPIKE_DEVIATIONS = 12.0
_MEMORY_SAMPLES = 60
_LEAST_SEEN = 10
_DROPPED = 0.3
_SPIKES = 2


@dataclass(frozen=True, slots=True)
class SensorState:
    """What is carried of one machine: arrays (signals,), spikes (signals, 2), and the number of its sample."""

    older: NDArray[np.float64]
    last: NDArray[np.float64]
    repeats: NDArray[np.int64]
    stuck: NDArray[np.bool_]
    bad: NDArray[np.float64]
    seen: NDArray[np.float64]
    spikes: NDArray[np.int64]
    at: int


class FleetSensors:
    """Sensors of machines that share their signals, in the order of their models."""

    def __init__(self, models: Sequence[DepartureModel]) -> None:
        shape = (len(models), len(models[0].signals))
        self._signals = models[0].signals
        self._needed = np.maximum(_STUCK_SAMPLES, _STUCK_TIMES * np.stack([model.repeats for model in models]))
        self._reach = _SPIKE_DEVIATIONS * np.stack([model.scale for model in models])
        # The newest two known values of each, how often the newest was repeated, and when the last spikes were.
        self._older, self._last = np.full(shape, np.nan), np.full(shape, np.nan)
        self._repeats = np.ones(shape, np.int64)
        self._stuck = np.zeros(shape, bool)
        self._bad, self._seen = np.zeros(shape), np.zeros(shape)
        self._spikes = np.full((*shape, _SPIKES), -_MEMORY_SAMPLES)
        self._at = np.zeros(shape[0], np.int64)

    def step(self, values: Array, rows: NDArray[np.int64]) -> Array:
        """A sample (rows, signals) of some machines, NaN where a sensor is stuck."""
        known = np.isfinite(values)
        older, last = self._older[rows], self._last[rows]
        repeats = np.where(known, np.where(values == last, self._repeats[rows] + 1, 1), self._repeats[rows])
        moving = np.sum(known & (repeats < _STUCK_SAMPLES), axis=1)
        newest = np.where(known, values, last)
        # A standing machine's current is exactly zero, which is no sign of anything.
        stuck = (repeats >= self._needed[rows]) & (newest != 0) & (moving >= _LEAST_MOVING)[:, None]
        reach, jump = self._reach[rows], np.abs(last - older)
        lone = (jump > reach) & (np.abs(last - values) > reach) & (np.abs(values - older) <= reach)
        if lone.any():
            row, signal = np.nonzero(lone)
            self._spikes[rows[row], signal, :-1] = self._spikes[rows[row], signal, 1:]
            self._spikes[rows[row], signal, -1] = self._at[rows[row]]
        self._older[rows], self._last[rows] = np.where(known, last, older), newest
        self._repeats[rows], self._stuck[rows] = repeats, stuck
        self._at[rows] += 1
        believed: Array = np.where(stuck, np.nan, values)
        return believed

    def count(self, row: int, bad: NDArray[np.int64], seen: NDArray[np.int64], samples: int) -> None:
        """Readings (signals,) of the newest samples of a machine: how many were bad, and how many there were."""
        keep = np.exp(-samples / _MEMORY_SAMPLES)
        self._bad[row] = keep * self._bad[row] + bad
        self._seen[row] = keep * self._seen[row] + seen

    def indicators(self, row: int) -> dict[str, float]:
        """What the diagnosis of sensors asks for of a machine."""
        return {
            "stuck_signals": float(self._stuck[row].sum()),
            "dropout_share": float(self._shares(row).max(initial=0.0)),
            "spikes": float(self._spiked(row).max(initial=0)),
        }

    def suspects(self, row: int) -> list[str]:
        """Signals of a machine whose sensor is not believed."""
        doubted = self._stuck[row] | (self._shares(row) > _DROPPED) | (self._spiked(row) >= _SPIKES)
        return [key for key, is_doubted in zip(self._signals, doubted.tolist(), strict=True) if is_doubted]

    def state(self, row: int) -> SensorState:
        """What is carried of a machine."""
        return SensorState(
            self._older[row].copy(),
            self._last[row].copy(),
            self._repeats[row].copy(),
            self._stuck[row].copy(),
            self._bad[row].copy(),
            self._seen[row].copy(),
            self._spikes[row].copy(),
            int(self._at[row]),
        )

    def restore(self, row: int, state: SensorState) -> None:
        """Go on with a machine where :meth:`state` left it."""
        self._older[row], self._last[row], self._repeats[row] = state.older, state.last, state.repeats
        self._stuck[row], self._bad[row], self._seen[row] = state.stuck, state.bad, state.seen
        self._spikes[row], self._at[row] = state.spikes, state.at

    def _shares(self, row: int) -> Array:
        shares: Array = np.where(self._seen[row] >= _LEAST_SEEN, self._bad[row] / np.maximum(self._seen[row], 1.0), 0.0)
        return shares

    def _spiked(self, row: int) -> NDArray[np.int64]:
        spiked: NDArray[np.int64] = np.sum(self._spikes[row] > self._at[row] - _MEMORY_SAMPLES, axis=1)
        return spiked
