"""All machines that have a departure model, grouped by the signals they are judged on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.departure import DepartureModel
from analytics.indicators import Array
from analytics.scorer import DepartureState, FleetScorer


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of one machine's samples.

    scores: float64 (n,), relative to the limit; departed: bool (n,)
    smoothed: float64 (n, signals), moving averages of the standardized signals
    """

    scores: NDArray[np.float64]
    departed: NDArray[np.bool_]
    smoothed: NDArray[np.float64]


class DepartureFleet:
    """Scores machines by id; those that share their signals are scored together."""

    def __init__(self) -> None:
        self._models: dict[int, DepartureModel] = {}
        self._groups: list[tuple[dict[int, int], FleetScorer]] = []

    def put(self, models: Mapping[int, DepartureModel], states: Mapping[int, DepartureState]) -> None:
        """Take up machines with their models; the others go on where they are."""
        kept = {machine: scorer.state(row) for rows, scorer in self._groups for machine, row in rows.items()}
        kept = {machine: state for machine, state in kept.items() if machine not in models} | dict(states)
        self._models |= models
        shapes: dict[tuple[str, ...], list[int]] = {}
        for machine, model in self._models.items():
            shapes.setdefault(model.signals, []).append(machine)
        self._groups = []
        for machines in shapes.values():
            scorer = FleetScorer([self._models[machine] for machine in machines])
            rows = {machine: row for row, machine in enumerate(machines)}
            for machine, row in rows.items():
                if machine in kept:
                    scorer.restore(row, kept[machine])
            self._groups.append((rows, scorer))

    def state(self, machine: int) -> DepartureState:
        """What is carried of a machine."""
        return next(scorer.state(rows[machine]) for rows, scorer in self._groups if machine in rows)

    def follow(self, samples: Mapping[int, Array]) -> dict[int, Followed]:
        """Judge samples (n, signals) in order, as many as each machine has."""
        found = {}
        for places, scorer in self._groups:
            machines = sorted((id_ for id_ in samples if id_ in places), key=lambda id_: -len(samples[id_]))
            if not machines:
                continue
            lengths = np.array([len(samples[machine]) for machine in machines])
            rows = np.array([places[machine] for machine in machines])
            steps, signals = int(lengths[0]), scorer.smoothed.shape[1]
            values = np.full((len(rows), steps, signals), np.nan)
            for number, machine in enumerate(machines):
                values[number, : lengths[number]] = samples[machine]
            scores, departed = np.zeros((len(rows), steps)), np.zeros((len(rows), steps), bool)
            smoothed = np.zeros((len(rows), steps, signals))
            for step in range(steps):
                some = int(np.sum(lengths > step))  # the longest come first
                found_now = scorer.step(values[:some, step], rows[:some])
                scores[:some, step], departed[:some, step] = found_now
                smoothed[:some, step] = scorer.smoothed[rows[:some]]
            for number, machine in enumerate(machines):
                end = lengths[number]
                found[machine] = Followed(scores[number, :end], departed[number, :end], smoothed[number, :end])
        return found
