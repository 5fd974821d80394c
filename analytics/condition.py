"""The condition of one machine at one moment: indicators, sensor faults, diagnosis, health and risk.

Pure: takes arrays, hands out a judgement, remembers nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analytics.behaviour import BehaviourModel, features, turned_share, turning
from analytics.diagnosis import Verdict, diagnose
from analytics.indicators import Array, indicators, median, thermal_capacity, thermal_outlook
from analytics.sensors import STUCK_SAMPLES, implausible_share, outlasts, power_mismatch, spikes, stuck_signals
from analytics.starts import START_ENDS_S, TURNING, count_starts, stalled_s, surging
from plant import Fault, Nameplate, Severity, Template

# How much a failure mode of this severity takes from health and adds to risk when it is certain.
SEVERITY_WEIGHT = {Severity.NOTICE: 0.3, Severity.WARNING: 0.6, Severity.ALARM: 0.8, Severity.CRITICAL: 1.0}
_SLOW_S = 600.0
_FAST_S = 30
_SCATTER_S = 60
_SCATTER_BLOCK_S, _SCATTER_BLOCKS = 5, 6
_STEP_SHARE = 0.85
_MEMORY_S = 3 * 3600.0
_COVERED = 0.6
_MISMATCHED = 0.25
_FROZEN_S = 8
_POWER = {"power", "power_factor"}
# How much more of the last hours a machine may have stood than ever while learning, and still be known.
_STOOD_LONGER = 0.02
_STUCK_MINUTES = 45


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a machine now.

    health: 0..100, None while learning; risk: 0..1, None while learning
    verdicts: of the machine and its supply, then of its sensors, each most probable first
    found: indicators now, NaN where unknown; judged: whether the machine ran, so that absence means something
    suspects: signals whose sensor is not believed
    seen: series, by signal and step, with enough values to say whether their sensor is well
    """

    health: float | None
    risk: float | None
    machine: list[Verdict]
    sensors: list[Verdict]
    found: dict[str, float]
    judged: bool
    suspects: list[str] = field(default_factory=list)
    seen: frozenset[str] = frozenset()

    def tops(self) -> dict[str, float]:
        """The leading mode of the machine and that of its sensors, with their probabilities."""
        return {group[0].failure_mode: group[0].probability for group in (self.machine, self.sensors) if group}

    def probabilities(self, faults: Mapping[str, Fault]) -> dict[str, float]:
        """All modes of which something is known: a standing machine shows no symptoms, which is not their absence."""
        return {
            verdict.failure_mode: verdict.probability
            for verdict in (*self.machine, *self.sensors)
            if self.judged or faults[verdict.failure_mode].kind == "sensor"
        }

    def rivals_of(self, mode: str) -> list[Verdict]:
        """The modes that compete with one of them, itself included, most probable first."""
        return next(
            group for group in (self.machine, self.sensors) if mode in {verdict.failure_mode for verdict in group}
        )


