"""A verdict as it is stored and shown: the finding, its evidence, and what competes with it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from analytics.diagnosis import Verdict
from historian import Machine, NewFinding
from plant import Fault, to_datetime


def new_finding(
    machine: Machine,
    fault: Fault,
    verdict: Verdict,
    group: Sequence[Verdict],
    time: int,
    version: int | None,
    suspects: Sequence[str],
    onset: datetime | None = None,
) -> NewFinding:
    """The finding of a verdict; who must act by when follows from the fault's response time."""
    opened = to_datetime(time)
    return NewFinding(
        machine.tenant_id,
        machine.id,
        fault.key,
        verdict.probability,
        fault.severity,
        opened,
        onset,
        opened + timedelta(hours=fault.response_h),
        evidence_rows(verdict, suspects),
        ranking_rows(group),
        version,
    )


def evidence_rows(verdict: Verdict, suspects: Sequence[str] = ()) -> list[dict[str, Any]]:
    """A verdict's evidence as it is stored and shown: for it first, against it last."""
    rows: list[dict[str, Any]] = [
        {
            "indicator": entry.indicator,
            "value": round(entry.value, 4),
            "limit": entry.limit,
            "unit": entry.unit,
            "direction": "for" if entry.weight > 0 else "against",
            "weight": round(entry.weight, 2),
            "text_en": entry.text_en,
            "text_zh": entry.text_zh,
        }
        for entry in verdict.evidence
    ]
    if suspects:
        rows.insert(
            0,
            {
                "indicator": "signal",
                "value": None,
                "limit": None,
                "unit": "",
                "direction": "for",
                "weight": 0.0,
                "text_en": f"Not believed: {', '.join(suspects)}",
                "text_zh": f"不可信的信号：{'、'.join(suspects)}",
            },
        )
    return rows


def ranking_rows(group: Sequence[Verdict], least: float = 0.001, most: int = 5) -> list[dict[str, Any]]:
    """The failure modes that compete, most probable first."""
    return [
        {
            "failure_mode": verdict.failure_mode,
            "probability": round(verdict.probability, 4),
            "unknown": list(verdict.unknown),
        }
        for verdict in group[:most]
        if verdict.probability >= least
    ]
