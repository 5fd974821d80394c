"""When a score becomes a departure, and when a departure is over: on/off hysteresis over arrays of machines.

A score is relative to its limit: 1 is the limit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array

_ON, _OFF = 1.0, 0.5
# A departure is over as well when this share of its peak is left: the cause has gone, the machine settles.
_LEFT = 0.2
# While it settles only twice what was left is a new departure; after so many samples what is left counts as such.
_SETTLING_SAMPLES = 600


@dataclass(slots=True)
class Persistence:
    """State of machines (m,).

    departed: bool; peak: greatest score of this departure; bar: score at which the next one begins
    cleared: samples since the last one ended
    """

    departed: NDArray[np.bool_]
    peak: NDArray[np.float64]
    bar: NDArray[np.float64]
    cleared: NDArray[np.int64]

    @classmethod
    def of(cls, machines: int) -> "Persistence":
        """Machines of which nothing is known yet."""
        return cls(np.zeros(machines, bool), np.zeros(machines), np.full(machines, _ON), np.zeros(machines, np.int64))

    def follow(self, scores: Array, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Take one score each of some rows; which of them are departed (rows,)."""
        was, peak = self.departed[rows], self.peak[rows]
        peak = np.where(was, np.maximum(peak, scores), scores)
        over = np.maximum(_OFF, _LEFT * peak)
        now: NDArray[np.bool_] = np.where(was, scores > over, scores > self.bar[rows])
        ended = was & ~now
        cleared = np.where(ended, 0, self.cleared[rows] + 1)
        bar = np.where(ended, np.maximum(_ON, 2 * over), self.bar[rows])
        calm = ~now & (scores < _OFF)
        self.bar[rows] = np.where(calm | (cleared > _SETTLING_SAMPLES), _ON, bar)
        self.departed[rows], self.peak[rows], self.cleared[rows] = now, peak, cleared
        return now