def judge_machine(
    template: Template,
    nameplate: Nameplate,
    model: BehaviourModel | None,
    faults: Mapping[str, Fault],
    minutes: Mapping[str, Array],
    seconds: Mapping[str, Array],
    bad_share: Mapping[str, float] | None = None,
) -> Judgement:
    """Judge one machine.

    minutes: signal -> float64 (n,), averages of the last hours at the model's step, the newest last
    seconds: signal -> float64 (m,), the newest readings second by second, NaN where there was none
    bad_share: signal -> share of its newest readings that the device called bad
    """
    numeric = [signal.key for signal in template.signals if signal.kind == "number"]
    recent = {key: seconds[key] for key in numeric if key in seconds}
    stuck = _stuck(model, recent, minutes, numeric)
    dropped = [key for key, share in (bad_share or {}).items() if share > 0.3]
    spiked = {key: spikes(recent[key], 20.0) for key in recent if template.signal(key).response == "slow"}
    impossible = [
        signal.key
        for signal in template.signals
        if signal.key in recent
        and implausible_share(recent[signal.key], signal.plausible_min, signal.plausible_max) > 0.3
    ]
    suspects = sorted({*stuck, *dropped, *impossible, *(key for key, count in spiked.items() if count >= 2)})

    believed = {key: values for key, values in seconds.items() if key not in suspects}
    settled = _settled(believed, nameplate) if template.key == "motor" else None
    now = {key: _tail_median(values, _FAST_S, settled) for key, values in believed.items()}
    found = _indicators_now(template, nameplate, now)
    mismatch = power_mismatch(found)
    if mismatch > _MISMATCHED and _POWER & set(stuck_signals(recent, numeric, _FROZEN_S)):
        mismatch = math.nan  # a load that has just changed beside a power that did not: stuck, it seems, not swapped
    elif mismatch > _MISMATCHED:
        suspects = sorted({*suspects, *(_POWER & set(now))})
        now = {key: value for key, value in now.items() if key not in _POWER}
        found = _indicators_now(template, nameplate, now)
    running = turning({key: np.array(found.get(key, math.nan)) for key in ("current_ratio",)})
    runs = bool(running > 0.5)
    found |= _sensor_indicators(stuck, dropped, bad_share or {}, spiked) | {"power_mismatch": mismatch}
    if template.key == "motor":
        found |= _thermal(minutes, nameplate, found.get("current_ratio", math.nan))
        found["stalled_s"] = stalled_s(believed, nameplate)
    if model is not None:
        history = {key: values for key, values in minutes.items() if key not in suspects}
        found |= residual_indicators(template, nameplate, model, history, now, runs)
        found |= _starts(model, minutes, nameplate)
        found["vibration_scatter"] = _scatter(believed, settled, runs)
        if runs:
            found |= _current_unbalances(found, model.usual)
        found["current_odd_phase"] = _odd_phase(now, nameplate) if runs else math.nan
    if not runs:
        # A standing motor says nothing of what only shows under load.
        for key in ("voltage_unbalance", "load", "phase_current_ratio", "speed_ratio"):
            found[key] = math.nan
    kinds = [faults[key] for key in template.failure_modes if key in faults]
    sensors = diagnose([fault for fault in kinds if fault.kind == "sensor"], found)
    machine = diagnose([fault for fault in kinds if fault.kind != "sensor"], found)
    seen = _seen(recent, minutes, numeric, dropped)
    if model is None:
        return Judgement(None, None, [], sensors, found, runs, suspects, seen)
    health, risk = health_and_risk(machine, sensors, faults)
    return Judgement(health, risk, machine, sensors, found, runs, suspects, seen)


def _indicators_now(template: Template, nameplate: Nameplate, now: Mapping[str, float]) -> dict[str, float]:
    found = indicators(template.key, nameplate, {key: np.array(value) for key, value in now.items()})
    return {key: float(value) for key, value in found.items()}


def health_and_risk(machine: list[Verdict], sensors: list[Verdict], faults: Mapping[str, Fault]) -> tuple[float, float]:
    """Health 0..100 and risk 0..1 of verdicts.

    risk = 1 - prod(1 - probability x weight of severity) over all failure modes; health = 100 x the same
    product over those of the machine and its supply alone: a bad sensor is a risk, not an illness.
    """
    well = math.prod(
        1 - verdict.probability * SEVERITY_WEIGHT[faults[verdict.failure_mode].severity] for verdict in machine
    )
    seen = math.prod(
        1 - verdict.probability * SEVERITY_WEIGHT[faults[verdict.failure_mode].severity] for verdict in sensors
    )
    return 100 * well, 1 - well * seen


