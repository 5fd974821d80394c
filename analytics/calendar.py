"""Days, weeks, months and shifts of a place as spans of time. Pure.

A local time that does not exist (clocks go forward) is the moment of the change; one that comes twice is its first.
So days and shifts follow each other without gap or overlap in every zone, and last as long as they really do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from historian import ShiftRow

Span = tuple[datetime, datetime]
EVERY = ("day", "week", "month", "shift")
_DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift of a site, in its local time; one that does not end after its start ends on the next day.

    weekdays: on which it starts, 1 is Monday (ISO 8601)
    """

    name: str
    weekdays: tuple[int, ...]
    starts: time
    ends: time


def shift_of(row: ShiftRow) -> Shift:
    """A stored shift as the calendar's own."""
    return Shift(row.name, tuple(row.weekdays), row.starts, row.ends)


def to_utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """The moment of a local time.

    >>> to_utc(date(2026, 3, 29), time(2, 30), ZoneInfo("Europe/Berlin")).isoformat()
    '2026-03-29T01:00:00+00:00'
    """
    wall = datetime.combine(day, clock)
    late = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if late.astimezone(zone).replace(tzinfo=None) == wall:
        return late
    # The wall clock jumps over it: the change lies between what the offsets before and after it make of it.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before = early.astimezone(zone).utcoffset()
    while late - early > _MICROSECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late


def calendar_spans(start: datetime, end: datetime, every: str, zone: ZoneInfo) -> list[Span]:
    """Local days, weeks (from Monday) or months that touch [start, end), clipped to it, in order."""
    first = start.astimezone(zone).date()
    if every == "week":
        first -= timedelta(days=first.weekday())
    elif every == "month":
        first = first.replace(day=1)
    spans: list[Span] = []
    while True:
        after = _next(first, every)
        since, until = to_utc(first, time(), zone), to_utc(after, time(), zone)
        if since >= end:
            return spans
        if until > start and until > since:
            spans.append((max(since, start), min(until, end)))
        first = after


def _next(day: date, every: str) -> date:
    if every == "month":
        return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return day + (7 * _DAY if every == "week" else _DAY)


def shift_spans(start: datetime, end: datetime, shifts: Sequence[Shift], zone: ZoneInfo) -> list[tuple[Span, Shift]]:
    """Shifts that touch [start, end), clipped to it, by their beginning."""
    found = []
    for day in _days(start.astimezone(zone).date() - _DAY, end.astimezone(zone).date()):
        for shift in shifts:
            if day.isoweekday() not in shift.weekdays:
                continue
            last = day if shift.ends > shift.starts else day + _DAY
            since, until = max(to_utc(day, shift.starts, zone), start), min(to_utc(last, shift.ends, zone), end)
            if since < until:
                found.append(((since, until), shift))
    return sorted(found, key=lambda entry: entry[0])


def off_shift(start: datetime, end: datetime, shifts: Sequence[Shift], zone: ZoneInfo) -> list[Span]:
    """What of [start, end) lies outside of all shifts; nothing where a site has none: it always works."""
    if not shifts:
        return []
    free, reached = [], start
    for (since, until), _ in shift_spans(start, end, shifts, zone):
        if since > reached:
            free.append((reached, since))
        reached = max(reached, until)
    return [*free, (reached, end)] if reached < end else free


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY
