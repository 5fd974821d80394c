"""Which failure modes a machine's sensors can show, and why not the others: "cannot tell" as an answer of its own.

A mode can be told where its whole picture, as far as it is measured, would open a finding against the modes it
competes with (ISO 13379-1: detectability, in the analysis of failure modes and their symptoms). Pure: what is measured
and known goes in, answers with their texts come out.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Literal

from analytics.behaviour import feature_source
from analytics.case import OPEN_AT
from analytics.indicators import rotor_sidebands
from plant import Fault, Nameplate, Symptom, Template, fault_library

Because = Literal["not_measured", "lost", "standing", "history", "learning"]
Alternatives = tuple[frozenset[str], ...]

_CURRENTS = ("current_u", "current_v", "current_w")
_VOLTAGES = ("voltage_uv", "voltage_vw", "voltage_wu")
# What an indicator is computed from: one of the rows, each of signals or other indicators. Those that are judged
# while the motor runs need its currents, which say whether it does. What is not here is a signal itself, or comes
# from the template's expectations; tests hold this table against the code that computes.
_COMPUTED_FROM: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "current_ratio": (_CURRENTS,),
    "copper": (_CURRENTS,),
    "turning": (_CURRENTS,),
    "current_unbalance": (_CURRENTS,),
    "phase_current_ratio": (_CURRENTS,),
    "starts_per_hour_excess": (_CURRENTS,),
    "current_odd_phase": (_CURRENTS,),
    "stalled_s": (_CURRENTS,),
    "voltage_ratio": (_VOLTAGES,),
    "voltage_unbalance": ((*_VOLTAGES, *_CURRENTS),),
    "current_unbalance_excess": (("current_unbalance", "voltage_unbalance"),),
    "current_unbalance_shortfall": (("current_unbalance", "voltage_unbalance"),),
    "load": (("power", *_CURRENTS), (*_VOLTAGES, *_CURRENTS, "power_factor")),
    "speed_ratio": (("speed", *_CURRENTS),),
    "speed_squared": (("speed",),),
    "residual_bearing_least": (("residual_bearing_temperature_de", "residual_bearing_temperature_nde"),),
    "residual_bearing_greatest": (("residual_bearing_least",),),
    "residual_bearing_difference": (("residual_bearing_least",),),
    "lone_residual": (("residual_bearing_least", "residual_winding_temperature"),),
    "vibration_ratio_least": (("vibration_ratio_de", "vibration_ratio_nde"),),
    "vibration_side": (("vibration_ratio_least",),),
    "vibration_scatter": (("vibration_velocity_de", "vibration_velocity_nde", *_CURRENTS),),
    "power_mismatch": (("power", *_VOLTAGES, *_CURRENTS),),
    "sideband_depth": (("current_waveform",),),
    # Of whatever signals there are.
    **dict.fromkeys(("stuck_signals", "dropout_share", "dropped_signals", "spikes", "departure"), ((),)),
}
# Measurements that no signal of a template gives.
_MEASUREMENTS = {"current_waveform": ("current waveform", "电流波形")}

_WHY: Mapping[Because, tuple[str, str]] = {
    "not_measured": ("this is not measured: {missing}", "未测量{missing}"),
    "lost": ("nothing believable comes now from: {missing}", "{missing}目前无可信数据"),
    "standing": ("the machine does not run", "设备未运行"),
    "history": ("too little of its last hours was seen", "最近数小时的数据不足"),
    "learning": ("it is still being learnt what is normal", "正在学习正常状态"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a failure mode can be told of a machine.

    because: None where it can; missing: signals, or measurements that no signal gives, that would be enough
    why: because, in words; text: the whole sentence; settled_by: what would settle it
    """

    failure_mode: str
    because: Because | None
    missing: tuple[str, ...] = ()
    why_en: str = ""
    why_zh: str = ""
    text_en: str = ""
    text_zh: str = ""
    settled_by_en: str = ""
    settled_by_zh: str = ""


def signals_of(template: Template, indicator: str) -> Alternatives:
    """The sets of signals, or other measurements, that an indicator can be computed from."""
    computed = {**_COMPUTED_FROM, **_expected_from(template)}

    def resolved(name: str) -> Alternatives:
        if name not in computed:
            return (frozenset((name,)),)
        return tuple(
            frozenset().union(*parts) for row in computed[name] for parts in product(*(resolved(part) for part in row))
        )

    return resolved(indicator)


def detectability(template: Template, nameplate: Nameplate, measured: Collection[str]) -> list[Answer]:
    """What a set of signals can show: an answer for each failure mode of the template."""
    modes = _modes(template)
    known = {
        indicator
        for indicator in _indicators(modes)
        if measured and any(needed <= set(measured) for needed in signals_of(template, indicator))
    }
    return [_answer(template, nameplate, fault, modes, known, measured, "not_measured") for fault in modes]


def detectability_now(
    template: Template,
    nameplate: Nameplate,
    measured: Collection[str],
    found: Mapping[str, float],
    suspects: Collection[str] = (),
    *,
    running: bool,
    learning: bool = False,
) -> list[Answer]:
    """What can be told at this moment: as :func:`detectability`, and less where inputs are unknown.

    found: indicators and signals of now; NaN or absent means not known
    suspects: signals whose sensor is not believed
    """
    modes = _modes(template)
    known = {key for key, value in found.items() if not math.isnan(value)}
    have = known - set(suspects)
    answers = []
    for answer, fault in zip(detectability(template, nameplate, measured), modes, strict=True):
        if answer.because is not None or fault.kind in ("sensor", "departure"):
            answers.append(answer)
        elif learning:
            answers.append(_worded(template, nameplate, fault, "learning", ()))
        else:
            otherwise: Because = "history" if running else "standing"
            answers.append(_answer(template, nameplate, fault, modes, known, have, "lost", otherwise))
    return answers


