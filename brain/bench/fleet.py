"""`brain bench fleet`: a simulated, labelled plant over weeks, judged by the product's own functions.

The simulator and the judge have one author: the figures say how well the two fit, and nothing of real motors. What the
simulator injected is used to count, and by nothing else.
"""

import multiprocessing
import os
import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.behaviour import BehaviourModel, learn_machine
from analytics.case import Case
from analytics.condition import Judgement, judge_machine
from plant import MICROSECONDS, Quality, fault_library, template_library, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, Samples, labelled_plan

START = datetime(2026, 1, 5, tzinfo=UTC)
_TEMPLATE = "motor"
_MINUTE_US = 60 * MICROSECONDS
_MONTH_H = 730.5
_HISTORY = 360  # minutes that the judge sees
_SECONDS = 75
_LIVE_S = 120
# The running judge looks every second; two looks so far apart stand for a verdict that holds.
_HELD_US = 5 * MICROSECONDS
_SOON_US = 150 * MICROSECONDS
# A sensor does not fail further: so long its fault may go unnoticed here.
_SENSOR_H = 240.0
_APART_US = 2 * _LIVE_S * MICROSECONDS


@dataclass(slots=True)
class Opening:
    """A finding as it was opened: what it named, and the ranking then."""

    time: int
    machine: str
    failure_mode: str
    ranking: Sequence[str]


@dataclass(slots=True)
class _Watched:
    """One machine's judge."""

    nameplate: Mapping[str, Any]
    model: BehaviourModel | None = None
    case: Case = field(default_factory=Case)


