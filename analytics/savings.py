"""What was saved against a baseline, and how sure that is; no claim where there is too little to make one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from scipy.stats import t as student

LEAST_EVENTS = 5
LEAST_MACHINES = 5
LEAST_COVERAGE = 0.5
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class MachinePair:
    """One machine in the baseline and in the period: hours seen, unplanned hours, stops, costs of stops and of work.

    jobs: work orders that were closed
    """

    seen_before_h: float
    seen_after_h: float
    down_before_h: float
    down_after_h: float
    stops_before: int
    stops_after: int
    downtime_cost_before: float
    downtime_cost_after: float
    work_cost_before: float
    work_cost_after: float
    jobs_before: int


@dataclass(frozen=True, slots=True)
class Saving:
    """An amount saved in the period, and the share of what would have been without; low and high at 95 %.

    claim: whether the interval leaves zero out; reason: why there is no number at all
    """

    key: str
    unit: str
    saved: float | None
    share: float | None
    low: float | None
    high: float | None
    claim: bool
    reason: str | None = None
    reason_zh: str | None = None


def rate_ratio_interval(
    before: int, before_h: float, after: int, after_h: float, confidence: float = _CONFIDENCE
) -> tuple[float, float]:
    """Exact interval of the ratio of two Poisson rates, after over before.

    Given their sum, the stops after are binomial (Przyborowski and Wilenski 1940); its share p by Clopper and Pearson
    1934 gives the ratio p / (1 - p) x before_h / after_h.
    """
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, after, before + 1)) if after else 0.0
    high = float(beta.ppf(1 - tail, after + 1, before)) if before else 1.0
    scale = before_h / after_h
    return low / (1 - low) * scale, (high / (1 - high) * scale if high < 1 else float("inf"))


def ratio_interval(
    amounts: NDArray[np.float64], seen: NDArray[np.float64], confidence: float = _CONFIDENCE
) -> tuple[float, float]:
    """Interval of the ratio of two rates, after over before: amounts and hours seen are (machines, 2).

    The hull of two sets of ratios r that the rates a (after) and b (before) do not contradict, (a - r b)^2 <= t^2 V(r):
    with V from the residuals of the machines, before and after together (Fieller 1954), which lets a machine that fails
    often do so in both; and with V as it were if events came by chance at r times the rate of the baseline
    (for compound Poisson sums the variance of a rate goes with the rate over the time seen), because a short period in
    which little happened says little about how much could have. What machines have in common, their covariance, is
    taken off the latter, at most half of it. An upper bound may be infinite.
    """
    count = len(amounts)
    (before, after), (before_h, after_h) = amounts.sum(axis=0), seen.sum(axis=0)
    b, a = before / before_h, after / after_h
    residual_b = (amounts[:, 0] - b * seen[:, 0]) / before_h
    residual_a = (amounts[:, 1] - a * seen[:, 1]) / after_h
    factor = count / (count - 1)
    var_b, var_a = factor * float(residual_b @ residual_b), factor * float(residual_a @ residual_a)
    cov = factor * float(residual_a @ residual_b)
    square = float(student.ppf((1 + confidence) / 2, count - 1)) ** 2
    by_machine = _between_roots(b**2 - square * var_b, -2 * (a * b - square * cov), a**2 - square * var_a)
    common = min(max(cov * b / a, 0.0), var_b / 2) if a > 0 else 0.0
    chance = square * (var_b - common)
    by_chance = _between_roots(b**2 - chance, -2 * a * b - chance * before_h / after_h, a**2)
    return min(by_machine[0], by_chance[0]), max(by_machine[1], by_chance[1])


def _between_roots(x2: float, x1: float, x0: float) -> tuple[float, float]:
    """Where x2 r^2 + x1 r + x0 <= 0 for r >= 0; all of it where that is not an interval."""
    if x2 <= 0:
        return 0.0, float("inf")
    root = max(x1**2 - 4 * x2 * x0, 0.0) ** 0.5
    return max((-x1 - root) / (2 * x2), 0.0), (-x1 + root) / (2 * x2)


def savings(pairs: Sequence[MachinePair], currency: str, asked_h: tuple[float, float]) -> list[Saving]:
    """Downtime, its cost, cost of work, and stops, saved against the baseline.

    asked_h: machine hours of the baseline and of the period. The interval of stops holds the exact one of two Poisson
    rates as well, which are too sure where machines differ, as machines are where few of them stopped.
    """
    known = [pair for pair in pairs if pair.seen_before_h > 0 and pair.seen_after_h > 0]
    seen = np.array([(pair.seen_before_h, pair.seen_after_h) for pair in known]).reshape(-1, 2)
    before_h, after_h = (float(hours) for hours in seen.sum(axis=0))
    reasons = None
    if len(known) < LEAST_MACHINES:
        reasons = (
            f"too little data: {len(known)} machines seen in both periods, {LEAST_MACHINES} are needed",
            f"数据不足：两期均可见的设备仅{len(known)}台，至少需要{LEAST_MACHINES}台",
        )
    elif before_h < LEAST_COVERAGE * asked_h[0] or after_h < LEAST_COVERAGE * asked_h[1]:
        reasons = (
            f"too little data: less than {LEAST_COVERAGE:.0%} of one of the periods was seen",
            f"数据不足：其中一期的可见时间低于{LEAST_COVERAGE:.0%}",
        )
    found = []
    for amount in _AMOUNTS:
        unit = amount.unit or currency
        why = reasons or _too_few(amount, sum(getattr(pair, amount.events_before) for pair in known), before_h, after_h)
        if why is not None:
            found.append(Saving(amount.key, unit, None, None, None, None, False, *why))
            continue
        values = np.array([(getattr(pair, amount.before), getattr(pair, amount.after)) for pair in known], np.float64)
        found.append(_saving(amount, unit, values, seen))
    return found


@dataclass(frozen=True, slots=True)
class _Amount:
    """What may be saved, as fields of :class:`MachinePair`; events: those that it is made of."""

    key: str
    unit: str
    before: str
    after: str
    events_before: str
    event_en: str
    event_zh: str


_AMOUNTS = (
    _Amount("unplanned_downtime", "h", "down_before_h", "down_after_h", "stops_before", "stops", "停机"),
    _Amount("downtime_cost", "", "downtime_cost_before", "downtime_cost_after", "stops_before", "stops", "停机"),
    _Amount("maintenance_cost", "", "work_cost_before", "work_cost_after", "jobs_before", "jobs", "工单"),
    _Amount("stops", "1", "stops_before", "stops_after", "stops_before", "stops", "停机"),
)


def _too_few(amount: _Amount, before: int, before_h: float, after_h: float) -> tuple[str, str] | None:
    """Why nothing can be said: too few events in the baseline, or too short a period for as many as that."""
    expected = before / before_h * after_h
    if before < LEAST_EVENTS:
        return (
            f"too little data: {before} {amount.event_en} in the baseline, {LEAST_EVENTS} are needed",
            f"数据不足：基准期{amount.event_zh}仅{before}次，至少需要{LEAST_EVENTS}次",
        )
    if expected < LEAST_EVENTS:
        return (
            f"too little data: {expected:.1f} {amount.event_en} would be expected unchanged, {LEAST_EVENTS} are needed",
            f"数据不足：若无变化，本期预计{amount.event_zh}仅{expected:.1f}次，至少需要{LEAST_EVENTS}次",
        )
    return None


def _saving(amount: _Amount, unit: str, values: NDArray[np.float64], seen: NDArray[np.float64]) -> Saving:
    (before, after), (before_h, after_h) = values.sum(axis=0), seen.sum(axis=0)
    if before <= 0:
        why = ("too little data: nothing in the baseline", "数据不足：基准期无记录")
        return Saving(amount.key, unit, None, None, None, None, False, *why)
    low, high = ratio_interval(values, seen)
    if amount.key == "stops":
        least, most = rate_ratio_interval(int(before), before_h, int(after), after_h)
        low, high = min(low, least), max(high, most)
    expected = float(before / before_h * after_h)
    share = float(1 - after / expected)
    return Saving(amount.key, unit, expected * share, share, 1 - high, 1 - low, high < 1 or low > 1)
