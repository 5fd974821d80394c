"""`brain bench peers`: motors that are worn from the first minute, in a simulated plant of sound ones.

Their own models learn them worn; only a comparison with machines of their type can tell. Simulator and comparison have
one author: the figures say how well the two fit, and nothing of how alike real motors are.
"""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from analytics.case import OPEN_AT
from analytics.peers import MODE, DayLevels, Standing, compare, day_levels, newest_levels, runs_in_pieces, verdict_of
from plant import template_library, to_microseconds
from simulators import WORN_MODES, PlantPlan, PlantSimulation, labelled_plan, worn_from_the_start

START = datetime(2026, 1, 5, tzinfo=UTC)
_TEMPLATE = "motor"


def bench_peers(machines: int, days: int, seed: int, share: float = 0.1) -> dict[str, Any]:
    """Simulate, compare once at the end, and count what stands out."""
    plan = worn_plan(machines, days, seed, share)
    worn = {fault.machine: fault.failure_mode for fault in plan.faults}
    modes: dict[str, list[bool]] = defaultdict(list)
    false, sound, apart = [], 0, 0
    for spec, standings in zip(plan.specs, standings_of(plan, days), strict=True):
        raised = bool(standings) and verdict_of(standings).probability >= OPEN_AT
        apart += not standings
        if spec.machine in worn:
            modes[worn[spec.machine]].append(raised)
        else:
            sound += 1
            if raised:
                false.append(standings[0].level.indicator)
    found = [raised for entries in modes.values() for raised in entries]
    return {
        "machines": machines,
        "days": days,
        "seed": seed,
        "failure_mode": MODE,
        "worn": len(found),
        "found_share": round(float(np.mean(found)), 4) if found else None,
        "sound": sound,
        "false_share": round(len(false) / sound, 4) if sound else None,
        "false_levels": sorted(false),
        "not_compared": apart,
        "modes": {mode: {"worn": len(entries), "found": sum(entries)} for mode, entries in sorted(modes.items())},
    }


def worn_plan(machines: int, days: int, seed: int, share: float) -> PlantPlan:
    """Sound motors, and a share that have been worn since before the first reading, each half as badly at least."""
    plan = labelled_plan(machines, seed, START, days, {}, share=0)
    random = np.random.default_rng([seed, 8])
    chosen = random.permutation(machines)[: round(machines * share)].tolist()
    faults = tuple(
        worn_from_the_start(
            plan.specs[row], WORN_MODES[number % len(WORN_MODES)], START, float(random.uniform(0.5, 1.0))
        )
        for number, row in enumerate(chosen)
    )
    return replace(plan, faults=faults)


def standings_of(plan: PlantPlan, days: int) -> list[list[Standing]]:
    """How each machine of a plan stands among its peers after so many days."""
    template = template_library()[_TEMPLATE]
    nameplates = [template.complete_nameplate(spec.nameplate) for spec in plan.specs]
    simulation = PlantSimulation(plan)
    seen: list[list[DayLevels]] = [[] for _ in plan.specs]
    for day in range(1, days + 1):
        samples = simulation.advance(to_microseconds(START + timedelta(days=day)), 60)
        hours = {key: values.reshape(24, 60, -1) for key, values in samples.signals.items()}
        averages = {key: values.mean(axis=1) for key, values in hours.items()}
        minima = {key: values.min(axis=1) for key, values in hours.items()}
        for row, nameplate in enumerate(nameplates):
            one = day_levels(template, nameplate, _of(averages, row), _of(minima, row))
            if runs_in_pieces(nameplate, one, _of(averages, row)):
                minutes = _of(samples.signals, row)
                one = day_levels(template, nameplate, minutes, minutes, 1 / 60)
            seen[row].append(one)
    return compare(template.peers, nameplates, [newest_levels(days_of, template.peers) for days_of in seen])


def _of(signals: dict[str, Any], row: int) -> dict[str, Any]:
    return {key: values[:, row] for key, values in signals.items()}
