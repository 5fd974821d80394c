"""Part of `brain bench fleet`: is "cannot tell" said where sensors are missing, and of nothing that is found?

Every machine of a small labelled plant is judged by all of its sensors, and again as if some had never been bought. A
fault is hidden where all sensors find it and the fewer do not. What was injected is used to count, and by nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics import detectability
from analytics.behaviour import learn_machine
from analytics.case import Case
from analytics.condition import judge_machine
from plant import MICROSECONDS, Nameplate, fault_library, template_library, to_microseconds
from simulators import PlantSimulation, labelled_plan

# What a kind of sensor that is not there takes away.
MISSING = {"vibration": ("vibration",), "voltage": ("voltage",), "temperature": ("temperature",)}
_START = datetime(2026, 1, 5, tzinfo=UTC)
_MACHINES = 60
_DAYS = 7.0
_GROWN_H = 24.0  # all faults are whole before the last looks
_LOOKS = 6
_APART_H = 1
_LIVE_S = 120
_SECONDS = 75
_HISTORY = 360
_HELD_US = 5 * MICROSECONDS

Series = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A faulty machine under one set of sensors: what was named, and of what it was said that nobody can tell."""

    fault: str
    named: frozenset[str]
    untold: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Look:
    time: int
    minutes: dict[str, NDArray[np.float64]]
    seconds: dict[str, NDArray[np.float64]]


def bench_cannot_tell(
    seed: int, say: Callable[[str], None] = lambda _: None, machines: int = _MACHINES
) -> dict[str, Any]:
    """Simulate, judge each machine under each set of sensors, and count."""
    template = template_library()["motor"]
    modes = {fault.key: _GROWN_H for fault in fault_library().values() if fault.kind in ("machine", "supply")}
    plan = labelled_plan(machines, seed, _START, _DAYS, modes, 1.0)
    baseline, looks = _record(PlantSimulation(plan), template.behaviour.baseline_samples)
    columns = {spec.machine: column for column, spec in enumerate(plan.specs)}
    say(f"cannot tell: {len(plan.faults)} faulty machines under {len(MISSING) + 1} sets of sensors")
    judged: dict[str, list[Judged]] = {"all": [], **{name: [] for name in MISSING}}
    for fault in plan.faults:
        column = columns[fault.machine]
        nameplate = template.complete_nameplate(plan.specs[column].nameplate)
        for name, rows in judged.items():
            keys = [key for key in baseline if not any(part in key for part in MISSING.get(name, ()))]
            rows.append(_judge(fault.failure_mode, nameplate, baseline, looks, keys, column))
    return {"machines": machines, "seed": seed, **count(judged)}


def _record(simulation: PlantSimulation, baseline_samples: int) -> tuple[dict[str, NDArray[np.float64]], list[_Look]]:
    """The minutes to learn from, and what is seen at each look."""
    end = to_microseconds(_START + timedelta(days=_DAYS))
    recorded: dict[str, NDArray[np.float64]] = {}
    looks = []
    for number in reversed(range(_LOOKS)):
        time = end - number * _APART_H * 3600 * MICROSECONDS
        minutes = simulation.advance(time - _LIVE_S * MICROSECONDS, 60).signals
        seconds = simulation.advance(time, 1).signals
        for key, values in minutes.items():
            live = seconds[key].reshape(_LIVE_S // 60, 60, -1).mean(axis=1)
            recorded[key] = np.concatenate([part for part in (recorded.get(key), values, live) if part is not None])
        recent = {key: values[-_HISTORY:] for key, values in recorded.items()}
        looks.append(_Look(time, recent, {key: values[-_SECONDS:] for key, values in seconds.items()}))
    return {key: values[:baseline_samples] for key, values in recorded.items()}, looks


def _judge(
    fault: str, nameplate: Nameplate, baseline: Series, looks: Sequence[_Look], keys: Sequence[str], column: int
) -> Judged:
    template = template_library()["motor"]
    model = learn_machine(template, nameplate, {key: baseline[key][:, column] for key in keys})
    case, named = Case(), set()
    for look in looks:
        judgement = judge_machine(
            template,
            nameplate,
            model,
            fault_library(),
            {key: look.minutes[key][:, column] for key in keys},
            {key: look.seconds[key][:, column] for key in keys},
        )
        for time in (look.time, look.time + _HELD_US):
            opening, _ = case.follow(time, judgement.tops(), judgement.probabilities(fault_library()))
            for mode in opening:
                case.opened(mode, 0)
                if fault_library()[mode].kind != "sensor":
                    named.add(mode)
    untold = {answer.failure_mode for answer in detectability(template, nameplate, keys) if answer.because is not None}
    return Judged(fault, frozenset(named), frozenset(untold))


def count(judged: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """What became of the faults that fewer sensors hide; judged: by what is missing, in one order of machines.

    answered: cannot tell was said, and nothing else named; wrongly_named: another mode, which all sensors do not name;
    silent: neither. said_of_found: modes of which it was said, and which were found all the same.
    """
    parts = {name: _part(judged["all"], rows) for name, rows in judged.items() if name != "all"}
    whole = {
        key: sum(part[key] for part in parts.values())
        for key in ("found", "hidden", "answered", "wrongly_named", "silent", "said", "said_of_found")
    }
    everything = {
        "faults": len(judged["all"]),
        "found_by_all_sensors": sum(row.fault in row.named for row in judged["all"]),
    }
    return {**everything, **_with_shares(whole), "missing": {name: _with_shares(part) for name, part in parts.items()}}


def _part(every: Sequence[Judged], fewer: Sequence[Judged]) -> dict[str, int]:
    found = hidden = answered = wrong = silent = 0
    for whole, row in zip(every, fewer, strict=True):
        if row.fault not in whole.named:
            continue
        if row.fault in row.named:
            found += 1
            continue
        hidden += 1
        if row.named - whole.named:
            wrong += 1
        elif row.fault in row.untold:
            answered += 1
        else:
            silent += 1
    return {
        "found": found,
        "hidden": hidden,
        "answered": answered,
        "wrongly_named": wrong,
        "silent": silent,
        "said": sum(len(row.untold) for row in fewer),
        "said_of_found": sum(len(row.untold & row.named) for row in fewer),
    }


def _with_shares(counts: Mapping[str, int]) -> dict[str, Any]:
    hidden, said = counts["hidden"], counts["said"]
    return {
        **counts,
        "answered_share": round(counts["answered"] / hidden, 4) if hidden else None,
        "said_of_found_share": round(counts["said_of_found"] / said, 4) if said else None,
    }
