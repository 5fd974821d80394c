"""Limit alarms: delay, deadband, and the same alarms whatever the order of arrival inside the horizon."""

import math

from hypothesis import given
from hypothesis import strategies as st

from analytics.limits import LimitWatch, Reorder
from plant import template_library

SECOND = 1_000_000


def watch(key="vibration_de_warning"):  # 2.8 mm/s, 20 s delay, 0.2 deadband
    motor = template_library()["motor"]
    return LimitWatch(next(r for r in motor.resolved_limits(motor.complete_nameplate({})) if r.limit.key == key))


def events(values, one=None):
    one = one or watch()
    found = [one.follow(second * SECOND, value) for second, value in enumerate(values)]
    return [(event.kind, event.time // SECOND, event.value) for event in found if event]


def test_raised_after_the_delay_and_cleared_beyond_the_deadband():
    values = [3.0] * 21 + [3.5, 2.75, 2.7, 2.59]
    assert events(values) == [("raised", 20, 3.0), ("cleared", 24, 3.5)]


def test_a_break_in_between_starts_the_delay_anew():
    assert events([3.0] * 19 + [2.0] + [3.0] * 20) == []


def test_unknown_values_freeze_everything():
    assert events([3.0] * 10 + [math.nan] * 30 + [3.0]) == [("raised", 40, 3.0)]
    one = watch()
    events([3.0] * 21, one)
    assert one.follow(100 * SECOND, math.nan) is None
    assert one.active


def test_low_limits_work_downwards():
    assert events([0.05] * 4 + [0.2, 0.3], watch("phase_lost")) == [("raised", 3, 0.05), ("cleared", 5, 0.05)]


@given(st.lists(st.floats(2, 4), min_size=30, max_size=120), st.randoms(use_true_random=False))
def test_shuffled_inside_the_horizon_gives_the_same_alarms(values, random):
    order = sorted(range(len(values)), key=lambda second: second + random.uniform(0, 5))
    reorder, one, found = Reorder(6 * SECOND), watch(), []
    due = [entry for second in order for entry in reorder.add(second * SECOND, values[second])] + reorder.flush()
    for time, value in due:
        event = one.follow(time, value)
        if event:
            found.append((event.kind, event.time // SECOND, event.value))
    assert found == events(values)
