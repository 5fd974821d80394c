"""From minutes to states, and from states to stops. Pure; the service around it is :mod:`analytics.operations`.

No data for longer than ``gap`` is a state of its own, off-line: never up, never down. At the edge of a standstill any
missing minute is: nobody saw when it began or ended.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from analytics.states import StateCode
from plant import MICROSECONDS

MINUTE_US = 60 * MICROSECONDS
GAP_US = 3 * MINUTE_US
# Standstills and gaps that can still be judged anew by what follows; a machine that sends now and then while it
# stands for weeks has no more of them in mind.
_MOST_UNSETTLED = 1000


@dataclass(frozen=True, slots=True)
class Interval:
    """A state from ``start`` up to ``end`` [us]."""

    start: int
    end: int
    state: str


@dataclass(frozen=True, slots=True)
class Stop:
    """A standstill as it was seen [us]; ``end`` is None while it lasts.

    earliest, latest: where no data came before it or after it, since when and until when it may have lasted: the
        machine was seen at work before and after
    seen_again: the stop before it goes on, with nothing but missing data between them
    """

    start: int
    end: int | None
    planned: bool
    earliest: int | None = None
    latest: int | None = None
    seen_again: bool = False


def state_intervals(
    minutes: Iterable[tuple[int, int]], before: Sequence[Interval] = (), gap_us: int = GAP_US
) -> list[Interval]:
    """Intervals without gap or overlap from (start of minute [us], state code), minutes in ascending order.

    before: the intervals known so far; the last goes on where the first minute joins it. Minutes they cover
    already are left out. A minute whose state is not known is as good as missing.
    """
    found = list(before)
    for start, code in minutes:
        if code == StateCode.UNKNOWN or (found and start < found[-1].end):
            continue
        state = StateCode(code).name.lower()
        last = found[-1] if found else None
        if last is not None and start > last.end:
            at_edge = state != last.state and "stopped" in (state, last.state)
            if at_edge or start - last.end > gap_us:
                found.append(Interval(last.end, start, "off_line"))
            else:
                # A missing minute or two: what was, went on.
                found[-1] = Interval(last.start, start, last.state)
            last = found[-1]
        if last is not None and last.state == state:
            found[-1] = Interval(last.start, start + MINUTE_US, state)
        else:
            found.append(Interval(start, start + MINUTE_US, state))
    return found


def unsettled(intervals: Sequence[Interval]) -> list[Interval]:
    """The last interval with the standstills and gaps before it: what comes next may make one stop of them."""
    first = max(0, len(intervals) - 1)
    while (
        first > max(0, len(intervals) - _MOST_UNSETTLED)
        and intervals[first].state in _STANDING
        and intervals[first - 1].state in _STANDING
    ):
        first -= 1
    return list(intervals[first:])


def count_standstills(
    intervals: Sequence[Interval], standstill_s: float, planned: Sequence[tuple[int, int]]
) -> list[Interval]:
    """The same time with standstills told apart: ``maintenance`` inside planned stops, ``down`` where a
    machine stood longer outside of them than its duty allows, ``stopped`` else.

    A standstill with nothing but missing data between it and one that is down is part of it.
    """
    found: list[Interval] = []
    for piece in _judged(intervals, standstill_s, planned):
        if found and found[-1].state == piece.state == "off_line":
            found[-1] = Interval(found[-1].start, piece.end, "off_line")
        else:
            found.append(Interval(piece.start, piece.end, piece.state))
    return found


def note_stops(intervals: Sequence[Interval], standstill_s: float, planned: Sequence[tuple[int, int]]) -> list[Stop]:
    """The stops among these intervals, in order; the last lasts where no interval follows it.

    Time without data beside an unplanned stop is none of it; that it may have been is said by ``earliest`` and
    ``latest``. Time of a planned stop is never in doubt.
    """
    pieces = _judged(intervals, standstill_s, planned)
    found: list[Stop] = []
    for number, piece in enumerate(pieces):
        end = piece.end if number + 1 < len(pieces) else None
        if piece.state == "maintenance":
            found.append(Stop(piece.start, end, planned=True))
        elif piece.state == "down":
            before, after = pieces[max(0, number - 1)], pieces[min(number + 1, len(pieces) - 1)]
            again = before.in_doubt and number > 1 and pieces[number - 2].state == "down"
            earliest = before.start if before.in_doubt and not again else None
            latest = after.end if after.in_doubt else None
            found.append(Stop(piece.start, end, False, earliest, latest, again))
    return found


_STANDING = ("stopped", "off_line")


@dataclass(frozen=True, slots=True)
class _Piece:
    """An interval, or the part of a standstill or gap inside or outside of planned stops."""

    start: int
    end: int
    state: str
    planned: bool

    @property
    def in_doubt(self) -> bool:
        return self.state == "off_line" and not self.planned


def _judged(intervals: Sequence[Interval], standstill_s: float, planned: Sequence[tuple[int, int]]) -> list[_Piece]:
    """Standstills and gaps cut at the borders of planned stops, and told apart."""
    found: list[_Piece] = []
    # Runs of pieces in which the machine was meant to work, and was not seen to.
    for unclear, run in groupby(
        _pieces(intervals, planned), lambda piece: piece.state in _STANDING and not piece.planned
    ):
        pieces = list(run)
        is_down = unclear and any(
            piece.state == "stopped" and piece.end - piece.start > standstill_s * MICROSECONDS for piece in pieces
        )
        for piece in pieces:
            state = piece.state
            if state == "stopped":
                state = "maintenance" if piece.planned else "down" if is_down else "stopped"
            found.append(_Piece(piece.start, piece.end, state, piece.planned))
    return found


def _pieces(intervals: Sequence[Interval], planned: Sequence[tuple[int, int]]) -> Iterator[_Piece]:
    for interval in intervals:
        if interval.state not in _STANDING:
            yield _Piece(interval.start, interval.end, interval.state, planned=False)
            continue
        for start, end, is_planned in _cut(interval, planned):
            yield _Piece(start, end, interval.state, is_planned)


def _cut(interval: Interval, planned: Sequence[tuple[int, int]]) -> list[tuple[int, int, bool]]:
    """An interval in pieces: (start, end, inside a planned stop), in order, covering it exactly."""
    edges = sorted(
        {interval.start, interval.end}
        | {edge for window in planned for edge in window if interval.start < edge < interval.end}
    )
    pieces: list[tuple[int, int, bool]] = []
    for start, end in pairwise(edges):
        inside = any(first <= start and end <= last for first, last in planned)
        if pieces and pieces[-1][2] == inside:
            pieces[-1] = (pieces[-1][0], end, inside)
        else:
            pieces.append((start, end, inside))
    return pieces
