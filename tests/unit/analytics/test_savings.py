"""Savings by hand, with an interval that covers the truth, and no claim where there is too little."""

import numpy as np
import pytest
from scipy.stats import binom

from analytics.savings import MachinePair, rate_ratio_interval, ratio_interval, savings


def pair(before, after, hours=1000.0):
    return MachinePair(hours, hours, 2.0 * before, 2.0 * after, before, after, 200.0 * before, 200.0 * after, 50, 40, 1)


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
    half = [MachinePair(1000, 500, 8, 4, 4, 2, 800, 400, 0, 0, 0)] * 10
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
        # Forty stops in a year are three in a month: that there was none says nothing.
        ([MachinePair(8000, 600, 8, 0, 4, 0, 800, 0, 50, 0, 8)] * 10, (80_000, 6_000), "3.0 stops would be expected"),
    ],
)
def test_too_little_is_said(pairs, asked, said):
    found = {saving.key: saving for saving in savings(pairs, "CNY", asked)}
    for key in ("unplanned_downtime", "downtime_cost", "stops"):
        assert found[key].saved is None
        assert not found[key].claim
        assert said in (found[key].reason or "")


def test_the_exact_interval_solves_its_equations():
    # 20 stops before, 8 after, equal hours: at the bounds the observed or worse has a chance of 2.5 %.
    low, high = rate_ratio_interval(20, 1000, 8, 1000)
    assert binom.cdf(8, 28, high / (1 + high)) == pytest.approx(0.025)
    assert binom.sf(7, 28, low / (1 + low)) == pytest.approx(0.025)
    assert rate_ratio_interval(20, 1000, 0, 1000)[0] == 0
    assert rate_ratio_interval(0, 1000, 3, 1000)[1] == np.inf


def fleet(random, machines, mean, spread, left, share):
    """Machines of different quality, seen for some of the time, whose stops last as long as they happen to.

    mean: stops of a machine in the baseline; spread: of the logarithm of their lengths; left: rate afterwards over the
    one before; share: length of the period over that of the baseline
    """
    pairs = []
    for rate in mean * random.gamma(1.0, 1.0, machines):
        before_h, after_h = 1000 * random.uniform(0.6, 1), 1000 * share * random.uniform(0.6, 1)
        before, after = random.poisson(rate * before_h / 1000), random.poisson(left * rate * after_h / 1000)
        down_before, down_after = (float(random.lognormal(0, spread, count).sum()) for count in (before, after))
        jobs = random.poisson(3 * before_h / 1000), random.poisson(3 * left * after_h / 1000)
        work = [float(random.lognormal(4, spread, count).sum()) for count in jobs]
        pairs.append(
            MachinePair(
                before_h,
                after_h,
                down_before,
                down_after,
                int(before),
                int(after),
                90 * down_before,
                90 * down_after,
                *work,
                int(jobs[0]),
            )
        )
    return pairs


PLANTS = [  # machines, stops each, spread of lengths, period over baseline
    (5, 6, 0.8, 1), (6, 6, 1.5, 1), (20, 2, 0.8, 1), (20, 6, 1.5, 1 / 3), (60, 2, 1.5, 1 / 12), (200, 2, 0.8, 1 / 12),
]  # fmt: skip


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("left", [1.0, 0.5])
def test_intervals_cover_the_truth_and_nothing_is_claimed_where_nothing_changed(plant, left):
    # 300 seeded fleets, always the same; 92.5 % is what 95 % may look like in 300 (two standard errors).
    machines, mean, spread, share = plant
    random = np.random.default_rng([7, machines, mean])
    seen, covered, claimed = {}, {}, {}
    for _ in range(300):
        pairs = fleet(random, machines, mean, spread, left, share)
        for saving in savings(pairs, "CNY", (1000.0 * machines, 1000.0 * share * machines)):
            if saving.reason is None:
                seen[saving.key] = seen.get(saving.key, 0) + 1
                covered[saving.key] = covered.get(saving.key, 0) + (saving.low <= 1 - left <= saving.high)
                claimed[saving.key] = claimed.get(saving.key, 0) + saving.claim
    for key, count in seen.items():
        if count >= 100:
            assert covered[key] >= 0.925 * count, key
            if left == 1:
                assert claimed[key] <= 0.05 * count, key
    if left == 0.5 and machines * share >= 15:
        assert claimed["stops"] >= 0.3 * seen["stops"]  # what is there is also found


def test_an_interval_by_hand():
    # Two machines, an hour each: 10 and 14 before, 4 and 8 after. Rates 12 and 6, residuals -1 and 1 for both; with
    # n / (n - 1) = 2 both variances and the covariance are 2 x (1 + 1) = 4. With t = 1 (at 50 % and one degree of
    # freedom), machine by machine (6 - 12 r)^2 <= 4 (1 - r)^2: r from 2/5 to 4/7. By chance, half of the variance
    # being common, (6 - 12 r)^2 <= 2 (r^2 + r).
    low, high = ratio_interval(np.array([[10.0, 4.0], [14.0, 8.0]]), np.ones((2, 2)), confidence=0.5)
    roots = np.roots([142, -146, 36])
    assert (low, high) == (pytest.approx(min(2 / 5, *roots)), pytest.approx(max(4 / 7, *roots)))
    # Where the baseline itself may be nothing, no ratio is too large.
    assert ratio_interval(np.array([[9.0, 1.0], [0.0, 1.0]]), np.ones((2, 2))) == (0.0, np.inf)
