"""What was found stays found while nothing tells the contrary: the last known value of every indicator.

A judgement rests on what is known at its moment. Where data vanish it knows less, and less would look better. So
health and risk are taken from the last known values, and say since when they have been held. Pure.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from analytics.condition import Judgement, health_and_risk
from analytics.diagnosis import diagnose
from plant import Fault, Template, to_datetime, to_microseconds

# Counts over all signals: of one that is no longer seen they cannot say that its sensor is well.
_COUNTS = ("stuck_signals", "dropout_share", "dropped_signals", "spikes")


@dataclass(frozen=True, slots=True)
class Known:
    """A value and when it was measured, in microseconds since the epoch."""

    value: float
    at: int


@dataclass(frozen=True, slots=True)
class LastKnown:
    """What is known of a machine, however long ago.

    values: indicator -> its newest known value; seen: series that the counts of sensor faults rest on
    version: of the model that the values were compared with; another one makes them void
    """

    values: Mapping[str, Known] = field(default_factory=dict)
    seen: frozenset[str] = frozenset()
    version: int | None = None

    def after(self, judgement: Judgement, wanted: Collection[str], time: int, version: int | None) -> "LastKnown":
        """What is known after a judgement at a source time; wanted: the indicators that matter."""
        before = self if self.version == version else LastKnown()
        values = dict(before.values)
        for key in wanted:
            value = judgement.found.get(key, math.nan)
            if math.isnan(value):
                continue
            known = values.get(key)
            if key in _COUNTS and known is not None and known.value > value and not before.seen <= judgement.seen:
                continue
            values[key] = Known(value, time)
        held = any(key in values and values[key].at < time for key in _COUNTS)
        return LastKnown(values, before.seen if held else judgement.seen, version)

    def held(self, time: int) -> dict[str, Known]:
        """What was measured before a time, and not since."""
        return {key: known for key, known in self.values.items() if known.at < time}

    def as_json(self, time: int) -> dict[str, Any]:
        """What a restart needs beside the indicators known at that time; see :meth:`from_json`."""
        held = {key: [known.value, to_datetime(known.at).isoformat()] for key, known in self.held(time).items()}
        return {"held": held, "seen": sorted(self.seen)}

    @classmethod
    def from_json(
        cls, stored: Mapping[str, Any], wanted: Collection[str], judged_at: datetime, version: int | None
    ) -> "LastKnown":
        """What was known when a judgement was stored, with its ``indicators`` and what :meth:`as_json` gave."""
        at = to_microseconds(judged_at)
        values = {key: Known(value, at) for key, value in stored.get("indicators", {}).items() if key in wanted}
        for key, (value, since) in stored.get("held", {}).items():
            values[key] = Known(value, to_microseconds(datetime.fromisoformat(since)))
        return cls(values, frozenset(stored.get("seen", ())), version)


def judged_indicators(template: Template, faults: Mapping[str, Fault]) -> frozenset[str]:
    """The indicators that failure modes of a template are judged by."""
    return frozenset(symptom.indicator for fault in _modes(template, faults) for symptom in fault.symptoms)


def recalled(template: Template, faults: Mapping[str, Fault], judgement: Judgement, last: LastKnown) -> Judgement:
    """The judgement that the last known values make; ``found`` stays what is known now.

    last: after that judgement
    """
    if judgement.health is None:
        return judgement
    values = {key: known.value for key, known in last.values.items()}
    if all(judgement.found.get(key) == value for key, value in values.items()):
        return judgement
    modes = _modes(template, faults)
    machine = diagnose([fault for fault in modes if fault.kind != "sensor"], values)
    sensors = diagnose([fault for fault in modes if fault.kind == "sensor"], values)
    health, risk = health_and_risk(machine, sensors, faults)
    return replace(judgement, health=health, risk=risk, machine=machine, sensors=sensors)


def held_since(template: Template, faults: Mapping[str, Fault], last: LastKnown, time: int) -> int | None:
    """When the oldest value was measured that health rests on [us]; None where all are of this time."""
    machine = [fault for fault in _modes(template, faults) if fault.kind != "sensor"]
    wanted = {symptom.indicator for fault in machine for symptom in fault.symptoms}
    return min((known.at for key, known in last.held(time).items() if key in wanted), default=None)


def _modes(template: Template, faults: Mapping[str, Fault]) -> list[Fault]:
    return [faults[key] for key in template.failure_modes if key in faults]
