"""The commissioning check: is what arrives of a machine what its template and nameplate make one expect?"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from plant import MICROSECONDS, Batch, Nameplate, Quality, SignalType, Template

Level = Literal["ok", "warning", "problem"]
_NEAR = 0.25
_ROOT_NEAR = 0.06


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Nominal(_Document):
    signals: tuple[str, ...]
    of: str
    least: float
    most: float
    idle: bool


class _MixedUp(_Document):
    factor: float
    means: str
    to: float


class _Disguised(_Document):
    unit: str
    low: float
    high: float
    means: str
    to: str


class _Phases(_Document):
    signals: tuple[str, ...]
    apart: float
    fix: str


class _Figures(_Document):
    fresh_s: float
    ahead_s: float
    stuck_samples: int
    stuck_s: float
    bad_share: float
    zone_step_s: float
    power_apart: float


class _Expectations(_Document):
    nominal: tuple[_Nominal, ...]
    mixed_up: tuple[_MixedUp, ...]
    disguised: tuple[_Disguised, ...]
    phases: tuple[_Phases, ...]
    figures: _Figures


@dataclass(frozen=True, slots=True)
class SignalReadings:
    """Recent readings of one signal, oldest first.

    times: int64 (n,), microseconds since the epoch; values: float64 (n,); qualities: int16 (n,)
    newest: time of the newest reading ever, None where there is none
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]
    newest: int | None

    @property
    def usable(self) -> NDArray[np.float64]:
        """Values that are numbers and not bad."""
        good: NDArray[np.bool_] = (self.qualities != Quality.BAD) & np.isfinite(self.values)
        return self.values[good]


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What was found of a signal, or of the machine (empty signal), and what to do."""

    check: str
    level: Level
    signal: str
    found: str
    fix: str = ""


def by_signal(batch: Batch, newest: Mapping[str, tuple[int, int | None]]) -> dict[str, SignalReadings]:
    """A machine's batch, oldest first, apart by signal; ``newest`` has id and newest time ever of each key."""
    return {
        key: SignalReadings(
            batch.times[rows := batch.signal_ids == signal_id], batch.values[rows], batch.qualities[rows], time
        )
        for key, (signal_id, time) in newest.items()
    }


@cache
def _expectations() -> _Expectations:
    content = files("onboarding").joinpath("commissioning.toml").read_text(encoding="utf-8")
    return _Expectations.model_validate(tomllib.loads(content))


def check_machine(
    template: Template, nameplate: Nameplate, readings: Mapping[str, SignalReadings], now: int
) -> list[CheckAnswer]:
    """Every check in turn, what is wrong first; ``now`` in microseconds.

    readings: signal key -> its readings; a signal that is not in it has none
    """
    complete = template.complete_nameplate(nameplate)
    answers = list(_arriving(template, readings, now))
    for signal in template.signals:
        known = readings.get(signal.key)
        if known is not None and len(known.values):
            answers += _sensor(signal, known)
    answers += _nominal(complete, readings)
    answers += _phases(readings)
    answers += _together(readings)
    order = {"problem": 0, "warning": 1, "ok": 2}
    return sorted(answers, key=lambda answer: order[answer.level])


def _arriving(template: Template, readings: Mapping[str, SignalReadings], now: int) -> Iterator[CheckAnswer]:
    figures = _expectations().figures
    newest = {key: known.newest for key, known in readings.items() if known.newest is not None}
    if not newest:
        yield CheckAnswer(
            "arriving", "problem", "", "nothing has ever arrived of this machine",
            "look at `brain doctor`, at the source's settings and at quarantine: are site and machine spelled alike?",
        )  # fmt: skip
        return
    missing = [signal.key for signal in template.signals if signal.key not in newest]
    for key in missing:
        yield CheckAnswer(
            "missing", "warning", key, "has never arrived",
            "bind a tag to it, or leave it: what needs it (docs/failure-modes.md) is then not judged",
        )  # fmt: skip
    age = (now - max(newest.values())) / MICROSECONDS
    yield from _clock(age)
    for key, time in newest.items():
        behind = (max(newest.values()) - time) / MICROSECONDS
        if behind > figures.fresh_s:
            yield CheckAnswer(
                "arriving", "problem", key, f"stopped {behind:,.0f} s before the others",
                "is the sensor connected, does the device still send this tag?",
            )  # fmt: skip
    if not missing:
        yield CheckAnswer("missing", "ok", "", f"all {len(template.signals)} signals have arrived")


def _clock(age: float) -> Iterator[CheckAnswer]:
    """``age`` of the newest reading by our clock [s]; a device in the wrong zone is whole half hours off."""
    figures = _expectations().figures
    steps = round(age / figures.zone_step_s)
    if age < -figures.ahead_s:
        yield CheckAnswer(
            "clock", "problem", "", f"readings are dated {-age:,.0f} s in the future",
            "set the device's clock (NTP), or its time zone: times must be UTC",
        )  # fmt: skip
    elif steps and abs(age - steps * figures.zone_step_s) < figures.fresh_s:
        yield CheckAnswer(
            "clock", "problem", "", f"the newest reading is {age / 3600:.1f} h old, a whole number of half hours",
            "if the device sends now, its times are local ones sent as UTC: set its zone, or time_zone in the mapping",
        )  # fmt: skip
    elif age > figures.fresh_s:
        yield CheckAnswer(
            "arriving", "problem", "", f"nothing has arrived for {age:,.0f} s",
            "is the machine's device on, and `brain collect` running? See `brain doctor`",
        )  # fmt: skip
    else:
        yield CheckAnswer("clock", "ok", "", f"the newest reading is {max(age, 0.0):.1f} s old")


def _sensor(signal: SignalType, known: SignalReadings) -> Iterator[CheckAnswer]:
    expected = _expectations()
    bad = float(np.mean(known.qualities == Quality.BAD))
    if bad > expected.figures.bad_share:
        yield CheckAnswer(
            "quality", "problem", signal.key, f"{bad:.0%} of its readings are bad",
            "is the sensor connected, and its range right?",
        )  # fmt: skip
    values = known.usable
    if not len(values):
        return
    low = signal.plausible_min if signal.plausible_min is not None else -math.inf
    high = signal.plausible_max if signal.plausible_max is not None else math.inf
    middle = float(np.median(values))
    for disguise in expected.disguised:
        if disguise.unit == signal.unit and disguise.low <= middle <= disguise.high:
            yield CheckAnswer(
                "unit", "problem", signal.key, f"{middle:g} {signal.unit} {disguise.means}",
                f"{disguise.to} in the source",
            )  # fmt: skip
            return
    outside = values[(values < low) | (values > high)]
    if len(outside):
        yield CheckAnswer(
            "range", "problem", signal.key,
            f"{float(outside[0]):g} {signal.unit} is outside of {low:g} to {high:g} ({len(outside)} of {len(values)})",
            "is it the right tag, in the right unit, with the right factor?",
        )  # fmt: skip
    span = (int(known.times[-1]) - int(known.times[0])) / MICROSECONDS
    same = bool(np.all(values == values[0])) and values[0] != 0
    enough = len(values) >= expected.figures.stuck_samples and span >= expected.figures.stuck_s
    if signal.kind == "number" and same and enough:
        yield CheckAnswer(
            "stuck", "warning", signal.key,
            f"{values[0]:g} {signal.unit} in all {len(values)} readings of {span:,.0f} s",
            "is it a set value instead of a measured one, or is the sensor frozen?",
        )  # fmt: skip


