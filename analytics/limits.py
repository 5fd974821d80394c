"""Limit alarms (ISA-18.2): raised after a delay, cleared beyond a deadband, judged on source time."""

import heapq
import math
from dataclasses import dataclass
from typing import Literal

from plant import MICROSECONDS, ResolvedLimit


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """An alarm comes or goes at a source time [us]; ``value`` is the worst since it was raised."""

    kind: Literal["raised", "cleared"]
    limit_key: str
    time: int
    value: float


class LimitWatch:
    """One limit of one machine. Values must come in order of time; NaN (nothing known) changes nothing."""

    def __init__(self, resolved: ResolvedLimit) -> None:
        self._key = resolved.limit.key
        self._above = resolved.above
        self._threshold = resolved.threshold
        self._delay_us = round(resolved.limit.delay_s * MICROSECONDS)
        self._deadband = resolved.limit.deadband
        self._broken_since: int | None = None
        self._worst = math.nan
        self.active = False

    def restore(self, worst: float) -> None:
        """Go on with an alarm that was active before a restart."""
        self.active = True
        self._worst = worst

    def follow(self, time: int, value: float) -> AlarmEvent | None:
        """Take a value; what comes of it."""
        if math.isnan(value):
            return None
        broken = value > self._threshold if self._above else value < self._threshold
        if self.active:
            self._worst = max(self._worst, value) if self._above else min(self._worst, value)
            back = (
                value <= self._threshold - self._deadband if self._above else value >= self._threshold + self._deadband
            )
            if not back:
                return None
            self.active = False
            self._broken_since = None
            return AlarmEvent("cleared", self._key, time, self._worst)
        if not broken:
            self._broken_since = None
            return None
        if self._broken_since is None:
            self._broken_since = time
            self._worst = value
        self._worst = max(self._worst, value) if self._above else min(self._worst, value)
        if time - self._broken_since < self._delay_us:
            return None
        self.active = True
        return AlarmEvent("raised", self._key, time, self._worst)


class Reorder:
    """Hands values out in order of source time, once nothing earlier can come any more.

    horizon_us: how late a value may be; later ones are left to the roll-ups
    """

    def __init__(self, horizon_us: int) -> None:
        self._horizon_us = horizon_us
        self._waiting: list[tuple[int, float]] = []
        self._newest = -(2**62)
        self._released = -(2**62)

    def add(self, time: int, value: float) -> list[tuple[int, float]]:
        """Take a value in; the values that are due now, each time once."""
        if time > self._released:
            heapq.heappush(self._waiting, (time, value))
        self._newest = max(self._newest, time)
        return self._release(self._newest - self._horizon_us)

    def flush(self) -> list[tuple[int, float]]:
        """Everything that waits."""
        return self._release(2**62)

    def _release(self, until: int) -> list[tuple[int, float]]:
        due = []
        while self._waiting and self._waiting[0][0] <= until:
            time, value = heapq.heappop(self._waiting)
            if time > self._released:
                due.append((time, value))
                self._released = time
        return due
