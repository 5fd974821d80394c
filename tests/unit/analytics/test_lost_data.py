"""Readings that are lost never make a machine look better: the whole way from readings to availability."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analytics.operation import MINUTE_US
from tests.observed import observe, readings_of

phases = st.lists(
    st.tuples(st.sampled_from(["running", "idle", "stopped", "stopped"]), st.integers(1, 60)), min_size=3, max_size=8
)
duties = st.sampled_from(["continuous", "continuous", "cyclic"])
windows = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 90)).map(lambda w: (w[0], w[0] + w[1])), max_size=2)
losses = st.lists(
    st.one_of(
        st.tuples(st.just("readings"), st.integers(0, 2**32), st.floats(0.05, 0.98)),
        st.tuples(st.just("minutes"), st.integers(0, 2**32), st.floats(0.05, 0.98)),
        st.tuples(st.just("signals"), st.integers(0, 2**32), st.floats(0.05, 0.98)),
        st.tuples(st.just("outage"), st.integers(0, 300), st.integers(1, 120)),
    ),
    min_size=1,
    max_size=3,
)


def states_of(drawn):
    # The machine is known from its first minute on: a past that nobody ever saw is that of no machine.
    return ["running", *(state for state, length in drawn for _ in range(length))]


def without(readings, lost):
    """The readings that are left; those of the first minute are."""
    left = {key: values.copy() for key, values in readings.items()}
    count = len(next(iter(left.values())))
    for kind, place, much in lost:
        random = np.random.default_rng(place)
        gone = random.random(count) < much
        for values in left.values():
            if kind == "readings":
                values[random.random(values.shape) < much] = np.nan
            elif kind == "minutes":
                values[gone] = np.nan
            elif kind == "signals":
                since = int(random.integers(0, count))
                if random.random() < 0.5:
                    values[since : since + int(much * count)] = np.nan
            else:
                values[place : place + int(much)] = np.nan
    for key, values in left.items():
        values[0] = readings[key][0]
    return left


def minutes_in(observed, *states):
    return {
        minute
        for entry in observed.intervals
        if entry.state in states
        for minute in range(entry.start // MINUTE_US, entry.end // MINUTE_US)
    }


def is_noted(stop, left):
    return any(
        not other.planned and other.start < (stop.end or np.inf) and (other.end or np.inf) > stop.start
        for other in left.stops
    )


@settings(max_examples=400, deadline=None)
@given(phases, duties, windows, losses)
def test_availability_never_rises_while_its_stops_are_still_noted(drawn, duty, planned, lost):
    states = states_of(drawn)
    readings = readings_of(states)
    whole, left = observe(readings, duty, planned), observe(without(readings, lost), duty, planned)
    assume(all(is_noted(stop, left) for stop in whole.stops if not stop.planned))
    before, after = whole.availability(len(states)), left.availability(len(states))
    if before.value is not None and after.value is not None:
        assert after.value <= before.value + 1e-9
        assert after.low <= after.value <= after.high


@settings(max_examples=400, deadline=None)
@given(phases, duties, windows, losses)
def test_what_availability_is_at_least_rises_only_by_what_was_seen_of_a_stop(drawn, duty, planned, lost):
    states = states_of(drawn)
    readings = readings_of(states)
    whole, left = observe(readings, duty, planned), observe(without(readings, lost), duty, planned)
    before, after = whole.availability(len(states)), left.availability(len(states))
    # What is left of a stop, or a stop that fits into the two minutes that are bridged, may look like work.
    taken = minutes_in(whole, "down") & minutes_in(left, "running", "idle", "stopped")
    if before.low is not None and after.low is not None:
        meant = len(states) - len(minutes_in(whole, "maintenance"))
        assert after.low <= before.low + len(taken) / meant + 1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["running", "stopped"]), st.integers(2, 60)), min_size=3, max_size=8), losses)
def test_a_stop_that_is_lost_from_sight_stays_one_failure(drawn, lost):
    states = states_of(drawn)
    readings = readings_of(states)
    whole, left = observe(readings), observe(without(readings, lost))
    assert left.sums(len(states)).failures <= whole.sums(len(states)).failures
    # No lost minute is downtime, but for the three that are bridged between two standstills.
    invented = sorted(minutes_in(left, "down") - minutes_in(whole, "down"))
    assert all(later - first > 3 for first, later in zip(invented, invented[3:], strict=False))


def test_by_hand():
    # An hour of work, 30 minutes down, an hour of work; of the stop minutes 10 to 14 and 20 to 24 are seen.
    states = ["running"] * 60 + ["stopped"] * 30 + ["running"] * 60
    readings = readings_of(states)
    for values in readings.values():
        for since, until in ((60, 70), (75, 80), (85, 90)):
            values[since:until] = np.nan
    found = observe(readings)
    words = [(entry.start // MINUTE_US, entry.end // MINUTE_US, entry.state) for entry in found.intervals]
    assert words == [
        (0, 60, "running"), (60, 70, "off_line"), (70, 75, "down"), (75, 80, "off_line"), (80, 85, "down"),
        (85, 90, "off_line"), (90, 150, "running"),
    ]  # fmt: skip
    one, two = found.stops
    assert (one.earliest, one.latest, one.seen_again) == (60 * MINUTE_US, 80 * MINUTE_US, False)
    assert (two.earliest, two.latest, two.seen_again) == (None, 90 * MINUTE_US, True)
    sums = found.sums(150)
    # Ten minutes of one stop are certain, twenty in doubt; 120 of 150 minutes were work, in the end as before.
    assert (sums.unplanned_s, sums.doubtful_s, sums.failures) == (600, 1200, 1)
    value = found.availability(150)
    assert (value.value, value.low, value.high) == (0.8, 0.8, 1 - 10 / 150)
    assert observe(readings_of(states)).availability(150).value == 0.8


def test_what_is_planned_is_not_in_doubt():
    # Standing from minute 60 on, unseen from minute 65 to 200, seen standing again until 210; planned are 70 to 200.
    states = ["running"] * 60 + ["stopped"] * 150 + ["running"] * 30
    readings = readings_of(states)
    for values in readings.values():
        values[65:200] = np.nan
    sums = observe(readings, planned=[(70, 200)]).sums(240)
    assert (sums.unplanned_s, sums.doubtful_s, sums.failures) == (15 * 60, 5 * 60, 2)


def test_a_pause_beside_a_gap_is_no_stop():
    # A cyclic motor may stand for 30 minutes; nobody saw whether it stood longer.
    states = ["running"] * 60 + ["stopped"] * 20 + ["running"] * 60
    readings = readings_of(states)
    for values in readings.values():
        values[80:130] = np.nan
    found = observe(readings, duty="cyclic")
    assert found.stops == []
    assert found.availability(140).value == 1
    assert found.availability(140).low == 90 / 140