def _nominal(nameplate: Nameplate, readings: Mapping[str, SignalReadings]) -> Iterator[CheckAnswer]:
    """Magnitudes against the nameplate; a machine at rest says nothing of its currents, power and speed."""
    for nominal in _expectations().nominal:
        rated = nameplate.get(nominal.of)
        if not isinstance(rated, int | float) or not rated:
            continue
        for key in nominal.signals:
            known = readings.get(key)
            if known is None or not len(known.usable):
                continue
            middle = float(np.median(np.abs(known.usable)))
            ratio = middle / float(rated)
            if middle == 0 or (ratio < nominal.least and nominal.idle and not _turning(readings)):
                continue
            mixed = _mixed_up(ratio, nominal.least, nominal.most, volts=nominal.of == "rated_voltage")
            if mixed is not None:
                yield CheckAnswer(
                    "unit", "problem", key, f"{middle:g} against a rated {rated:g}: {mixed.means}",
                    f"multiply the factor by {mixed.to:g}, or correct the nameplate",
                )  # fmt: skip
            elif not nominal.least <= ratio <= nominal.most:
                yield CheckAnswer(
                    "magnitude", "problem", key, f"{middle:g} against a rated {rated:g}",
                    "correct the factor or the nameplate; or is it another machine's tag?",
                )  # fmt: skip


def _turning(readings: Mapping[str, SignalReadings]) -> bool:
    running = readings.get("running")
    return running is not None and bool(len(running.usable)) and bool(running.usable[-1])


def _mixed_up(ratio: float, least: float, most: float, *, volts: bool) -> _MixedUp | None:
    root = math.sqrt(1 / 3)
    for mixed in _expectations().mixed_up:
        of_root = abs(mixed.factor - root) < 1e-3
        if of_root:
            if volts and abs(ratio / root - 1) < _ROOT_NEAR:
                return mixed
        elif not least <= ratio <= most and abs(math.log10(ratio / mixed.factor)) < _NEAR * 2:
            return mixed
    return None


def _phases(readings: Mapping[str, SignalReadings]) -> Iterator[CheckAnswer]:
    for phases in _expectations().phases:
        middles = [_middle(readings, key) for key in phases.signals]
        if any(middle is None for middle in middles):
            continue
        values = [abs(middle) for middle in middles if middle is not None]
        mean = sum(values) / len(values)
        if not mean:
            continue
        apart = [abs(value / mean - 1) for value in values]
        if max(apart) > phases.apart:
            key = phases.signals[apart.index(max(apart))]
            shown = ", ".join(f"{value:g}" for value in values)
            yield CheckAnswer("phases", "problem", key, f"{shown} are no three phases of one machine", phases.fix)
        else:
            yield CheckAnswer("phases", "ok", phases.signals[0], f"three phases within {max(apart):.0%} of their mean")


def _together(readings: Mapping[str, SignalReadings]) -> Iterator[CheckAnswer]:
    """Signals against each other: power of voltage and current, and whether it runs."""
    currents = [_middle(readings, f"current_{phase}") for phase in "uvw"]
    voltages = [_middle(readings, f"voltage_{pair}") for pair in ("uv", "vw", "wu")]
    current, voltage = _mean(currents), _mean(voltages)
    power, factor = _middle(readings, "power"), _middle(readings, "power_factor")
    if current and voltage and factor and power:
        computed = math.sqrt(3) * voltage * current * abs(factor) / 1000
        ratio = abs(power) / computed
        if abs(ratio - 1) > _expectations().figures.power_apart:
            hint = "is it the power of one phase? " if abs(ratio * 3 - 1) < _NEAR else ""
            yield CheckAnswer(
                "power", "problem", "power",
                f"{power:g} kW, but voltage, current and power factor make {computed:.3g} kW",
                f"{hint}check the units of all four",
            )  # fmt: skip
    running = _middle(readings, "running")
    if running is None or current is None:
        return
    if running == 0 and power is not None and abs(power) > 0 and current > 1:
        yield CheckAnswer(
            "running", "warning", "running", f"says stopped while {current:g} A flow", "is the contact inverted?"
        )
    if running == 1 and current == 0:
        yield CheckAnswer(
            "running", "warning", "running", "says running while no current flows", "is it a command, not a feedback?"
        )


def _middle(readings: Mapping[str, SignalReadings], key: str) -> float | None:
    known = readings.get(key)
    if known is None or not len(known.usable):
        return None
    return float(np.median(known.usable))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [abs(value) for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
