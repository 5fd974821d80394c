"""Savings by hand, with an interval that covers the truth, and no claim where there is too little."""

import numpy as np
import pytest
from scipy.stats import binom

from analytics.savings import MachinePair, rate_ratio_interval, savings


def pair(before, after, hours=1000.0):
    return MachinePair(hours, hours, 2.0 * before, 2.0 * after, before, after, 200.0 * before, 200.0 * after, 50, 40)


def test_by_hand():
    # Ten machines, 1,000 h each, before and after: 40 stops of 2 h become 10; work costs 50 and then 40 each.
    found = {saving.key: saving for saving in savings([pair(4, 1)] * 10, "CNY", (10_000, 10_000))}
    downtime = found["unplanned_downtime"]
    # 80 h would have been, 20 h were.
    assert (downtime.saved, downtime.share, downtime.unit) == (60, 0.75, "h")
    assert (downtime.low, downtime.high) == (0.75, 0.75)  # all machines are alike
    assert (found["downtime_cost"].saved, found["downtime_cost"].unit) == (6000, "CNY")
    assert found["maintenance_cost"].saved == pytest.approx(100)
    assert found["stops"].share == 0.75
    assert found["stops"].claim
    assert found["stops"].low < 0.75 < found["stops"].high


def test_exposure_counts_not_the_calendar():
    # Half the time seen with half the stops is the same rate: nothing was saved.
    half = [MachinePair(1000, 500, 8, 4, 4, 2, 800, 400, 0, 0)] * 10
    found = {saving.key: saving for saving in savings(half, "CNY", (10_000, 5_000))}
    assert found["unplanned_downtime"].share == pytest.approx(0)
    assert not found["stops"].claim
    assert found["maintenance_cost"].reason is not None


@pytest.mark.parametrize(
    ("pairs", "asked", "said"),
    [
        ([pair(4, 1)] * 4, (4000, 4000), "4 machines"),
        ([pair(0, 0)] * 9 + [pair(4, 0)], (10_000, 10_000), "4 stops in the baseline"),
        ([pair(4, 1)] * 10, (30_000, 10_000), "less than 50%"),
    ],
)
def test_too_little_is_said(pairs, asked, said):
    for saving in savings(pairs, "CNY", asked):
        assert saving.saved is None
        assert not saving.claim
        assert said in (saving.reason or "")


def test_the_exact_interval_solves_its_equations():
    # 20 stops before, 8 after, equal hours: at the bounds the observed or worse has a chance of 2.5 %.
    low, high = rate_ratio_interval(20, 1000, 8, 1000)
    assert binom.cdf(8, 28, high / (1 + high)) == pytest.approx(0.025)
    assert binom.sf(7, 28, low / (1 + low)) == pytest.approx(0.025)
    assert rate_ratio_interval(20, 1000, 0, 1000)[0] == 0
    assert rate_ratio_interval(0, 1000, 3, 1000)[1] == np.inf


def test_intervals_cover_the_truth():
    # Machines of different quality, rates halved: the intervals hold 50 % in nearly all of 200 seeded fleets.
    random = np.random.default_rng(7)
    covered = {"unplanned_downtime": 0, "stops": 0}
    for _ in range(200):
        rates = random.gamma(2, 2, 40)
        pairs = [
            pair(int(before), int(after))
            for before, after in zip(random.poisson(rates), random.poisson(rates / 2), strict=True)
        ]
        for saving in savings(pairs, "CNY", (40_000, 40_000)):
            if saving.key in covered:
                covered[saving.key] += saving.low <= 0.5 <= saving.high
    assert min(covered.values()) >= 180