def _answer(
    template: Template,
    nameplate: Nameplate,
    fault: Fault,
    modes: Sequence[Fault],
    known: Collection[str],
    have: Collection[str],
    because: Because,
    otherwise: Because | None = None,
) -> Answer:
    """because: why a mode cannot be told where signals are missing; otherwise: where none is."""
    rivals = [other for other in modes if other is not fault and (other.kind == "sensor") == (fault.kind == "sensor")]
    if _best_case(fault, rivals, known) >= OPEN_AT:
        return Answer(fault.key, None)
    missing = _missing(template, fault, rivals, known, have)
    return _worded(template, nameplate, fault, because if missing or otherwise is None else otherwise, missing)


def _best_case(fault: Fault, rivals: Iterable[Fault], known: Collection[str]) -> float:
    """Probability of a mode whose whole picture shows, as far as it is known, and nothing else does."""
    shown = {symptom.indicator: _picture(symptom) for symptom in fault.symptoms if symptom.indicator in known}

    def odds(other: Fault) -> float:
        return math.log(other.prior / (1 - other.prior)) + sum(
            symptom.weight(shown[symptom.indicator]) if symptom.indicator in shown else -symptom.denial
            for symptom in other.symptoms
            if symptom.indicator in known
        )

    mine = math.exp(odds(fault))
    return mine / (1 + mine + sum(math.exp(odds(rival)) for rival in rivals))


def _picture(symptom: Symptom) -> float:
    return symptom.at if symptom.support > 0 else symptom.clear


def _missing(
    template: Template, fault: Fault, rivals: Sequence[Fault], known: Collection[str], have: Collection[str]
) -> tuple[str, ...]:
    """The fewest signals that would be enough, in the template's order; empty where no signal is missing."""
    unknown = [symptom.indicator for symptom in fault.symptoms if symptom.indicator not in known]
    sources = {indicator: signals_of(template, indicator) for indicator in unknown}
    best: frozenset[str] | None = None
    for size in range(1, len(unknown) + 1):
        for chosen in combinations(unknown, size):
            if _best_case(fault, rivals, {*known, *chosen}) < OPEN_AT:
                continue
            for needed in product(*(sources[indicator] for indicator in chosen)):
                lacking = frozenset().union(*needed) - set(have)
                if best is None or len(lacking) < len(best):
                    best = lacking
    order = [signal.key for signal in template.signals]
    return tuple(sorted(best or (), key=lambda key: (order.index(key) if key in order else len(order), key)))


def _worded(
    template: Template, nameplate: Nameplate, fault: Fault, because: Because, missing: tuple[str, ...]
) -> Answer:
    names = {key: (key, key) for key in missing} | _MEASUREMENTS
    names |= {signal.key: (signal.name_en, signal.name_zh) for signal in template.signals}
    english, chinese = _WHY[because]
    english = english.format(missing=", ".join(names[key][0] for key in missing) or "any signal")
    chinese = chinese.format(missing="、".join(names[key][1] for key in missing) or "任何信号")
    settled_en, settled_zh = fault.settled_by_en or fault.first_check_en, fault.settled_by_zh or fault.first_check_zh
    if "current_waveform" in missing:
        more_en, more_zh = _sideband_text(nameplate)
        settled_en, settled_zh = settled_en + more_en, settled_zh + more_zh
    return Answer(
        fault.key,
        because,
        missing,
        english,
        chinese,
        f"Cannot tell {fault.name_en}, because {english}.",
        f"无法判断{fault.name_zh}：{chinese}。",
        settled_en,
        settled_zh,
    )


def _sideband_text(nameplate: Nameplate) -> tuple[str, str]:
    """Where to look in this motor's current at rated speed."""
    sidebands = rotor_sidebands(*(float(nameplate[key]) for key in ("rated_frequency", "poles", "rated_speed")))
    if sidebands is None:
        return "", ""
    low, high, window_s = sidebands
    return (
        f" At rated speed they lie at {low:.1f} and {high:.1f} Hz; record {window_s:.0f} s or more.",
        f"额定转速下边带位于{low:.1f}和{high:.1f} Hz，至少采集{window_s:.0f}秒。",
    )


def _modes(template: Template) -> list[Fault]:
    return [fault_library()[key] for key in template.failure_modes if key in fault_library()]


def _indicators(modes: Iterable[Fault]) -> set[str]:
    return {symptom.indicator for fault in modes for symptom in fault.symptoms}


def _expected_from(template: Template) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Indicators that compare a signal with its expectation, and what they are computed from."""
    rows: dict[str, tuple[tuple[str, ...], ...]] = {}
    for expectation in template.behaviour.expectations:
        slow = template.signal(expectation.signal).response == "slow"
        name = f"residual_{expectation.signal}" if slow else expectation.signal.replace("velocity", "ratio")
        rows[name] = ((expectation.signal, *_CURRENTS, *map(feature_source, expectation.features)),)
    return rows
