"""A motor that stood longer than ever while it was learnt: its warmth is not judged until that is forgotten."""

import numpy as np
import pytest

from analytics.behaviour import learn, turned_share


def found(stood_min: int, after_min: int) -> dict[str, np.ndarray]:
    """Six hours of minutes of a motor that ran, stood, and runs again since."""
    ratio = np.full(360, 0.7)
    end = 360 - after_min
    ratio[end - stood_min : end] = 0.0
    return {"current_ratio": ratio}


@pytest.mark.parametrize(
    ("stood_min", "after_min", "share"), [(0, 60, 1.0), (60, 60, 0.8), (60, 300, 1.0), (30, 285, 0.95)]
)
def test_the_share_is_of_five_hours(stood_min: int, after_min: int, share: float) -> None:
    assert turned_share(found(stood_min, after_min), 60.0) == pytest.approx(share)


def test_what_is_not_known_neither_stands_nor_turns() -> None:
    series = found(60, 60)
    series["current_ratio"][:240] = np.nan
    # Of the 120 minutes that are known, half were spent standing.
    assert turned_share(series, 60.0) == pytest.approx(0.5)
    assert turned_share({}, 60.0) == 1.0


@pytest.mark.parametrize(("stops", "least"), [([], 1.0), ([600], 0.9), ([600, 800], 0.8)])
def test_the_least_share_is_learnt(stops: list[int], least: float) -> None:
    ratio = np.full(1440, 0.7)
    for stop in stops:
        ratio[stop : stop + 30] = 0.0
    model = learn({"current_ratio": ratio}, (), (), 60.0, 1440)
    assert model is not None
    assert model.usual["turned_share_least"] == pytest.approx(least)
