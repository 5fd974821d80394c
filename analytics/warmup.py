"""Whether a baseline has seen a slow signal settle: before that it only teaches how the machine warms up."""

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array
from plant import Template

# A machine's windings and bearings follow their load with time constants of up to an hour or so: eight of the
# usual half hour are what a baseline must last before anything is said of them.
LEAST_S = 8 * 1800.0
_BLOCKS = 8
# How far the second half may lie from the first, in standard errors of a mean of four blocks.
_FAR = 2.0
# Share of a baseline in which a signal must be known.
_THERE = 0.8


def warmed_up(values: Array, step_s: float) -> NDArray[np.bool_]:
    """For each signal of a baseline (n, signals): long enough, and its halves agree (signals,).

    Halves are compared by the scatter of block means around their own half's mean, since samples of a
    slow signal are far from independent.
    """
    signals = values.shape[1]
    if len(values) * step_s < LEAST_S:
        return np.zeros(signals, bool)
    blocks = np.array_split(values, _BLOCKS)
    means = np.full((_BLOCKS, signals), np.nan)
    for number, block in enumerate(blocks):
        some = np.isfinite(block).any(axis=0)
        means[number, some] = np.nanmean(block[:, some], axis=0)
    first, second = means[: _BLOCKS // 2], means[_BLOCKS // 2 :]
    scatter = np.sqrt((first.var(axis=0, ddof=1) + second.var(axis=0, ddof=1)) / (_BLOCKS // 2))
    agreed: NDArray[np.bool_] = np.abs(second.mean(axis=0) - first.mean(axis=0)) <= _FAR * scatter
    return agreed


def judged_signals(template: Template, keys: tuple[str, ...], baseline: Array, step_s: float) -> list[int]:
    """Which signals of a baseline (n, keys) departures are judged on: fast ones, and slow ones that have settled.

    One that is hardly there teaches nothing, and would take the others' samples with it.
    """
    settled = warmed_up(baseline, step_s)
    fast = np.array([template.signal(key).response == "fast" for key in keys])
    there = np.isfinite(baseline).mean(axis=0) >= _THERE
    chosen: list[int] = np.flatnonzero((fast | settled) & there).tolist()
    return chosen
