"""From indicators to failure modes: every mode of the fault library gathers odds from its symptoms.

Naive Bayes in log odds (ISO 13379-1: from symptoms to a ranked diagnosis): prior odds, plus the support of
every symptom that is there, minus the denial of every one that is not. An indicator that is not known
changes nothing, and is named as what would settle the question.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from plant import Fault


@dataclass(frozen=True, slots=True)
class Evidence:
    """One symptom looked at: what was found, and how much it weighs for (above zero) or against the mode."""

    indicator: str
    value: float
    limit: float
    unit: str
    weight: float
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A failure mode and how probable it is, with the evidence for and against."""

    failure_mode: str
    probability: float
    evidence: tuple[Evidence, ...]
    unknown: tuple[str, ...] = field(default=())


def diagnose(faults: Iterable[Fault], found: Mapping[str, float]) -> list[Verdict]:
    """All failure modes that compete, most probable first; probabilities with "nothing is wrong" sum to 1.

    found: indicator -> value now; NaN or absent means not known
    """
    weighed = [(fault, *_weigh(fault, found)) for fault in faults]
    total = 1.0 + sum(math.exp(odds) for _, odds, _, _ in weighed)
    verdicts = [
        Verdict(fault.key, math.exp(odds) / total, tuple(evidence), tuple(unknown))
        for fault, odds, evidence, unknown in weighed
    ]
    return sorted(verdicts, key=lambda verdict: -verdict.probability)


def _weigh(fault: Fault, found: Mapping[str, float]) -> tuple[float, list[Evidence], list[str]]:
    odds = math.log(fault.prior / (1 - fault.prior))
    evidence: list[Evidence] = []
    unknown: list[str] = []
    for symptom in fault.symptoms:
        value = found.get(symptom.indicator, math.nan)
        if math.isnan(value):
            unknown.append(symptom.indicator)
            continue
        weight = symptom.weight(value)
        odds += weight
        if weight:
            evidence.append(
                Evidence(
                    symptom.indicator,
                    value,
                    symptom.at,
                    symptom.unit,
                    weight,
                    symptom.text_en,
                    symptom.text_zh,
                )
            )
    evidence.sort(key=lambda entry: -entry.weight)
    return odds, evidence, unknown
