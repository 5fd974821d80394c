"""All machines that have a departure model, grouped by the signals they are judged on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.departure import DepartureModel
from analytics.indicators import Array
from analytics.scorer import DepartureState, FleetScorer
from analytics.sensor_watch import FleetSensors, SensorState


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of one machine's samples.

    scores: float64 (n,), relative to the limit; departed: bool (n,)
    blind: bool (n,), where a signal has been missing for so long that it does not count
    smoothed: float64 (n, signals), moving averages of the standardized signals
    """

    scores: NDArray[np.float64]
    departed: NDArray[np.bool_]
    blind: NDArray[np.bool_]
    smoothed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Group:
    """Machines that share their signals: where each one is in the arrays."""

    rows: dict[int, int]
    sensors: FleetSensors
    scorer: FleetScorer


class DepartureFleet:
    """Scores machines by id, sensors first; those that share their signals are scored together."""

    def __init__(self) -> None:
        self._models: dict[int, DepartureModel] = {}
        self._groups: list[_Group] = []

    def put(self, models: Mapping[int, DepartureModel], states: Mapping[int, DepartureState]) -> None:
        """Take up machines with their models; the others go on where they are."""
        kept: dict[int, tuple[DepartureState, SensorState | None]] = {
            machine: (group.scorer.state(row), group.sensors.state(row))
            for group in self._groups
            for machine, row in group.rows.items()
            if machine not in models
        }
        kept |= {machine: (state, None) for machine, state in states.items()}
        self._models |= models
        shapes: dict[tuple[str, ...], list[int]] = {}
        for machine, model in self._models.items():
            shapes.setdefault(model.signals, []).append(machine)
        self._groups = []
        for machines in shapes.values():
            together = [self._models[machine] for machine in machines]
            rows = {machine: row for row, machine in enumerate(machines)}
            group = _Group(rows, FleetSensors(together), FleetScorer(together))
            for machine, row in rows.items():
                state, sensors = kept.get(machine, (None, None))
                if state is not None:
                    group.scorer.restore(row, state)
                if sensors is not None:
                    group.sensors.restore(row, sensors)
            self._groups.append(group)

    def state(self, machine: int) -> DepartureState:
        """What is carried of a machine."""
        group = self._group(machine)
        return group.scorer.state(group.rows[machine])

    def sensors(self, machine: int) -> tuple[dict[str, float], list[str]]:
        """What the diagnosis of a machine's sensors asks for, and the signals that are not believed."""
        group = self._group(machine)
        row = group.rows[machine]
        return group.sensors.indicators(row), group.sensors.suspects(row)

    def count(self, machine: int, bad: NDArray[np.int64], seen: NDArray[np.int64], samples: int) -> None:
        """Readings of a machine's newest samples by signal: how many were bad, and how many there were."""
        group = self._group(machine)
        group.sensors.count(group.rows[machine], bad, seen, samples)

    def follow(self, samples: Mapping[int, Array]) -> dict[int, Followed]:
        """Judge samples (n, signals) in order, as many as each machine has."""
        found: dict[int, Followed] = {}
        for group in self._groups:
            mine = {machine: values for machine, values in samples.items() if machine in group.rows}
            if mine:
                found |= _follow(group, mine)
        return found

    def _group(self, machine: int) -> _Group:
        return next(group for group in self._groups if machine in group.rows)


def _follow(group: _Group, samples: Mapping[int, Array]) -> dict[int, Followed]:
    machines = sorted(samples, key=lambda machine: -len(samples[machine]))
    lengths = np.array([len(samples[machine]) for machine in machines])
    rows = np.array([group.rows[machine] for machine in machines])
    steps, signals = int(lengths[0]), group.scorer.smoothed.shape[1]
    values = np.full((len(rows), steps, signals), np.nan)
    for number, machine in enumerate(machines):
        values[number, : lengths[number]] = samples[machine]
    scores, departed = np.zeros((len(rows), steps)), np.zeros((len(rows), steps), bool)
    blind = np.zeros((len(rows), steps), bool)
    smoothed = np.zeros((len(rows), steps, signals))
    for step in range(steps):
        some = int(np.sum(lengths > step))  # the longest come first
        believed = group.sensors.step(values[:some, step], rows[:some])
        scores[:some, step], departed[:some, step] = group.scorer.step(believed, rows[:some])
        blind[:some, step] = group.scorer.left_out(rows[:some])
        smoothed[:some, step] = group.scorer.smoothed[rows[:some]]
    found = {}
    for number, machine in enumerate(machines):
        end = lengths[number]
        found[machine] = Followed(
            scores[number, :end], departed[number, :end], blind[number, :end], smoothed[number, :end]
        )
    return found