def residual_indicators(
    template: Template,
    nameplate: Nameplate,
    model: BehaviourModel,
    minutes: Mapping[str, Array],
    now: Mapping[str, float],
    runs: bool,
) -> dict[str, float]:
    """Measured less expected (temperatures, K) or measured over expected (vibration), newest values.

    Unknown where too little of the last hours was seen to know how warm the machine should be.
    """
    if not minutes or not now:
        return {}
    # The newest moment is a last, shorter minute behind the others.
    joined = {
        key: np.append(minutes.get(key, np.full(1, np.nan)), now.get(key, math.nan))
        for key in {*minutes, *now}
        if len(minutes.get(key, ())) == len(next(iter(minutes.values())))
    }
    series = indicators(template.key, nameplate, joined)
    wanted = round(_MEMORY_S / model.step_s)
    current = series.get("current_ratio", np.full(1, np.nan))[-wanted:]
    covered = len(current) >= wanted * 0.9 and bool(np.isfinite(current).mean() > _COVERED)
    # How it cools without its fan for hours and warms up again is not learnt from a machine that never stood so long.
    covered &= turned_share(series, model.step_s) >= model.usual.get("turned_share_least", 0.0) - _STOOD_LONGER
    values: dict[str, float] = {}
    lags: dict[str, Array] = {}
    for expected in model.expected:
        if expected.signal not in series:
            continue
        try:
            inputs = features(expected.names, series, model.step_s, lags)
        except KeyError:
            continue
        predicted = expected.expect(inputs)
        slow = template.signal(expected.signal).response == "slow"
        if slow:
            tail = round(_SLOW_S / model.step_s)
            residual = (series[expected.signal] - predicted)[-tail:]
            known = residual[np.isfinite(residual)]
            name = f"residual_{expected.signal}"
            values[name] = median(known) if covered and len(known) >= 3 else math.nan
        else:
            value = series[expected.signal][-1] / predicted[-1] if predicted[-1] > 0.05 else math.nan
            values[expected.signal.replace("velocity", "ratio")] = float(value) if runs else math.nan
    return values | _combined(values)


def _combined(values: Mapping[str, float]) -> dict[str, float]:
    """Indicators that compare residuals with one another."""
    de = values.get("residual_bearing_temperature_de", math.nan)
    nde = values.get("residual_bearing_temperature_nde", math.nan)
    winding = values.get("residual_winding_temperature", math.nan)
    ratio_de, ratio_nde = values.get("vibration_ratio_de", math.nan), values.get("vibration_ratio_nde", math.nan)
    combined = {
        "residual_bearing_least": min(de, nde) if not math.isnan(de + nde) else math.nan,
        "residual_bearing_greatest": max(de, nde) if not math.isnan(de + nde) else math.nan,
        "residual_bearing_difference": de - nde,
        "vibration_ratio_least": min(ratio_de, ratio_nde) if not math.isnan(ratio_de + ratio_nde) else math.nan,
        "vibration_side": math.log(ratio_de / ratio_nde) if ratio_de > 0 and ratio_nde > 0 else math.nan,
        "lone_residual": math.nan,
    }
    if not math.isnan(de + nde + winding):
        # One of three temperatures off while the two others, heated by the same losses, are not; a bearing
        # that also shakes is a bearing.
        residuals = {"winding": winding, "de": de, "nde": nde}
        name = max(residuals, key=lambda key: abs(residuals[key]))
        others = max(abs(value) for key, value in residuals.items() if key != name)
        shaking = {"de": ratio_de, "nde": ratio_nde}.get(name, 1.0)
        lone = abs(residuals[name]) - 3 * others
        combined["lone_residual"] = 0.0 if shaking > 1.25 else max(0.0, lone)
    return combined


