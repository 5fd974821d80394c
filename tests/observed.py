"""What KPIs should make of readings, computed slowly and purely: readings -> minutes -> states -> stops -> sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.indicators import indicators
from analytics.kpi import KpiValue, evaluate
from analytics.kpi_catalogue import DEFINITIONS
from analytics.operation import MINUTE_US, Interval, Stop, count_standstills, note_stops, state_intervals
from analytics.states import classify_states
from historian import KpiSums
from plant import template_library

MOTOR = template_library()["motor"]
NAMEPLATE = {
    "rated_power": 15.0, "rated_voltage": 400.0, "rated_current": 28.0, "rated_speed": 1470.0, "efficiency": 0.9,
    "rated_power_factor": 0.85,
}  # fmt: skip
# Values of a minute in each state, as all signals tell it.
SIGNALS = {
    "running": {"running": 1.0, "current_u": 20.0, "current_v": 20.5, "current_w": 19.5},
    "idle": {"running": 1.0, "current_u": 0.4, "current_v": 0.4, "current_w": 0.4},
    "stopped": {"running": 0.0, "current_u": 0.0, "current_v": 0.0, "current_w": 0.0},
}
EVERY_S = 20


@dataclass(frozen=True, slots=True)
class Observed:
    """What was concluded of a machine's readings."""

    intervals: list[Interval]
    stops: list[Stop]

    def sums(self, minutes: int) -> KpiSums:
        """Sums of the minutes from 0 on, of one machine; all that is concluded lies in them."""
        seconds: dict[str, float] = {}
        for entry in self.intervals:
            seconds[f"{entry.state}_s"] = seconds.get(f"{entry.state}_s", 0.0) + (entry.end - entry.start) / 1e6
        until, last = minutes * MINUTE_US, self.intervals[-1].end if self.intervals else 0
        planned = unplanned = doubtful = failures = 0.0
        for stop in self.stops:
            end = stop.end if stop.end is not None else last
            if stop.planned:
                planned += (end - stop.start) / 1e6
                continue
            unplanned += (end - stop.start) / 1e6
            failures += not stop.seen_again
            latest = stop.latest if stop.latest is not None else (until if stop.end is None else end)
            earliest = stop.earliest if stop.earliest is not None else stop.start
            doubtful += (stop.start - earliest + max(0, latest - end)) / 1e6
        return KpiSums(
            machines=1, asked_s=60.0 * minutes, planned_s=planned, unplanned_s=unplanned, doubtful_s=doubtful,
            failures=failures, repair_s=unplanned, downtime_cost=unplanned / 3600, **seconds,
        )  # fmt: skip

    def availability(self, minutes: int) -> KpiValue:
        """The KPI of those sums."""
        (definition,) = [entry for entry in DEFINITIONS if entry.key == "availability"]
        return evaluate(definition, self.sums(minutes))


def readings_of(states: Sequence[str]) -> dict[str, np.ndarray]:
    """Values of a machine that is in one of these states each minute: signal -> (minutes, readings a minute)."""
    return {
        key: np.repeat([[SIGNALS[state][key]] for state in states], 60 // EVERY_S, axis=1) for key in SIGNALS["running"]
    }


def observe(
    readings: Mapping[str, np.ndarray], duty: str = "continuous", planned: Sequence[tuple[int, int]] = ()
) -> Observed:
    """What is concluded of readings, lost ones being nan; planned: (start, end) in minutes."""
    nameplate = {**NAMEPLATE, "duty": duty}
    minutes = {}
    for key, values in readings.items():
        count = np.isfinite(values).sum(axis=1)
        mean = np.nansum(values, axis=1) / np.maximum(count, 1)
        minutes[key] = np.where(count > 0, mean, np.nan)
    codes = classify_states(MOTOR, nameplate, indicators("motor", nameplate, minutes))
    intervals = state_intervals([(number * MINUTE_US, int(code)) for number, code in enumerate(codes)])
    windows = [(since * MINUTE_US, until * MINUTE_US) for since, until in planned]
    allowed_s = MOTOR.standstill_s(nameplate)
    return Observed(count_standstills(intervals, allowed_s, windows), note_stops(intervals, allowed_s, windows))
