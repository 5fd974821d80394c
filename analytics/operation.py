"""From minutes to states, and from states to stops. Pure; the service around it is :mod:`analytics.operations`.

No data for longer than ``gap`` is a state of its own, off-line: never up, never down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analytics.states import StateCode
from plant import MICROSECONDS

MINUTE_US = 60 * MICROSECONDS
GAP_US = 3 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Interval:
    """A state from ``start`` up to ``end`` [us]."""

    start: int
    end: int
    state: str


def state_intervals(
    minutes: Iterable[tuple[int, int]], before: Interval | None = None, gap_us: int = GAP_US
) -> list[Interval]:
    """Intervals without gap or overlap from (start of minute [us], state code), minutes in ascending order.

    before: the interval known so far; it goes on where the first minute joins it. Minutes it covers
    already are left out. A minute whose state is not known is as good as missing.
    """
    found = [before] if before is not None else []
    for start, code in minutes:
        if code == StateCode.UNKNOWN or (found and start < found[-1].end):
            continue
        state = StateCode(code).name.lower()
        last = found[-1] if found else None
        if last is not None and start > last.end:
            if start - last.end > gap_us:
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


def count_standstills(
    intervals: Sequence[Interval], standstill_s: float, planned: Sequence[tuple[int, int]]
) -> list[Interval]:
    """The same time with standstills told apart: ``maintenance`` inside planned stops, ``down`` where a
    machine stood longer outside of them than its duty allows, ``stopped`` else.
    """
    result: list[Interval] = []
    for interval in intervals:
        if interval.state != "stopped":
            result.append(interval)
            continue
        for start, end, is_planned in _cut(interval, planned):
            too_long = end - start > standstill_s * MICROSECONDS
            unplanned = "down" if too_long else "stopped"
            result.append(Interval(start, end, "maintenance" if is_planned else unplanned))
    return result


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