def _stuck(
    model: BehaviourModel | None, recent: Mapping[str, Array], minutes: Mapping[str, Array], numeric: Sequence[str]
) -> list[str]:
    """Signals that say one value, and have for longer than their sensor ever did while it was learnt."""
    stuck = stuck_signals(recent, numeric)
    if model is not None:
        stuck = [key for key in stuck if outlasts(minutes.get(key), model.constant_minutes(key), model.step_s)]
    if stuck:
        return stuck
    # A plant that sends once a minute shows a stuck sensor in its minutes.
    stuck = stuck_signals({key: minutes[key][-_STUCK_MINUTES:] for key in numeric if key in minutes}, numeric)
    if model is not None:
        stuck = [key for key in stuck if outlasts(minutes.get(key), model.repeated_minutes(key), model.step_s)]
    return stuck


def _sensor_indicators(
    stuck: list[str],
    dropped: list[str],
    bad_share: Mapping[str, float],
    spiked: Mapping[str, int],
) -> dict[str, float]:
    return {
        "stuck_signals": float(len(stuck)),
        "dropout_share": max(bad_share.values(), default=0.0),
        "spikes": float(max(spiked.values(), default=0)),
        "dropped_signals": float(len(dropped)),
    }


def _odd_phase(now: Mapping[str, float], nameplate: Nameplate) -> float:
    """Current of the phase that is farthest from the mean, less the mean [% of rated, or of the mean if greater]."""
    currents = np.array([now.get(f"current_{phase}", math.nan) for phase in "uvw"])
    if not np.isfinite(currents).all():
        return math.nan
    apart = currents - currents.mean()
    farthest = apart[np.argmax(np.abs(apart))]
    return float(100 * farthest / max(float(currents.mean()), float(nameplate["rated_current"])))


def _thermal(minutes: Mapping[str, Array], nameplate: Nameplate, current: float) -> dict[str, float]:
    """Thermal capacity used [%], and minutes to trip at this load and until a start is allowed; finite ones alone."""
    phases = [minutes[key] for key in ("current_u", "current_v", "current_w") if len(minutes.get(key, ()))]
    if len(phases) < 3:
        return {}
    ratios = (phases[0] + phases[1] + phases[2]) / 3 / float(nameplate["rated_current"])
    capacity = float(thermal_capacity(ratios, 60.0)[-1])
    if math.isnan(current):
        return {"thermal_capacity": capacity}
    trip_s, restart_s = thermal_outlook(
        capacity, current, float(nameplate["locked_rotor_ratio"]), float(nameplate["stall_time"])
    )
    outlook = {"minutes_to_trip": trip_s / 60, "minutes_until_restart": restart_s / 60}
    return {"thermal_capacity": capacity} | {key: value for key, value in outlook.items() if math.isfinite(value)}


def _seen(
    recent: Mapping[str, Array], minutes: Mapping[str, Array], numeric: Sequence[str], dropped: Sequence[str]
) -> frozenset[str]:
    """Series with enough values to tell a stuck sensor, and signals whose device says that they are bad."""
    newest = {f"{key} seconds": recent[key] for key in numeric if key in recent}
    newest |= {f"{key} minutes": minutes[key][-_STUCK_MINUTES:] for key in numeric if key in minutes}
    enough = {name for name, values in newest.items() if np.isfinite(values).sum() >= STUCK_SAMPLES}
    return frozenset(enough | {f"{key} seconds" for key in dropped})


def _current_unbalances(found: Mapping[str, float], usual: Mapping[str, float]) -> dict[str, float]:
    """Rise of the current unbalance beyond what the supply explains, or short of it [%]; nothing without either."""
    current = found.get("current_unbalance", math.nan) - usual.get("current_unbalance", 0.0)
    voltage = found.get("voltage_unbalance", math.nan) - usual.get("voltage_unbalance", 0.0)
    if math.isnan(current + voltage):
        return {}
    return {
        "current_unbalance_excess": max(0.0, current - 10 * max(0.0, voltage)),
        "current_unbalance_shortfall": max(0.0, 6 * voltage - current) if voltage > 0 else 0.0,
    }


