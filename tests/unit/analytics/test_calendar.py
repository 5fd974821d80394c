"""Days, weeks, months and shifts tile time in every zone, also where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.calendar import Shift, calendar_spans, off_shift, shift_spans, to_utc

zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
moments = st.datetimes(datetime(2015, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
clocks = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
shifts = st.lists(
    st.builds(Shift, st.just("s"), st.lists(st.integers(1, 7), min_size=1, unique=True).map(tuple), clocks, clocks),
    min_size=1,
    max_size=3,
)


@given(zones, moments, st.integers(1, 24 * 90), st.sampled_from(["day", "week", "month"]))
def test_spans_follow_each_other_without_gap_or_overlap(zone, start, hours, every):
    end = start + timedelta(hours=hours)
    spans = calendar_spans(start, end, every, zone)
    assert spans[0][0] == start
    assert spans[-1][1] == end
    assert all(first[1] == second[0] for first, second in pairwise(spans))
    for since, _ in spans[1:]:
        # A border is a local midnight, or the moment at which clocks jumped over it.
        before = (since - timedelta(seconds=1)).astimezone(zone)
        assert before.date() < since.astimezone(zone).date()


@given(zones, moments, st.integers(1, 400), shifts)
def test_shifts_and_the_time_off_are_all_time(zone, start, hours, planned):
    end = start + timedelta(hours=hours)
    at_work = [span for span, _ in shift_spans(start, end, planned, zone)]
    free = off_shift(start, end, planned, zone)
    # Slowly: every five minutes of a sample belongs to one of both, and to one alone.
    for step in range(0, hours * 12, 7):
        moment = start + timedelta(minutes=5 * step)
        working = any(since <= moment < until for since, until in at_work)
        assert working != any(since <= moment < until for since, until in free)
    assert all(since < until for since, until in [*at_work, *free])


@given(zones, st.dates(date(2015, 1, 1), date(2030, 1, 1)), clocks, clocks)
def test_later_by_the_clock_is_never_earlier(zone, day, one, other):
    assert to_utc(day, min(one, other), zone) <= to_utc(day, max(one, other), zone)


def test_a_night_shift_is_an_hour_shorter_or_longer_when_clocks_change():
    berlin, night = ZoneInfo("Europe/Berlin"), [Shift("night", (6,), time(22), time(6))]

    def hours(day):
        start = datetime(2026, *day, tzinfo=UTC)
        ((span, _),) = shift_spans(start, start + timedelta(days=2), night, berlin)
        return (span[1] - span[0]) / timedelta(hours=1)

    # Saturday nights: an ordinary one, to 29 March (02:00 becomes 03:00), to 25 October (03:00 becomes 02:00).
    assert [hours(day) for day in ((3, 7), (3, 28), (10, 24))] == [8, 7, 9]


def test_a_day_that_begins_at_one():
    # Cairo, 24 April 2026: 00:00 becomes 01:00, so that the day has 23 hours and begins with the change.
    cairo = ZoneInfo("Africa/Cairo")
    assert to_utc(date(2026, 4, 24), time(0, 30), cairo) == to_utc(date(2026, 4, 24), time(), cairo)
    (day,) = [
        span
        for span in calendar_spans(datetime(2026, 4, 20, tzinfo=UTC), datetime(2026, 4, 28, tzinfo=UTC), "day", cairo)
        if span[0].astimezone(cairo).date() == date(2026, 4, 24)
    ]
    assert (day[1] - day[0]) == timedelta(hours=23)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Asia/Shanghai"])
def test_days_of_zones_with_odd_offsets(zone):
    spans = calendar_spans(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), "day", ZoneInfo(zone))
    lengths = {(until - since) / timedelta(hours=1) for since, until in spans[1:-1]}
    assert lengths == ({24, 24.5} if zone == "Australia/Lord_Howe" else {24})
