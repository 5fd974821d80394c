"""What was saved against a baseline, and how sure that is; no claim where there is too little to make one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

LEAST_STOPS = 5
LEAST_MACHINES = 5
LEAST_COVERAGE = 0.5
_DRAWS = 4000
_CONFIDENCE = 0.95
_SEED = 20260101


@dataclass(frozen=True, slots=True)
class MachinePair:
    """One machine in the baseline and in the period: hours seen, unplanned hours, stops, costs of stops and of work."""

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


def savings(pairs: Sequence[MachinePair], currency: str, asked_h: tuple[float, float]) -> list[Saving]:
    """Downtime, its cost, cost of work, and stops, saved against the baseline.

    asked_h: machine hours of the baseline and of the period. Amounts are resampled over machines (bootstrap), for a
    machine that fails often does so in both; stops have an exact interval.
    """
    known = [pair for pair in pairs if pair.seen_before_h > 0 and pair.seen_after_h > 0]
    before_h, after_h = (sum(getattr(pair, name) for pair in known) for name in ("seen_before_h", "seen_after_h"))
    stops_before, stops_after = (sum(getattr(pair, name) for pair in known) for name in ("stops_before", "stops_after"))
    reasons = None
    if len(known) < LEAST_MACHINES:
        reasons = (
            f"too little data: {len(known)} machines seen in both periods, {LEAST_MACHINES} are needed",
            f"数据不足：两期均可见的设备仅{len(known)}台，至少需要{LEAST_MACHINES}台",
        )
    elif stops_before < LEAST_STOPS:
        reasons = (
            f"too little data: {stops_before} stops in the baseline, {LEAST_STOPS} are needed",
            f"数据不足：基准期停机仅{stops_before}次，至少需要{LEAST_STOPS}次",
        )
    elif before_h < LEAST_COVERAGE * asked_h[0] or after_h < LEAST_COVERAGE * asked_h[1]:
        reasons = (
            f"too little data: less than {LEAST_COVERAGE:.0%} of one of the periods was seen",
            f"数据不足：其中一期的可见时间低于{LEAST_COVERAGE:.0%}",
        )
    amounts = (
        ("unplanned_downtime", "h", "down_before_h", "down_after_h"),
        ("downtime_cost", currency, "downtime_cost_before", "downtime_cost_after"),
        ("maintenance_cost", currency, "work_cost_before", "work_cost_after"),
    )
    if reasons is not None:
        units = [(key, unit) for key, unit, _, _ in amounts] + [("stops", "1")]
        return [Saving(key, unit, None, None, None, None, False, *reasons) for key, unit in units]
    seen = np.array([(pair.seen_before_h, pair.seen_after_h) for pair in known])
    found = [
        _resampled(key, unit, np.array([(getattr(pair, before), getattr(pair, after)) for pair in known]), seen)
        for key, unit, before, after in amounts
    ]
    expected = stops_before / before_h * after_h
    low, high = rate_ratio_interval(stops_before, before_h, stops_after, after_h)
    found.append(
        Saving("stops", "1", expected - stops_after, 1 - stops_after / expected, 1 - high, 1 - low, high < 1 or low > 1)
    )
    return found


def _resampled(key: str, unit: str, amounts: NDArray[np.float64], seen: NDArray[np.float64]) -> Saving:
    """Share saved of a rate, before and after: amounts and seen are (machines, 2)."""
    if amounts[:, 0].sum() <= 0:
        return Saving(
            key,
            unit,
            None,
            None,
            None,
            None,
            False,
            "too little data: nothing in the baseline",
            "数据不足：基准期无记录",
        )

    def share(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """rows: (..., 4) sums of amount before, after, seen before, after."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio: NDArray[np.float64] = 1 - (rows[..., 1] / rows[..., 3]) / (rows[..., 0] / rows[..., 2])
        return ratio

    table = np.hstack([amounts, seen])
    chosen = np.random.default_rng(_SEED).integers(0, len(table), (_DRAWS, len(table)))
    drawn = share(table[chosen].sum(axis=1))
    # A draw in which nothing happened before cannot say less than that all was made worse.
    drawn = np.where(np.isfinite(drawn), drawn, -np.inf)
    tail = (1 - _CONFIDENCE) / 2
    low, high = (float(np.quantile(drawn, q, method="nearest")) for q in (tail, 1 - tail))
    value = float(share(table.sum(axis=0)))
    expected = amounts[:, 0].sum() / seen[:, 0].sum() * seen[:, 1].sum()
    return Saving(key, unit, float(expected * value), value, low, high, low > 0 or high < 0)