def _starts(model: BehaviourModel, minutes: Mapping[str, Array], nameplate: Nameplate) -> dict[str, float]:
    if not all(key in minutes for key in ("current_u", "current_v", "current_w")):
        return {}
    mean = (minutes["current_u"] + minutes["current_v"] + minutes["current_w"]) / 3 / float(nameplate["rated_current"])
    hour = mean[-round(3600 / model.step_s) :]
    excess = max(0.0, count_starts(hour) - model.usual.get("starts_per_hour", 0.0))
    # A gap may hide a start: what is counted beside it is the least.
    return {"starts_per_hour_excess": math.nan if excess == 0 and np.isnan(hour).any() else excess}


def _scatter(seconds: Mapping[str, Array], settled: NDArray[np.bool_] | None, runs: bool) -> float:
    """How far vibration wanders in the newest readings over its mean, the calmer end; NaN with too few of either end.

    Of means over some seconds: what is left there is a machine that rocks, not the noise of its sensor. One step is not
    counted, or whatever shakes suddenly would seem to rock for its first minute.
    """
    spreads = []
    for key in ("vibration_velocity_de", "vibration_velocity_nde"):
        values = seconds.get(key)
        if values is None or not runs:
            return math.nan
        usable = np.isfinite(values)
        if settled is not None and len(settled) == len(values):
            usable &= settled
        known = values[-_SCATTER_S:][usable[-_SCATTER_S:]]
        blocks = len(known) // _SCATTER_BLOCK_S
        if blocks < _SCATTER_BLOCKS:
            return math.nan
        newest = known[-blocks * _SCATTER_BLOCK_S :]
        means = _without_step(newest).reshape(blocks, _SCATTER_BLOCK_S).mean(axis=1)
        spreads.append(float(np.std(means) / max(float(np.mean(newest)), 0.1)))
    return min(spreads)


def _without_step(values: Array) -> Array:
    """Values (n,) less their mean, or less those before and after a cut that explains nearly all of their variance."""
    before = np.arange(1, len(values))
    apart: Array = values - values.mean()
    sums = np.cumsum(apart)[:-1]
    explained = sums**2 / before + sums**2 / (len(values) - before)
    cut = int(np.argmax(explained)) + 1
    if explained[cut - 1] < _STEP_SHARE * float(np.sum(apart**2)):
        return apart
    apart[:cut] -= apart[:cut].mean()
    apart[cut:] -= apart[cut:].mean()
    return apart


def _settled(seconds: Mapping[str, Array], nameplate: Nameplate) -> NDArray[np.bool_] | None:
    """Which of the newest seconds belong to how the machine is now: running past its start, or standing.

    Averages over a start or a stop mean nothing. None where the currents are not known, no second while it starts.
    """
    phases = [seconds[key] for key in ("current_u", "current_v", "current_w") if key in seconds]
    if len(phases) < 3:
        return None
    ratio = (phases[0] + phases[1] + phases[2]) / 3 / float(nameplate["rated_current"])
    known = np.isfinite(ratio)
    if not known.any():
        return None
    if surging(ratio[known][-1:]).any():
        return np.zeros(len(ratio), bool)  # while it starts, or is held, nothing else can be said of it
    turns = ratio > TURNING
    now = bool(turns[known][-1])
    other = np.flatnonzero(known & (turns != now))
    settled = ~surging(ratio)
    if len(other):
        settled[: other[-1] + 1 + (START_ENDS_S if now else 0)] = False
    # A start that has only just happened leaves nothing to average: then the newest second must do.
    settled[-1] = True
    return settled


def _tail_median(values: Array, samples: int, settled: NDArray[np.bool_] | None) -> float:
    chosen = values[-samples:]
    usable = np.isfinite(chosen)
    if settled is not None and len(settled) == len(values):
        usable &= settled[-samples:]
        if not usable.any() and settled.any():
            usable = np.isfinite(chosen)
    # The median turns over at once when a step is half way through, where a mean would pass through
    # states that never were.
    return median(chosen[usable]) if usable.any() else math.nan
