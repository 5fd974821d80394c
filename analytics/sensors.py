"""Faults of sensors, found before anything is concluded from what they say."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from analytics.indicators import Array, median

STUCK_SAMPLES = 30
_STUCK_TIMES = 3
_SPIKE_MADS = 12.0
_LOADED = 0.6
_LEAST_ACTIVE = 0.3


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


def outlasts(minutes: Array | None, usual_min: float, step_s: float) -> bool:
    """Whether a signal has said one value for three times as long as its sensor ever did while it was learnt.

    minutes: averages at a step (n,), the newest last; usual_min: the longest so far [min], 0 for a sensor that is finer
    than what it measures wanders. What cannot be seen to outlast it does not.
    """
    if not usual_min:
        return True
    needed = math.ceil(_STUCK_TIMES * usual_min * 60 / step_s)
    if minutes is None or len(minutes) < needed:
        return False
    last = minutes[-needed:]
    return bool(np.isfinite(last).all() and (last == last[0]).all())


def implausible_share(values: Array, minimum: float | None, maximum: float | None) -> float:
    """Share of known values outside of what the sensor can mean; 0 where none is known."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0
    outside = 0
    if minimum is not None:
        outside += int(np.count_nonzero(known < minimum))
    if maximum is not None:
        outside += int(np.count_nonzero(known > maximum))
    return outside / len(known)


def power_mismatch(found: Mapping[str, float]) -> float:
    """How far the measured power is from what voltage and current allow, relative; NaN where that cannot be said.

    Against the meter's own power factor; and against an induction motor that is loaded, of whose apparent power three
    tenths at least are active: a meter whose currents are swapped adds angles that cancel, and reads next to nothing.
    found: indicators of a running motor, NaN where unknown
    """
    apparent = math.sqrt(3) * found.get("voltage_mean", math.nan) * found.get("current_mean", math.nan) / 1000
    power = found.get("power", math.nan)
    active = apparent * found.get("power_factor", math.nan)
    # Unbalanced phases make the product of means differ from the power: no judgement then.
    even = found.get("current_unbalance", math.nan) < 5
    against_factor = abs(power - active) / active if even and active > 0.5 else math.nan
    # The magnetising current alone may be half of the rated one.
    loaded = found.get("current_ratio", math.nan) > _LOADED
    told = loaded and not math.isnan(power + apparent)
    against_motor = max(0.0, 1 - power / (_LEAST_ACTIVE * apparent)) if told else math.nan
    return float(np.fmax(against_factor, against_motor))


def spikes(values: Array, least: float) -> int:
    """Lone samples far off their neighbours: twelve median deviations, and at least ``least``.

    A sample is lone where it comes back at once; a step stays and is no spike.
    """
    known = values[np.isfinite(values)]
    if len(known) < 10:
        return 0
    apart = np.abs(known - median(known))
    far = apart > max(median(apart) * _SPIKE_MADS, least)
    if not far.any() or far.mean() > 0.3:
        return 0
    return int(np.sum(far[1:-1] & ~far[2:]))