def bench_fleet(
    machines: int, days: float, seed: int, every_min: int = 60, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Simulate, judge every ``every_min`` minutes and shortly after each sudden onset, and count."""
    failure_h = {
        key: _SENSOR_H if fault.kind == "sensor" else fault.failure_h
        for key, fault in fault_library().items()
        if fault.failure_h
    }
    plan = labelled_plan(machines, seed, START, days, failure_h)
    # Each process simulates all machines, which is cheap, and judges its share of them.
    workers = min(os.cpu_count() or 1, machines)
    shares = [range(first, machines, workers) for first in range(workers)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        judged = [pool.submit(_judge, plan, days, every_min, share) for share in shares]
        say(f"{machines} machines, {days:.0f} days, {len(plan.faults)} faults; this takes minutes")
        openings = sorted((entry for part in judged for entry in part.result()), key=lambda entry: entry.time)
    return count(plan, days, openings, failure_h) | {"machines": machines, "days": days, "seed": seed}


def _judge(plan: PlantPlan, days: float, every_min: int, columns: Sequence[int]) -> list[Opening]:
    template = template_library()[_TEMPLATE]
    simulation = PlantSimulation(plan)
    watched = {column: _Watched(template.complete_nameplate(plan.specs[column].nameplate)) for column in columns}
    history = _History(len(plan.specs), template.behaviour.baseline_samples)
    failed_at = {fault.machine: to_microseconds(fault.onset) + failure_us(fault) for fault in plan.faults}
    openings: list[Opening] = []
    for moment in _moments(plan, days, every_min):
        history.add(simulation.advance(moment - _LIVE_S * MICROSECONDS, 60))
        live = simulation.advance(moment, 1)
        history.add_seconds(live)
        if not history.baseline_is_whole:
            continue
        for column, one in watched.items():
            machine = plan.specs[column].machine
            one.model = one.model or learn_machine(template, one.nameplate, history.baseline(column))
            if one.model is None or moment > failed_at.get(machine, moment):
                continue  # a machine that has failed stands until the end
            judgement = judge_machine(
                template,
                one.nameplate,
                one.model,
                fault_library(),
                history.minutes(column),
                {key: values[-_SECONDS:, column] for key, values in live.signals.items()},
                _bad_share(live, column),
            )
            openings += _follow(one.case, machine, moment, judgement)
    return openings


def _moments(plan: PlantPlan, days: float, every_min: int) -> list[int]:
    """When to look [us]; for all machines alike, so that looking gives nothing away."""
    start, end = to_microseconds(plan.now), to_microseconds(plan.now + timedelta(days=days))
    soon = sorted(
        (to_microseconds(fault.onset) + _SOON_US) // _MINUTE_US * _MINUTE_US + _MINUTE_US for fault in plan.faults
    )
    moments: list[int] = []
    for moment in soon:
        # Two looks must not share their seconds.
        if not moments or moment - moments[-1] >= _APART_US:
            moments.append(moment)
    for moment in range(start + every_min * _MINUTE_US, end + 1, every_min * _MINUTE_US):
        place = bisect_left(moments, moment)
        near = moments[max(0, place - 1) : place + 1]
        if all(abs(moment - other) >= _APART_US for other in near):
            moments.insert(place, moment)
    return moments


def _follow(case: Case, machine: str, moment: int, judgement: Judgement) -> list[Opening]:
    """As the running service follows a case: the leading mode, held for a moment."""
    if judgement.risk is None:
        return []
    tops, probabilities = judgement.tops(), judgement.probabilities(fault_library())
    openings = []
    for time in (moment, moment + _HELD_US):
        opening, closing = case.follow(time, tops, probabilities)
        for mode in opening:
            case.opened(mode, 0)
            openings.append(
                Opening(time, machine, mode, [verdict.failure_mode for verdict in judgement.rivals_of(mode)])
            )
        for mode in closing:
            case.closed(mode)
    return openings


def _bad_share(live: Samples, column: int) -> dict[str, float]:
    return {
        key: float(np.mean(qualities[-_SECONDS:, column] == Quality.BAD)) for key, qualities in live.qualities.items()
    }


class _History:
    """The minutes that the judge sees, and those that it learns from."""

    def __init__(self, machines: int, baseline_samples: int) -> None:
        self._machines = machines
        self._wanted = baseline_samples
        self._seen = 0
        self._parts: list[dict[str, NDArray[np.float64]]] = []
        self._recent: dict[str, NDArray[np.float64]] = {}

    @property
    def baseline_is_whole(self) -> bool:
        return self._seen >= self._wanted

    def baseline(self, column: int) -> dict[str, NDArray[np.float64]]:
        """The first samples of one machine."""
        return {
            key: np.concatenate([part[key][:, column] for part in self._parts])[: self._wanted] for key in self._recent
        }

    def minutes(self, column: int) -> dict[str, NDArray[np.float64]]:
        """The last hours of one machine."""
        return {key: values[:, column] for key, values in self._recent.items()}

    def add(self, samples: Samples) -> None:
        """Minutes as they come; what a device called bad is no value."""
        values = {
            key: np.where(samples.qualities[key] == Quality.BAD, np.nan, column) if key in samples.qualities else column
            for key, column in samples.signals.items()
        }
        if self._seen < self._wanted:
            self._parts.append(values)
        self._seen += len(samples.times)
        for key, column in values.items():
            known = self._recent.get(key)
            joined = column if known is None else np.concatenate([known, column])
            self._recent[key] = joined[-_HISTORY:]

    def add_seconds(self, samples: Samples) -> None:
        """Whole minutes of seconds, averaged as the roll-up does."""
        count = len(samples.times) // 60
        shape = (count, 60, self._machines)
        minutes = {key: values[-count * 60 :].reshape(shape).mean(axis=1) for key, values in samples.signals.items()}
        self.add(Samples(samples.times[-count * 60 :: 60], minutes, {}))


def failure_us(fault: InjectedFault) -> int:
    """From onset to functional failure [us]."""
    assert fault.grows_h is not None
    return round(fault.grows_h * 3600 * MICROSECONDS)


def count(plan: PlantPlan, days: float, openings: Sequence[Opening], failure_h: Mapping[str, float]) -> dict[str, Any]:
    """Found, named, how early, and how often for nothing.

    A fault is found when a finding is opened on its machine between onset and functional failure. The ranking that
    counts is that of the first such finding. Lead is the time left until failure; what is not found has none. Findings
    at any other time are false; the exposure is the time of machines without a fault, from the end of learning on.
    """
    start, end = to_microseconds(plan.now), to_microseconds(plan.now + timedelta(days=days))
    behaviour = template_library()[_TEMPLATE].behaviour
    learnt = start + round(behaviour.baseline_samples * behaviour.sampling_s * MICROSECONDS)
    by_machine: dict[str, list[Opening]] = defaultdict(list)
    for opening in openings:
        by_machine[opening.machine].append(opening)
    faults = {fault.machine: fault for fault in plan.faults}
    modes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    false: dict[str, int] = defaultdict(int)
    exposure_us = 0
    for spec in plan.specs:
        fault = faults.get(spec.machine)
        onset = to_microseconds(fault.onset) if fault is not None else end
        exposure_us += onset - learnt
        for opening in by_machine[spec.machine]:
            if opening.time < onset:
                false[opening.failure_mode] += 1
        if fault is None:
            continue
        failure = onset + failure_us(fault)
        inside = [opening for opening in by_machine[spec.machine] if onset <= opening.time <= failure]
        first = inside[0] if inside else None
        lead_us = failure - first.time if first is not None else 0
        modes[fault.failure_mode].append(
            {
                "found": first is not None,
                "rank": first.ranking.index(fault.failure_mode) + 1
                if first is not None and fault.failure_mode in first.ranking
                else None,
                "lead_h": lead_us / 3600 / MICROSECONDS,
                "lead_share": lead_us / failure_us(fault),
                "named": first.failure_mode if first is not None else None,
            }
        )
    every = [entry for entries in modes.values() for entry in entries]
    months = exposure_us / MICROSECONDS / 3600 / _MONTH_H
    return {
        **_shares(every),
        "faults": len(every),
        "false_findings": sum(false.values()),
        "false_by_mode": dict(sorted(false.items(), key=lambda item: -item[1])),
        "machine_months": round(months, 1),
        "false_per_machine_month": round(sum(false.values()) / months, 4) if months > 0 else None,
        "modes": {
            mode: {
                **_shares(entries),
                "faults": len(entries),
                "failure_h": failure_h[mode],
                "named_first": sorted({str(entry["named"]) for entry in entries if entry["rank"] != 1}),
            }
            for mode, entries in modes.items()
        },
    }


def _shares(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not entries:
        return dict.fromkeys(
            ("found_share", "rank1_share", "rank3_share", "lead_share_median", "lead_h_median", "lead_h_p10")
        )
    leads = sorted(entry["lead_h"] for entry in entries)
    return {
        "found_share": _round(np.mean([entry["found"] for entry in entries])),
        "rank1_share": _round(np.mean([entry["rank"] == 1 for entry in entries])),
        "rank3_share": _round(np.mean([entry["rank"] is not None and entry["rank"] <= 3 for entry in entries])),
        "lead_share_median": _round(statistics.median(entry["lead_share"] for entry in entries)),
        "lead_h_median": round(statistics.median(leads), 1),
        "lead_h_p10": round(float(np.quantile(leads, 0.1)), 1),
    }


def _round(value: Any) -> float:
    return round(float(value), 4)
