"""KPI sums of whole hours from the roll-up that triggers keep (migrations 0015 and 0021)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

_HOUR = timedelta(hours=1)
_US_COLUMNS = (
    "running", "idle", "starting", "stopped", "down", "maintenance", "off_line", "planned", "unplanned", "doubtful",
    "repair", "energy",
)  # fmt: skip
_COLUMNS = (
    "failures", "downtime_cost", "corrective_cost", "preventive_cost", "condition_based_cost", "inspection_cost",
    "jobs_planned", "jobs_unplanned", "alarms", "kwh", "rated_kwh",
)  # fmt: skip
KEYS = {"site": "site.key", "line": "rolled.line", "template": "rolled.template"}
# Sums of pieces of time (primary key kpi_rollup). $1: number of the span, $2: width, $3: starts, $4: ends,
# $5: site or null, $6: template or null, $7: time zone or null.
SUMS = f"""
select {{key}} as key, number,
    {", ".join(f"sum({name}_us) / 1e6::float8 as {name}_s" for name in _US_COLUMNS)},
    {", ".join(f"sum({name})::float8 as {name}" for name in _COLUMNS)}
from unnest($1::int[], $2::int2[], $3::timestamptz[], $4::timestamptz[]) as piece (number, width, since, until)
cross join lateral (
    select * from kpi_rollup
    where hours = piece.width and bucket >= piece.since and bucket < piece.until
    offset 0  -- the index, piece by piece
) as rolled
join site on site.id = rolled.site_id
where ($5::text is null or site.key = $5) and ($6::text is null or rolled.template = $6)
    and ($7::text is null or site.time_zone = $7)
group by 1, 2
"""
Span = tuple[datetime, datetime]
# A part of a span: its number, counted from 1, start and end.
Part = tuple[int, datetime, datetime]


def divide(spans: Sequence[Span]) -> tuple[list[Part], list[Part]]:
    """Spans as the whole hours (UTC) within them, and what is left before and after those.

    >>> from datetime import UTC, datetime
    >>> whole, edges = divide([(datetime(2026, 1, 1, 22, 40, tzinfo=UTC), datetime(2026, 1, 2, 1, tzinfo=UTC))])
    >>> [(since.hour, until.hour) for _, since, until in whole], [(s.minute, u.minute) for _, s, u in edges]
    ([(23, 1)], [(40, 0)])
    """
    whole: list[Part] = []
    edges: list[Part] = []
    for number, (since, until) in enumerate(spans, start=1):
        first, last = _hour(since + _HOUR - timedelta(microseconds=1)), _hour(until)
        if first < last:
            whole.append((number, first, last))
            edges += [(number, since, first), (number, last, until)]
        else:
            edges.append((number, since, until))
    return whole, [part for part in edges if part[1] < part[2]]


def whole_hours(start: datetime, end: datetime) -> Span:
    """The whole hours (UTC) that hold a period."""
    last = _hour(end)
    return _hour(start), last if last == end else last + _HOUR


def pieces(whole: Sequence[Part]) -> tuple[list[int], list[int], list[datetime], list[datetime]]:
    """Whole hours in as few buckets as there are: hours, whole days (UTC), hours; (span, width, start, end) by column.

    >>> from datetime import UTC, datetime
    >>> part = (1, datetime(2026, 1, 1, 22, tzinfo=UTC), datetime(2026, 1, 3, 1, tzinfo=UTC))
    >>> [(width, since.day, since.hour, until.day, until.hour) for _, width, since, until in zip(*pieces([part]))]
    [(1, 1, 22, 2, 0), (24, 2, 0, 3, 0), (1, 3, 0, 3, 1)]
    """
    found: list[tuple[int, int, datetime, datetime]] = []
    for number, since, until in whole:
        first, last = _day(since + timedelta(days=1) - timedelta(microseconds=1)), _day(until)
        if first < last:
            found += [(number, 1, since, first), (number, 24, first, last), (number, 1, last, until)]
        else:
            found.append((number, 1, since, until))
    found = [piece for piece in found if piece[2] < piece[3]]
    return (
        [number for number, _, _, _ in found],
        [width for _, width, _, _ in found],
        [since for _, _, since, _ in found],
        [until for _, _, _, until in found],
    )


def _day(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
