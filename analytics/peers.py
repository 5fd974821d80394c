"""Machines of one type, duty and similar size against one another: who has been worn since before it was learnt.

A machine's own model calls normal what it saw first. Its peers do not. Pure functions on arrays; levels are those of
machine-days, as the template's ``peers`` say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import theilslopes

from analytics.diagnosis import Verdict, diagnose
from analytics.indicators import Array, indicators
from plant import Nameplate, PeerGroup, PeerLevel, Template, fault_library

MODE = "unlike_peers"
# A day counts with so many hours of running.
LEAST_HOURS = 3.0
PHASE_CURRENTS = ("current_u", "current_v", "current_w")
_TURNING = 0.08
# Standard deviations of a normal distribution per median absolute deviation.
_MAD = 1.4826
# A line through more machines than this is no better, and takes the square of the time.
_LINE_OF = 300


@dataclass(frozen=True, slots=True)
class DayLevels:
    """What one machine's hours of a day come to.

    hours: of which it is known that it ran; levels: indicator -> median over them, what they are explained by included
    """

    hours: float
    levels: dict[str, float]


@dataclass(frozen=True, slots=True)
class Scores:
    """How machines stand among their peers at one level, (machines,) each; NaN where there are too few peers.

    score: robust standard deviations above the peers' median; usual: that median, at the machine's own value of what
    explains the level, in the level's unit; peers: how many others it was compared with
    """

    score: Array
    usual: Array
    spread: Array
    peers: Array


@dataclass(frozen=True, slots=True)
class Standing:
    """How one machine stands among its peers at one level, in the level's unit."""

    level: PeerLevel
    value: float
    usual: float
    spread: float
    peers: int
    score: float

    def evidence(self, at: float) -> dict[str, Any]:
        """A row of evidence; limit: the value from which it stands out fully, ``at`` deviations off."""
        beyond = np.copysign(at * self.spread, self.value - self.usual)
        limit = self.usual * np.exp(beyond) if self.level.scale == "log" else self.usual + beyond
        with_en = f"compared with {self.peers} machines of its type, {self.usual:.3g} is usual"
        with_zh = f"与{self.peers}台同类设备对比，通常为{self.usual:.3g}"
        return {
            "indicator": self.level.indicator,
            "value": round(self.value, 4),
            "limit": round(float(limit), 4),
            "unit": self.level.unit,
            "direction": "for",
            "weight": round(self.score, 2),
            "text_en": f"{self.level.text_en} ({with_en})",
            "text_zh": f"{self.level.text_zh}（{with_zh}）",
        }


def day_levels(
    template: Template,
    nameplate: Nameplate,
    averages: Mapping[str, Array],
    minima: Mapping[str, Array],
    step_h: float = 1.0,
) -> DayLevels:
    """The levels of one machine's day, from averages and minima of its signals over steps of so many hours, (steps,).

    A step counts where no current fell below what a running machine draws: an average over standing means nothing.
    """
    phases = [minima[key] for key in PHASE_CURRENTS if key in minima]
    if len(phases) < len(PHASE_CURRENTS):
        return DayLevels(0.0, {})
    ran = np.min(phases, axis=0) > _TURNING * float(nameplate["rated_current"])
    hours = float(np.count_nonzero(ran)) * step_h
    if hours < LEAST_HOURS:
        return DayLevels(hours, {})
    found = _compared(indicators(template.key, nameplate, {key: values[ran] for key, values in averages.items()}))
    wanted = {level.indicator for level in template.peers.levels}
    wanted |= {level.explained_by for level in template.peers.levels if level.explained_by}
    levels = {}
    for key in sorted(wanted & found.keys()):
        known = found[key][np.isfinite(found[key])]
        if len(known) * step_h >= LEAST_HOURS:
            levels[key] = float(np.median(known))
    return DayLevels(hours, levels)


def runs_in_pieces(nameplate: Nameplate, day: DayLevels, averages: Mapping[str, Array]) -> bool:
    """Whether a machine, such as a crane, ran that day, but never for a whole hour: its minutes have to be asked."""
    if day.hours >= LEAST_HOURS or not all(key in averages for key in PHASE_CURRENTS):
        return False
    mean = np.mean([averages[key] for key in PHASE_CURRENTS], axis=0) / float(nameplate["rated_current"])
    return float(np.nansum(mean)) > LEAST_HOURS * _TURNING


def _compared(found: Mapping[str, Array]) -> dict[str, Array]:
    """Indicators, and those that only a comparison between machines needs."""
    missing = np.full(np.shape(next(iter(found.values()))), np.nan)

    def known(key: str) -> Array:
        return found.get(key, missing)

    de, nde = known("bearing_temperature_de"), known("bearing_temperature_nde")
    unexplained = known("current_unbalance") - 10 * known("voltage_unbalance")
    return {
        **found,
        "bearing_rise_least": np.minimum(de, nde) - known("ambient_temperature"),
        "bearing_difference": de - nde,
        "current_unbalance_unexplained": np.maximum(unexplained, 0.0),
    }


def newest_levels(days: Sequence[DayLevels], group: PeerGroup) -> dict[str, float]:
    """A machine's levels over its newest days, oldest first: medians; empty with too few days that count."""
    usable = [day.levels for day in days if day.hours >= LEAST_HOURS][-group.days :]
    found: dict[str, float] = {}
    for key in {key for levels in usable for key in levels}:
        values = [levels[key] for levels in usable if key in levels]
        if len(values) >= group.least_days:
            found[key] = float(np.median(values))
    return found


def compare(
    group: PeerGroup, nameplates: Sequence[Nameplate], machines: Sequence[Mapping[str, float]]
) -> list[list[Standing]]:
    """For each machine of one type and owner, how it stands at every level; the furthest off first.

    nameplates: complete, (machines); machines: indicator -> level of each
    """
    words = [tuple(str(nameplate[key]) for key in group.same) for nameplate in nameplates]
    sizes = np.array([float(nameplate[group.size]) if group.size else 1.0 for nameplate in nameplates])
    found: list[list[Standing]] = [[] for _ in machines]
    for kind in sorted(set(words)):
        rows = [row for row, word in enumerate(words) if word == kind]
        for level in group.levels:
            values = np.array([machines[row].get(level.indicator, np.nan) for row in rows])
            explained = (
                np.array([machines[row].get(level.explained_by, np.nan) for row in rows])
                if level.explained_by
                else None
            )
            scores = score(level, values, sizes[rows], explained, group.within, group.least)
            for number, row in enumerate(rows):
                if np.isfinite(scores.score[number]):
                    found[row].append(
                        Standing(
                            level,
                            float(values[number]),
                            float(scores.usual[number]),
                            float(scores.spread[number]),
                            int(scores.peers[number]),
                            float(scores.score[number]),
                        )
                    )
    return [sorted(standings, key=lambda standing: -standing.score) for standings in found]


def verdict_of(standings: Sequence[Standing]) -> Verdict:
    """How sure it is that a machine stands out; standings: as :func:`compare` gives them, at least one."""
    return diagnose([fault_library()[MODE]], {"standing_out": standings[0].score})[0]


def evidence_of(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """The levels that stand out, by half at least of what it takes, as rows of evidence."""
    (symptom,) = fault_library()[MODE].symptoms
    return [standing.evidence(symptom.at) for standing in standings if standing.score > symptom.at / 2]


def score(level: PeerLevel, values: Array, sizes: Array, explained: Array | None, within: float, least: int) -> Scores:
    """Robust scores of machines that may be compared, each against all others of similar size.

    values, sizes, explained: (machines,), NaN where not known; explained None: the level stands for itself.
    Source: median and 1.4826 MAD, as in Iglewicz and Hoaglin, How to Detect and Handle Outliers (1993).
    """
    count = len(values)
    found = Scores(np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan), np.zeros(count))
    logarithmic = level.scale == "log"
    scaled = np.log(np.where(values > 0, values, np.nan)) if logarithmic else values
    usable = np.isfinite(scaled) & np.isfinite(sizes)
    if explained is not None:
        usable &= np.isfinite(explained)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(sizes[rows], kind="stable")]
    if len(rows) <= least:
        return found
    size, flat = sizes[rows], scaled[rows]
    effect = np.zeros(len(rows))
    if explained is not None:
        effect = _slope(flat, explained[rows]) * explained[rows]
        flat = flat - effect
    # Sorted by size, a machine's peers lie side by side.
    first = np.searchsorted(size, size / within * (1 - 1e-9))
    last = np.searchsorted(size, size * within * (1 + 1e-9), side="right")
    for place, row in enumerate(rows.tolist()):
        others = np.delete(flat[first[place] : last[place]], place - first[place])
        found.peers[row] = len(others)
        if len(others) < least:
            continue
        middle = float(np.median(others))
        spread = max(_MAD * float(np.median(np.abs(others - middle))), level.least_spread)
        off = (flat[place] - middle) / spread
        usual = middle + effect[place]
        found.score[row] = abs(off) if level.side == "both" else off
        found.usual[row] = np.exp(usual) if logarithmic else usual
        found.spread[row] = spread
    return found


def _slope(values: Array, explained: Array) -> float:
    """Of a line through the machines that a minority of odd ones does not turn (Theil and Sen)."""
    if np.ptp(explained) < 1e-9:
        return 0.0
    chosen = np.linspace(0, len(values) - 1, min(len(values), _LINE_OF)).round().astype(int)
    if np.ptp(explained[chosen]) < 1e-9:
        return 0.0
    return float(theilslopes(values[chosen], explained[chosen])[0])
