"""Limit alarms (ISA-18.2): raised after a delay, cleared beyond a deadband, judged on source time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array, indicators, thermal_capacity
from analytics.starts import START_ENDS_S, TURNING, surging
from plant import MICROSECONDS, Nameplate, ResolvedLimit, Template

# How late a reading may be: a second is judged once one so much newer is there. Later ones are left to the roll-ups.
HORIZON_S = 3
# What was there before a machine was first looked at, or after it was away.
_LOOK_BACK_S = 10


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


class MachineLimits:
    """All limits of one machine, followed second by second."""

    def __init__(self, template: Template, nameplate: Nameplate) -> None:
        self._template = template.key
        self._nameplate = nameplate
        self._watches = {
            resolved.limit.key: (resolved, LimitWatch(resolved)) for resolved in template.resolved_limits(nameplate)
        }
        self._until: int | None = None

    @property
    def active(self) -> bool:
        """Whether any alarm is."""
        return any(watch.active for _, watch in self._watches.values())

    def restore(self, limit_key: str, worst: float) -> None:
        """Go on with an alarm that was active before a restart; one whose limit is no more is left alone."""
        if limit_key in self._watches:
            self._watches[limit_key][1].restore(worst)

    def follow(
        self, start_us: int, seconds: Mapping[str, Array], minutes: Mapping[str, Array], newest_us: int
    ) -> list[tuple[ResolvedLimit, AlarmEvent]]:
        """What comes of the seconds that have not been judged yet and before which nothing can come any more.

        seconds: signal -> (n,), one a second from ``start_us`` on, NaN where nothing was measured; the same second
            must not change once a reading of ``HORIZON_S`` later is there
        minutes: signal -> the last hours minute by minute, for what heats up slowly
        newest_us: time of the newest reading of the machine
        """
        until = newest_us - HORIZON_S * MICROSECONDS
        since = self._until if self._until is not None else until - _LOOK_BACK_S * MICROSECONDS
        first = max(0, (since - start_us) // MICROSECONDS + 1)
        last = (until - start_us) // MICROSECONDS + 1
        if last <= first or not seconds:
            return []
        self._until = until
        found = indicators(self._template, self._nameplate, seconds) | self._heat(
            minutes, len(next(iter(seconds.values())))
        )
        running = _past_start(found.get("current_ratio"))
        events = []
        for resolved, watch in self._watches.values():
            values = found.get(resolved.limit.indicator)
            if values is None:
                continue
            for second in range(int(first), int(last)):
                if resolved.limit.when == "running" and not (running is not None and running[second]):
                    continue
                event = watch.follow(start_us + second * MICROSECONDS, float(values[second]))
                if event is not None:
                    events.append((resolved, event))
        return events

    def _heat(self, minutes: Mapping[str, Array], length: int) -> dict[str, Array]:
        """Thermal capacity now, which no window of seconds can tell."""
        currents = [minutes.get(key, np.empty(0)) for key in ("current_u", "current_v", "current_w")]
        if not all(len(values) for values in currents):
            return {}
        ratio = sum(currents) / 3 / float(self._nameplate["rated_current"])
        return {"thermal_capacity": np.full(length, thermal_capacity(np.asarray(ratio), 60.0)[-1])}


def _past_start(ratio: Array | None) -> NDArray[np.bool_] | None:
    """Seconds in which the machine has been turning for five seconds already, and starts no more."""
    if ratio is None:
        return None
    turns: NDArray[np.bool_] = (ratio > TURNING) & ~surging(ratio)
    settled = turns.copy()
    for back in range(1, START_ENDS_S + 1):
        settled[back:] &= turns[:-back]
        settled[:back] = False
    return settled
