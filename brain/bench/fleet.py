"""`brain bench fleet`: a simulated, labelled plant over weeks, judged by the product's own functions.

The simulator and the judge have one author: the figures say how well the two fit, and nothing of real motors. What the
simulator injected is used to count, and by nothing else.
"""

import multiprocessing
import os
import statistics
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
# The running judge looks every second. Here it looks now and then, and again so much later where something has come up.
_AGAIN_US = 5 * MICROSECONDS
# Looks after a sudden onset, and the seconds before and after it that are simulated.
_SOON_S = (12, 40, 150)
_AROUND_S = (120, 180)
_LIVE_S = 120
# A sensor does not fail further: so long its fault may go unnoticed here.
_SENSOR_H = 240.0

# key -> float64 (steps, machines), NaN where there is no value
Signals = Mapping[str, NDArray[np.float64]]


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


def typical_failure_h() -> dict[str, float]:
    """Failure mode -> hours from its first sign to failure, as the library has them."""
    return {
        key: _SENSOR_H if fault.kind == "sensor" else fault.failure_h
        for key, fault in fault_library().items()
        if fault.failure_h
    }


def bench_fleet(
    machines: int, days: float, seed: int, every_min: int = 60, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Simulate, judge every ``every_min`` minutes and three times shortly after each sudden onset, and count."""
    failure_h = typical_failure_h()
    plan = labelled_plan(machines, seed, START, days, failure_h)
    # Each process simulates all machines, which is cheap, and judges its share of them.
    workers = min(os.cpu_count() or 1, machines)
    shares = [range(first, machines, workers) for first in range(workers)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        judged = [pool.submit(judge_plan, plan, looks(plan, days, every_min), share) for share in shares]
        say(f"{machines} machines, {days:.0f} days, {len(plan.faults)} faults; this takes minutes")
        openings = sorted((entry for part in judged for entry in part.result()), key=lambda entry: entry.time)
    return count(plan, days, openings, failure_h) | {"machines": machines, "days": days, "seed": seed}


@dataclass(frozen=True, slots=True)
class Span:
    """Time that is simulated second by second, and the looks in it [us]; its ends are whole minutes."""

    start: int
    end: int
    looks: tuple[int, ...]


def judge_plan(plan: PlantPlan, spans: Sequence[Span], columns: Sequence[int]) -> list[Opening]:
    """What the judge of each of these machines opens, looking when told."""
    template = template_library()[_TEMPLATE]
    simulation = PlantSimulation(plan)
    watched = {column: _Watched(template.complete_nameplate(plan.specs[column].nameplate)) for column in columns}
    history = _History(len(plan.specs), template.behaviour.baseline_samples)
    failed_at = {fault.machine: to_microseconds(fault.onset) + failure_us(fault) for fault in plan.faults}
    openings: list[Opening] = []

    def look(live: Samples, believed: Signals, at: int, column: int) -> None:
        one, machine = watched[column], plan.specs[column].machine
        one.model = one.model or learn_machine(template, one.nameplate, history.baseline(column))
        if one.model is None or at > failed_at.get(machine, at):
            return  # a machine that has failed stands until the end
        end = int(np.searchsorted(live.times, at, "right"))
        newest = slice(max(0, end - _SECONDS), end)
        judgement = judge_machine(
            template,
            one.nameplate,
            one.model,
            fault_library(),
            history.minutes(column),
            {key: values[newest, column] for key, values in believed.items()},
            {key: float(np.mean(marks[newest, column] == Quality.BAD)) for key, marks in live.qualities.items()},
        )
        openings.extend(_follow(one.case, machine, at, judgement))

    for span in spans:
        history.add(simulation.advance(span.start, 60))
        live = simulation.advance(span.end, 1)
        believed = _believed(live)
        added = span.start
        for moment in span.looks:
            history.add_seconds(live.times, believed, added, moment)
            added += (moment - added) // _MINUTE_US * _MINUTE_US
            if not history.baseline_is_whole:
                continue
            for column in watched:
                look(live, believed, moment, column)
            for column in [column for column, one in watched.items() if one.case.undecided]:
                look(live, believed, moment + _AGAIN_US, column)
        history.add_seconds(live.times, believed, added, span.end)
    return openings


def looks(plan: PlantPlan, days: float, every_min: int) -> list[Span]:
    """When to look: every so often and after each sudden onset, at all machines alike, which gives nothing away."""
    start, end = to_microseconds(plan.now), to_microseconds(plan.now + timedelta(days=days))
    wanted = [
        Span(moment - _LIVE_S * MICROSECONDS, moment, (moment - _AGAIN_US,))
        for moment in range(start + every_min * _MINUTE_US, end + 1, every_min * _MINUTE_US)
    ]
    for fault in plan.faults:
        if fault.is_sudden:
            onset = to_microseconds(fault.onset)
            minute = onset // _MINUTE_US * _MINUTE_US
            before, after = (seconds * MICROSECONDS for seconds in _AROUND_S)
            soon = tuple(onset + seconds * MICROSECONDS for seconds in _SOON_S)
            wanted.append(Span(minute - before, minute + _MINUTE_US + after, soon))
    spans: list[Span] = []
    for span in sorted(wanted, key=lambda span: span.start):
        if spans and span.start <= spans[-1].end:
            last = spans[-1]
            spans[-1] = Span(last.start, max(last.end, span.end), tuple(sorted({*last.looks, *span.looks})))
        else:
            spans.append(span)
    return spans


def _follow(case: Case, machine: str, moment: int, judgement: Judgement) -> list[Opening]:
    """As the running service follows a case: the leading mode, held for a moment."""
    if judgement.risk is None:
        return []
    openings = []
    opening, closing = case.follow(moment, judgement.tops(), judgement.probabilities(fault_library()))
    for mode in opening:
        case.opened(mode, 0)
        ranking = [verdict.failure_mode for verdict in judgement.rivals_of(mode)]
        openings.append(Opening(moment, machine, mode, ranking))
    for mode in closing:
        case.closed(mode)
    return openings


class _History:
    """The minutes that the judge sees, and those that it learns from."""

    def __init__(self, machines: int, baseline_samples: int) -> None:
        self._machines = machines
        self._wanted = baseline_samples
        self._seen = 0
        self._parts: list[Signals] = []
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
        """Minutes as they come."""
        self._keep(_believed(samples), len(samples.times))

    def add_seconds(self, times: NDArray[np.int64], signals: Signals, since: int, until: int) -> None:
        """Whole minutes of seconds in (since, until] [us], averaged as the roll-up does."""
        count = int((until - since) // _MINUTE_US)
        if not count:
            return
        first = int(np.searchsorted(times, since, "right"))
        minutes = {}
        for key, values in signals.items():
            by_minute = values[first : first + 60 * count].reshape(count, 60, self._machines)
            known = np.isfinite(by_minute)
            with np.errstate(invalid="ignore"):
                minutes[key] = np.where(known, by_minute, 0.0).sum(axis=1) / known.sum(axis=1)
        self._keep(minutes, count)

    def _keep(self, values: Signals, count: int) -> None:
        if self._seen < self._wanted:
            self._parts.append(values)
        self._seen += count
        for key, column in values.items():
            known = self._recent.get(key)
            joined = column if known is None else np.concatenate([known, column])
            self._recent[key] = joined[-_HISTORY:]


def _believed(samples: Samples) -> Signals:
    """What a device called bad is no value."""
    return {
        key: np.where(samples.qualities[key] == Quality.BAD, np.nan, column) if key in samples.qualities else column
        for key, column in samples.signals.items()
    }


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
