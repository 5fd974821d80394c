"""States partition time; no data is a state of its own; a standstill counts only beyond the duty's allowance."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from analytics.operation import GAP_US, MINUTE_US, Interval, count_standstills, note_stops, state_intervals, unsettled
from analytics.states import StateCode

RUN, STOP, IDLE, UNKNOWN = StateCode.RUNNING, StateCode.STOPPED, StateCode.IDLE, StateCode.UNKNOWN


def minutes(*codes, start=0):
    return [((start + number) * MINUTE_US, code) for number, code in enumerate(codes)]


def words(intervals):
    return [(entry.start // MINUTE_US, entry.end // MINUTE_US, entry.state) for entry in intervals]


def test_runs_of_one_state_become_one_interval():
    assert words(state_intervals(minutes(RUN, RUN, STOP, STOP, RUN))) == [
        (0, 2, "running"),
        (2, 4, "stopped"),
        (4, 5, "running"),
    ]


def test_a_missing_minute_is_bridged_a_long_silence_is_off_line():
    assert words(state_intervals(minutes(RUN) + minutes(RUN, start=2))) == [(0, 3, "running")]
    assert words(state_intervals(minutes(RUN) + minutes(RUN, start=10))) == [
        (0, 1, "running"),
        (1, 10, "off_line"),
        (10, 11, "running"),
    ]
    assert words(state_intervals(minutes(RUN, *[UNKNOWN] * 9, RUN))) == [
        (0, 1, "running"),
        (1, 10, "off_line"),
        (10, 11, "running"),
    ]


codes = st.lists(st.sampled_from([RUN, STOP, IDLE, UNKNOWN, None]), min_size=1, max_size=60)


@given(codes, st.integers(0, 60))
def test_intervals_partition_time_and_portions_make_no_difference(chosen, cut):
    known = [(number * MINUTE_US, code) for number, code in enumerate(chosen) if code is not None]
    whole = state_intervals(known)
    for one, two in pairwise(whole):
        assert one.end == two.start
        assert one.state != two.state
    first = state_intervals(known[:cut])
    assert (first[:-1] + state_intervals(known[cut:], first[-1:]) if first else state_intervals(known[cut:])) == whole


@given(codes, st.sets(st.integers(0, 60)))
def test_deleting_data_never_adds_running_time_beyond_the_bridge(chosen, gone):
    def running(wanted):
        known = [
            (number * MINUTE_US, code) for number, code in enumerate(chosen) if code is not None and wanted(number)
        ]
        return sum(entry.end - entry.start for entry in state_intervals(known) if entry.state == "running")

    deleted = running(lambda number: number not in gone)
    # At most a bridged gap on each side of what was deleted may be taken for what was before it.
    assert deleted <= running(lambda number: True) + len(gone) * GAP_US


def test_standstill_is_told_apart():
    stopped = [Interval(0, 100 * MINUTE_US, "stopped")]
    assert words(count_standstills(stopped, 60, [])) == [(0, 100, "down")]
    assert words(count_standstills(stopped, 7200, [])) == [(0, 100, "stopped")]
    planned = [(20 * MINUTE_US, 60 * MINUTE_US), (55 * MINUTE_US, 70 * MINUTE_US)]
    assert words(count_standstills(stopped, 60, planned)) == [
        (0, 20, "down"),
        (20, 70, "maintenance"),
        (70, 100, "down"),
    ]
    running = [Interval(0, 100 * MINUTE_US, "running")]
    assert count_standstills(running, 60, planned) == running


@given(
    st.integers(0, 50), st.integers(1, 100), st.lists(st.tuples(st.integers(0, 150), st.integers(1, 40)), max_size=5)
)
def test_pieces_cover_the_standstill_exactly(start, length, windows):
    interval = Interval(start * MINUTE_US, (start + length) * MINUTE_US, "stopped")
    planned = [(begin * MINUTE_US, (begin + lasts) * MINUTE_US) for begin, lasts in windows]
    pieces = count_standstills([interval], 0, planned)
    assert (pieces[0].start, pieces[-1].end) == (interval.start, interval.end)
    assert all(one.end == two.start for one, two in pairwise(pieces))
    for minute in range(start, start + length):
        inside = any(first <= minute * MINUTE_US < last for first, last in planned)
        (piece,) = [p for p in pieces if p.start <= minute * MINUTE_US < p.end]
        assert (piece.state == "maintenance") == inside


@given(codes, st.lists(st.integers(1, 20), max_size=8), st.sampled_from([60.0, 300.0]))
def test_stops_are_the_same_minute_by_minute_and_in_portions(chosen, lengths, allowed_s):
    known = [(number * MINUTE_US, code) for number, code in enumerate(chosen) if code is not None]
    kept, base, noted, reached = {}, [], {}, 0
    for length in [*lengths, len(known)]:
        intervals = state_intervals(known[reached : reached + length], base)
        reached += length
        base = unsettled(intervals)
        if intervals:
            # As the service keeps them: everything from the first one's start on is put anew.
            kept = {start: entry for start, entry in kept.items() if start < intervals[0].start}
            kept |= {entry.start: entry for entry in count_standstills(intervals, allowed_s, [])}
        for stop in note_stops(intervals, allowed_s, []):
            noted[stop.start] = stop
    whole = state_intervals(known)
    assert list(kept.values()) == count_standstills(whole, allowed_s, [])
    assert [noted[start] for start in sorted(noted)] == note_stops(whole, allowed_s, [])
