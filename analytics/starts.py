"""Starts of a motor and what is no start any more: how often, how long, and a rotor that is held. Pure."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array
from plant import Nameplate

# Currents relative to the rated one: from which on a motor turns, and from which on it starts or is held.
TURNING = 0.08
SURGE = 2.5
# The current has come down by then, and what follows from it has not settled before.
START_ENDS_S = 5
# A shaft that is held does not turn; one that starts has passed this share of rated speed within a second or two.
_STANDING = 0.2


def surging(current_ratio: Array) -> NDArray[np.bool_]:
    """Where a motor starts, or its rotor is held (n,): far beyond what any load draws."""
    surge: NDArray[np.bool_] = current_ratio > SURGE
    return surge


def count_starts(current_ratio: Array) -> int:
    """How often a motor began to turn in a series of currents relative to the rated one (n,), gaps left out."""
    turns = current_ratio[np.isfinite(current_ratio)] > TURNING
    return int(np.sum(turns[1:] & ~turns[:-1]))


def stalled_s(seconds: Mapping[str, Array], nameplate: Nameplate) -> float:
    """The longest that the rotor was held in the newest seconds [s]; NaN where the currents are not known.

    seconds: signal -> float64 (n,), one value a second. Held is a motor under a starting current whose shaft stands.
    Without a speed a starting current counts that ended in standstill, for something tripped, or lasted longer than the
    hot stall time (nameplate). Source: IEC 60255-151, stall and locked-rotor protection.
    """
    phases = [seconds[key] for key in ("current_u", "current_v", "current_w") if key in seconds]
    if len(phases) < 3:
        return math.nan
    ratio = (phases[0] + phases[1] + phases[2]) / 3 / float(nameplate["rated_current"])
    known = np.isfinite(ratio)
    if not known.any():
        return math.nan
    speed = seconds.get("speed", np.full(len(ratio), np.nan)) / float(nameplate["rated_speed"])
    longest = 0.0
    edges = np.diff(np.concatenate(([0], surging(ratio).astype(np.int8), [0])))
    for first, end in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        turned = speed[first:end]
        if np.isfinite(turned).any():
            held = float(np.sum(turned < _STANDING))
        else:
            after = ratio[end:][np.isfinite(ratio[end:])]
            tripped = len(after) > 0 and after[0] <= TURNING
            held = float(end - first) if tripped or end - first > float(nameplate["stall_time"]) else 0.0
        longest = max(longest, held)
    return longest
