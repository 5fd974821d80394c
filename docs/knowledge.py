"""The tables of docs/*.md that say what the product knows: signals, limits, failure modes, worked examples."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from analytics import DEFINITIONS, case
from analytics.condition import SEVERITY_WEIGHT, health_and_risk
from analytics.diagnosis import diagnose
from analytics.indicators import derating, indicators
from analytics.kpi import evaluate
from historian import KpiSums
from plant import fault_library, template_library, unit, work_steps
from plant import work_states as states_of_work


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([str(cell).replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def failure_modes() -> str:
    """The fault library."""
    return table(
        (
            "key",
            "name",
            "中文",
            "of",
            "first sign to failure",
            "act within",
            "what is seen of it",
            "speaks against it",
            "first check",
        ),
        (
            (
                f"`{fault.key}`",
                fault.name_en,
                fault.name_zh,
                fault.kind,
                f"{fault.failure_h:g} h",
                f"{fault.response_h:g} h",
                "; ".join(symptom.text_en for symptom in fault.symptoms if symptom.support > 0),
                "; ".join(symptom.text_en for symptom in fault.symptoms if symptom.support < 0),
                fault.first_check_en,
            )
            for fault in fault_library().values()
        ),
    )


def limits() -> str:
    """The limits of every template, with their standards."""
    return table(
        ("template", "limit", "name", "severity", "after", "standard", "signed"),
        (
            (
                template.key,
                f"`{limit.key}`",
                f"{limit.name_en} {limit.name_zh}",
                limit.severity.value,
                f"{limit.delay_s:g} s",
                " ".join(filter(None, (limit.standard, limit.edition))),
                "yes" if limit.verified else "no",
            )
            for template in template_library().values()
            for limit in template.limits
        ),
    )


def signals() -> str:
    """The signals of every template."""
    return table(
        ("template", "signal", "unit", "name", "中文"),
        (
            (template.key, f"`{signal.key}`", unit(signal.unit).symbol or signal.unit, signal.name_en, signal.name_zh)
            for template in template_library().values()
            for signal in template.signals
        ),
    )


def unbalance() -> str:
    """Golden values of the voltage unbalances."""
    examples = [(480.0, 476.0, 472.0), (460.0, 467.0, 450.0), (400.0, 395.0, 388.0), (400.0, 380.0, 400.0)]
    rows = []
    for voltages in examples:
        found = indicators("motor", _nameplate(), _voltages(*voltages))
        nema = float(found["voltage_unbalance"])
        rows.append(
            (
                ", ".join(f"{voltage:g}" for voltage in voltages),
                f"{nema:.2f}",
                f"{float(found['voltage_unbalance_factor']):.2f}",
                f"{float(derating(np.array(nema))):.3f}",
            )
        )
    head = (
        "line voltages [V]",
        "`voltage_unbalance` [%]",
        "`voltage_unbalance_factor` [%]",
        "rated power allowed (NEMA)",
    )
    return table(head, rows)


def _nameplate() -> dict[str, float | str]:
    return template_library()["motor"].complete_nameplate({})


def _voltages(uv: float, vw: float, wu: float) -> dict[str, Any]:
    return {key: np.array(value) for key, value in (("voltage_uv", uv), ("voltage_vw", vw), ("voltage_wu", wu))}


def expectations() -> str:
    """What each template foretells, and from what."""
    return table(
        ("template", "signal", "while", "foretold from", "learnt from", "one every"),
        (
            (
                template.key,
                f"`{entry.signal}`",
                entry.when,
                ", ".join(f"`{name}`" for name in entry.features),
                f"{template.behaviour.minimum_samples:,} to {template.behaviour.baseline_samples:,} samples",
                f"{template.behaviour.sampling_s:g} s",
            )
            for template in template_library().values()
            for entry in template.behaviour.expectations
        ),
    )


EXAMPLE = {
    "residual_winding_temperature": 8.0,
    "residual_bearing_least": 3.5,
    "residual_bearing_greatest": 3.6,
    "residual_bearing_difference": 0.1,
    "vibration_ratio_de": 1.0,
    "vibration_ratio_nde": 1.0,
    "vibration_ratio_least": 1.0,
    "vibration_side": 0.0,
    "vibration_scatter": 0.05,
    "current_ratio": 0.8,
    "current_unbalance_excess": 0.0,
    "phase_current_ratio": 0.98,
    "voltage_unbalance": 0.5,
    "voltage_ratio": 1.0,
    "load": 0.8,
    "speed_ratio": 1.0,
    "starts_per_hour_excess": 0.0,
}
"""A motor with a blocked fan, for the worked diagnosis."""


def diagnosis() -> str:
    """The worked example: evidence of the leading mode, the modes that compete, and what follows."""
    modes = [fault_library()[key] for key in template_library()["motor"].failure_modes if key in fault_library()]
    verdicts = diagnose([fault for fault in modes if fault.kind != "sensor"], EXAMPLE)
    leader = fault_library()[verdicts[0].failure_mode]
    evidence = {entry.indicator: entry for entry in verdicts[0].evidence}
    rows = []
    for symptom in leader.symptoms:
        presence = symptom.presence(EXAMPLE[symptom.indicator])
        weight = evidence[symptom.indicator].weight if symptom.indicator in evidence else 0.0
        rows.append(
            (
                f"`{symptom.indicator}`",
                f"{EXAMPLE[symptom.indicator]:g} {unit(symptom.unit).symbol}",
                f"{symptom.clear:g} to {symptom.at:g}",
                f"{presence:.2f}",
                f"{weight:+.2f}",
            )
        )
    health, risk = health_and_risk(verdicts, [], fault_library())
    ranking = ", ".join(f"{fault_library()[v.failure_mode].name_en} {v.probability:.1%}" for v in verdicts[:3])
    return (
        f"Leading: {leader.name_en}, prior {leader.prior:g}.\n\n"
        + table(("symptom", "value", "clear to there", "presence", "log odds"), rows)
        + f"\nRanking: {ranking}. Health {health:.0f}, risk {risk:.2f}.\n"
    )


def findings() -> str:
    """When findings come and go."""
    return table(
        ("what", "value"),
        (
            ("opens at a probability of", f"{case.OPEN_AT:g}"),
            ("held for", f"{case._HELD_US / 1e6:g} s"),
            ("ends below", f"{case.CLOSE_BELOW:g}"),
            ("for", f"{case._GONE_US / 1e6:g} s"),
            ("or, where another mode leads, for", f"{case._REPLACED_US / 1e6:g} s"),
        ),
    )


def severities() -> str:
    """What a severity weighs."""
    return table(("severity", "weight"), ((severity.value, f"{w:g}") for severity, w in SEVERITY_WEIGHT.items()))


def kpis() -> str:
    """Every KPI that is computed."""
    return table(
        ("key", "name", "中文", "unit", "what it is", "formula", "standard"),
        (
            (
                f"`{entry.key}`",
                entry.name_en,
                entry.name_zh,
                entry.unit,
                entry.text_en,
                entry.text_formula,
                entry.standard,
            )
            for entry in DEFINITIONS
        ),
    )


def standstills() -> str:
    """From when on a standstill counts, by template and duty."""
    return table(
        ("template", "duty", "a standstill counts from"),
        (
            (template.key, "any" if rule.duty == "*" else rule.duty, f"{rule.standstill_s / 60:g} min")
            for template in template_library().values()
            for rule in template.operating
        ),
    )


def work_states() -> str:
    """The states of a work order, and where each leads."""
    return table(
        ("state", "name", "中文", "may become"),
        (
            (
                f"`{state.key}`",
                state.name_en,
                state.name_zh,
                ", ".join(
                    f"`{key}`" + ("" if step.role == "engineer" else f" (by an {step.role})")
                    for key, step in work_steps(state.key).items()
                ),
            )
            for state in states_of_work().values()
        ),
    )


def kpi_example() -> str:
    """The worked example, by the code."""
    hour = 3600.0
    first = KpiSums(
        machines=1, asked_s=24 * hour, running_s=20 * hour, maintenance_s=2 * hour, down_s=2 * hour, networked=1,
        planned_s=2 * hour, unplanned_s=2 * hour, failures=2, repair_s=2 * hour, downtime_cost=2 * 4000.0,
        corrective_cost=3 * 180.0 + 260.0, jobs_unplanned=1, replacement_value=80_000.0, operators=1,
        kwh=240.0, energy_s=20 * hour, rated_kwh=20 * 15.0,
    )  # fmt: skip
    second = KpiSums(
        machines=1, asked_s=24 * hour, running_s=12 * hour, off_line_s=12 * hour, networked=1, alarms=4,
        replacement_value=80_000.0, kwh=120.0, energy_s=12 * hour, rated_kwh=12 * 15.0,
    )  # fmt: skip
    values = [(definition, evaluate(definition, first + second, "CNY")) for definition in DEFINITIONS]
    return table(
        ("KPI", "value", "unit", "coverage"),
        (
            (
                definition.name_en,
                value.reason if value.value is None else f"{'at least ' if value.bound else ''}{value.value:.4g}",
                value.unit,
                f"{value.coverage:.0%}",
            )
            for definition, value in values
        ),
    )
