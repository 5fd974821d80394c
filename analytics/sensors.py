"""Faults of sensors, found before anything is concluded from what they say."""

from collections.abc import Mapping, Sequence

import numpy as np

from analytics.indicators import Array

STUCK_SAMPLES = 30
_SPIKE_MADS = 12.0


def stuck_signals(recent: Mapping[str, Array], numeric: Sequence[str], samples: int = STUCK_SAMPLES) -> list[str]:
    """Signals that have said exactly the same for the last ``samples`` known values while others moved.

    Zero is no sign: a standing machine's current is exactly zero.
    """
    still, moving = [], 0
    for key in numeric:
        values = recent.get(key)
        if values is None:
            continue
        known = values[np.isfinite(values)]
        if len(known) < samples:
            continue
        last = known[-samples:]
        if (last == last[0]).all():
            if last[0] != 0:
                still.append(key)
        else:
            moving += 1
    return still if moving >= 2 else []


def implausible_share(values: Array, minimum: float | None, maximum: float | None) -> float:
    """Share of known values outside of what the sensor can mean; 0 where none is known."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    outside = np.zeros(len(known), bool)
    if minimum is not None:
        outside |= known < minimum
    if maximum is not None:
        outside |= known > maximum
    return float(outside.mean())


def spikes(values: Array, least: float) -> int:
    """Lone samples far off their neighbours: twelve median deviations, and at least ``least``.

    A sample is lone where it comes back at once; a step stays and is no spike.
    """
    known = values[np.isfinite(values)]
    if len(known) < 10:
        return 0
    median = float(np.median(known))
    spread = max(float(np.median(np.abs(known - median))) * _SPIKE_MADS, least)
    far = np.abs(known - median) > spread
    if far.mean() > 0.3:
        return 0
    return int(np.sum(far[1:-1] & ~far[2:]))
