"""How often a diagnosis was right: with its interval, and no claim from a handful of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.hit_rate import LEAST_ANSWERS, hit_rate, wilson


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    # Worked by hand from the closed form, z = 1.96.
    [(7, 9, 0.4526, 0.9368), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson(right, n, low, high):
    assert wilson(right, n) == pytest.approx((low, high), abs=2e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_shrinks_with_more_of_the_same(case):
    right, n = case
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    more_low, more_high = wilson(4 * right, 4 * n)
    assert more_high - more_low < high - low
    wrong_low, wrong_high = wilson(n - right, n)
    assert (1 - wrong_high, 1 - wrong_low) == pytest.approx((low, high))


@pytest.mark.parametrize(("right", "n"), [(1, 0), (3, 2), (-1, 4)])
def test_what_is_no_share_is_refused(right, n):
    with pytest.raises(ValueError, match="no share"):
        wilson(right, n)


def test_too_few_say_nothing():
    few, enough = hit_rate(4, LEAST_ANSWERS - 1), hit_rate(4, LEAST_ANSWERS)
    assert (few.low, few.high) == (None, None)
    assert "too few to say" in few.text_en
    assert "样本过少" in few.text_zh
    assert enough.low is not None
    assert hit_rate(7, 9).text_en == "right in 7 of 9 cases, 45-94 %"
    assert "45-94 %" in hit_rate(7, 9).text_zh
    assert hit_rate(0, 0).n == 0
