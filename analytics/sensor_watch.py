"""Follows the sensors of one machine sample by sample: who is stuck, drops out or spikes. No I/O.

What is usual is taken from the machine's own baseline: a coarse sensor repeats itself, a fine one never does.
"""

import math

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


class SensorWatch:
    """Signals of one machine, in the order of its model."""

    def __init__(self, model: DepartureModel) -> None:
        self._model = model
        count = len(model.signals)
        self._needed = np.maximum(_STUCK_SAMPLES, _STUCK_TIMES * model.repeats)
        self._last = np.full((2, count), np.nan)  # the newest two samples, older one first
        self._repeats = np.ones(count, np.int64)
        self._bad, self._seen = np.zeros(count), np.zeros(count)
        self._spiked: list[tuple[int, int]] = []  # (sample, signal)
        self._at = 0
        self.stuck: NDArray[np.bool_] = np.zeros(count, bool)

    def follow(self, values: Array, bad: NDArray[np.int64], seen: NDArray[np.int64]) -> Array:
        """Samples (n, signals) without those of stuck sensors.

        bad, seen: (signals,), how many readings of the samples the device called bad, and how many there were
        """
        keep = math.exp(-len(values) / _MEMORY_SAMPLES)
        self._bad, self._seen = keep * self._bad + bad, keep * self._seen + seen
        believed = values.copy()
        for number, sample in enumerate(values):
            self._take(sample)
            believed[number, self.stuck] = np.nan
        self._spiked = [(at, signal) for at, signal in self._spiked if at > self._at - _MEMORY_SAMPLES]
        return believed

    def _take(self, sample: Array) -> None:
        self._at += 1
        known = np.isfinite(sample)
        older, last = self._last
        same = sample == last
        self._repeats = np.where(known, np.where(same, self._repeats + 1, 1), self._repeats)
        still = self._repeats >= self._needed
        moving = int(np.sum(known & (self._repeats < _STUCK_SAMPLES)))
        # A standing machine's current is exactly zero, which is no sign of anything.
        self.stuck = still & (self._last[1] != 0) & (moving >= _LEAST_MOVING)
        reach = _SPIKE_DEVIATIONS * self._model.scale
        lone = (np.abs(last - older) > reach) & (np.abs(last - sample) > reach) & (np.abs(sample - older) <= reach)
        self._spiked += [(self._at - 1, signal) for signal in np.flatnonzero(lone).tolist()]
        self._last = np.where(known, np.stack([last, sample]), self._last)

    def indicators(self) -> dict[str, float]:
        """What the diagnosis of sensors asks for."""
        shares = self._shares()
        counts = np.bincount([signal for _, signal in self._spiked], minlength=len(shares))
        return {
            "stuck_signals": float(self.stuck.sum()),
            "dropout_share": float(shares.max(initial=0.0)),
            "spikes": float(counts.max(initial=0)),
        }

    def suspects(self) -> list[str]:
        """Signals whose sensor is not believed."""
        counts = np.bincount([signal for _, signal in self._spiked], minlength=len(self._model.signals))
        doubted = self.stuck | (self._shares() > _DROPPED) | (counts >= 2)
        return [key for key, is_doubted in zip(self._model.signals, doubted.tolist(), strict=True) if is_doubted]

    def _shares(self) -> Array:
        shares: Array = np.where(self._seen >= _LEAST_SEEN, self._bad / np.maximum(self._seen, 1.0), 0.0)
        return shares
