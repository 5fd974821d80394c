"""Limit alarms: delay, deadband, and the same alarms whatever the order of arrival inside the horizon."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.limits import HORIZON_S, LimitWatch, MachineLimits
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


def motor(values):
    """A motor's seconds with a vibration; NaN where nothing was measured (yet)."""
    alike = np.full(len(values), 25.0)
    return {"current_u": alike, "current_v": alike, "current_w": alike, "vibration_velocity_de": np.asarray(values)}


def followed(arrivals, length):
    """Alarms of a motor whose seconds arrive in some order, looked at after every arrival."""
    template = template_library()["motor"]
    limits = MachineLimits(template, template.complete_nameplate({}))
    seen, found, newest = np.full(length, np.nan), [], 0
    for second, value in arrivals:
        seen[second] = value
        newest = max(newest, second)
        events = limits.follow(0, motor(seen), {}, newest * SECOND)
        found += [(event.kind, event.limit_key, event.time // SECOND, event.value) for _, event in events]
    return found


@given(st.lists(st.floats(2, 4), min_size=30, max_size=120), st.randoms(use_true_random=False))
def test_shuffled_inside_the_horizon_gives_the_same_alarms(values, random):
    # Nothing is judged in the first seconds of a machine: they must not come in doubt.
    values = [2.0] * 15 + values + [2.0] * (HORIZON_S + 1)
    in_order = list(enumerate(values))
    start, rest = in_order[:15], in_order[15:]
    late = sorted(rest, key=lambda entry: entry[0] + random.uniform(0, HORIZON_S))
    assert followed(start + late, len(values)) == followed(in_order, len(values))


def test_an_alarm_of_before_a_restart_goes_on_and_clears():
    template = template_library()["motor"]
    limits = MachineLimits(template, template.complete_nameplate({}))
    limits.restore("vibration_de_warning", 3.3)
    limits.restore("a_limit_of_an_older_template", 1.0)
    assert limits.active
    ((resolved, event),) = limits.follow(0, motor([2.0] * 30), {}, 29 * SECOND)
    assert (resolved.limit.key, event.kind, event.value) == ("vibration_de_warning", "cleared", 3.3)
    assert not limits.active
