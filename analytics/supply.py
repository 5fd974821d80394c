"""Supply or feeder: a disturbance that the motors of one bus share is the bus's, one that a motor has alone its own.

Pure functions on arrays of machines. What is not known is said, never guessed: the bus, or peers that stand still.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.indicators import Array, indicators
from plant import Symptom

PHASES = ("current_u", "current_v", "current_w", "voltage_uv", "voltage_vw", "voltage_wu")
# With fewer running peers than this, chance decides.
LEAST_PEERS = 2
# From which share of its running peers on a disturbance is the bus's, and up to which it is the feeder's.
_MOST, _FEW = 0.7, 0.2
_THERE = 0.5
_TURNING = 0.08
_COMPARED = ("voltage_unbalance", "voltage_ratio", "phase_current_ratio")
# In per unit every rated value is one.
_PER_UNIT = dict.fromkeys(("rated_current", "rated_voltage", "rated_power", "rated_speed", "efficiency"), 1.0)


class Origin(StrEnum):
    """Where a disturbance of the supply arises."""

    BUS = "bus"
    FEEDER = "feeder"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Peers:
    """The other machines on a machine's bus: how many run and are measured, and how many of those show the same."""

    bus: str
    known: int
    showing: int

    @property
    def origin(self) -> Origin:
        """What follows from them; unknown where they are few, or divided."""
        if not self.bus or self.known < LEAST_PEERS:
            return Origin.UNKNOWN
        if self.showing >= _MOST * self.known:
            return Origin.BUS
        return Origin.FEEDER if self.showing <= _FEW * self.known else Origin.UNKNOWN

    def evidence(self) -> dict[str, Any]:
        """The comparison as a row of evidence; what does not decide stands among what speaks against."""
        english, chinese = self._words()
        return {
            "indicator": "peers_on_bus",
            "value": None,
            "limit": None,
            "unit": "",
            "direction": "against" if self.origin is Origin.UNKNOWN else "for",
            "weight": 0.0,
            "text_en": english,
            "text_zh": chinese,
        }

    def _words(self) -> tuple[str, str]:
        if not self.bus:
            return (
                "Cannot tell supply from feeder: the bus of this motor is not known (nameplate field bus)",
                "无法区分电源与馈线问题：未知该电机所接母线（铭牌字段 bus）",
            )
        counted_en = f"Peers on bus {self.bus}: {self.showing} of {self.known} show the same"
        counted_zh = f"母线{self.bus}上其他电机：{self.known}台中{self.showing}台有同样现象"
        if self.known < LEAST_PEERS:
            return (
                f"{counted_en}: too few of them run to tell supply from feeder",
                f"{counted_zh}，运行台数太少，无法区分电源与馈线问题",
            )
        match self.origin:
            case Origin.BUS:
                return f"{counted_en}: it comes with the supply", f"{counted_zh}，问题来自电源"
            case Origin.FEEDER:
                return (
                    f"{counted_en}: it is this motor's feeder or terminals",
                    f"{counted_zh}，问题在本电机的馈线或端子",
                )
            case Origin.UNKNOWN:
                return (
                    f"{counted_en}: only a part of the bus, look for what these have in common",
                    f"{counted_zh}，仅部分电机受影响，检查其共同之处",
                )


def supply_indicators(signals: Mapping[str, Array], current: Array, voltage: Array) -> dict[str, Array]:
    """Indicators of the supply of many machines, (machines,) each; unknown where a machine stands.

    signals: the three currents [A] and line voltages [V], (machines,); current, voltage: the rated ones, (machines,)
    """
    per_unit = {
        key: values / (current if key.startswith("current") else voltage)
        for key, values in signals.items()
        if key in PHASES
    }
    found = indicators("motor", _PER_UNIT, per_unit)
    turns = found["current_ratio"] > _TURNING
    return {
        key: np.where(turns, found[key], np.nan)
        for key in ("voltage_unbalance", "voltage_ratio", "phase_current_ratio")
    }


def shows(symptom: Symptom, values: Array) -> Array:
    """1 where a symptom is there by half at least, 0 where it is not, NaN where that is unknown; (machines,)."""
    presence = (values - symptom.clear) / (symptom.at - symptom.clear)
    result: Array = np.where(np.isnan(values), np.nan, (presence >= _THERE).astype(np.float64))
    return result


def count_peers(shown: Array, bus: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each machine how many *others* on its bus are known, and how many of those show it; (machines,) each.

    shown: 1, 0 or NaN, (machines,); bus: a number a bus, -1 where it is not known
    """
    on_bus = bus >= 0
    known = on_bus & np.isfinite(shown)
    showing = known & (shown > 0)
    size = int(bus.max(initial=-1)) + 1

    def others(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
        totals = np.bincount(bus[flags], minlength=size)
        counted = np.zeros(len(bus), np.int64)
        counted[on_bus] = totals[bus[on_bus]]
        return counted - flags

    return others(known), others(showing)


class Comparisons:
    """What the peers said of each open finding while it lasted.

    A disturbance ends at one motor some seconds before the next, and findings stay open for a while: a motor that no
    longer shows it keeps what was found, and another origin has to be found twice running.
    """

    def __init__(self) -> None:
        self._known: dict[int, Peers] = {}
        self._other: dict[int, Origin] = {}

    def keep(self, findings: Collection[int]) -> None:
        """Forget all findings but these."""
        self._known = {finding: peers for finding, peers in self._known.items() if finding in findings}
        self._other = {finding: origin for finding, origin in self._other.items() if finding in findings}

    def follow(self, finding: int, *, showing: bool, peers: Peers) -> Peers | None:
        """What holds after one more comparison; None while the motor has not shown it in any.

        showing: whether the finding's own motor shows the disturbance now
        """
        known = self._known.get(finding)
        if not showing:
            return known
        if known is not None and peers.origin is not known.origin and self._other.get(finding) is not peers.origin:
            self._other[finding] = peers.origin
            return known
        self._other.pop(finding, None)
        self._known[finding] = peers
        return peers


def leads(findings: Sequence[tuple[int, Any]]) -> dict[int, int]:
    """Finding id -> the one that stands for its disturbance, the oldest; itself for that one.

    findings: (id, what they share: bus and failure mode)
    """
    oldest: dict[Any, int] = {}
    for finding, shared in findings:
        oldest[shared] = min(finding, oldest.get(shared, finding))
    return {finding: oldest[shared] for finding, shared in findings}
