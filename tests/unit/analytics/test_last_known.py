"""Health never rises, and risk never falls, because data vanish: what was found is held, and says since when."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.behaviour import BehaviourModel, learn_machine
from analytics.condition import Judgement, judge_machine
from analytics.last_known import LastKnown, held_since, judged_indicators, recalled
from plant import MICROSECONDS, Quality, fault_library, template_library, to_datetime, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, labelled_plan

MOTOR = template_library()["motor"]
FAULTS = fault_library()
WANTED = judged_indicators(MOTOR, FAULTS)
NUMERIC = [signal.key for signal in MOTOR.signals if signal.kind == "number"]
START = datetime(2026, 3, 2, tzinfo=UTC)
MODES = (
    "bearing_wear_de", "cooling_blocked", "voltage_unbalance", "overload", "phase_loss", "loose_foundation",
    "winding_insulation_ageing", "misalignment", "rotor_imbalance", "lubrication_lack", "undervoltage",
    "sensor_stuck", "sensor_drift", "sensor_dropout",
)  # fmt: skip
# Fewer samples of a noisy signal give another median: chance, in both directions.
CHANCE = 1.0
Series = dict[str, np.ndarray]


class Plant:
    """One motor a mode at some severity, with what its judge learnt and sees."""

    def __init__(self, strength: float) -> None:
        specs = labelled_plan(4, 77, START, 3, {}, 0.0).specs[:1] * len(MODES)
        specs = tuple(replace(spec, machine=f"M{number}") for number, spec in enumerate(specs))
        onset = START + timedelta(days=2, hours=2)
        signals = {"sensor_stuck": "vibration_velocity_de", "sensor_dropout": "bearing_temperature_de"}
        faults = tuple(
            InjectedFault(spec.site, spec.machine, mode, onset, signals.get(mode, "winding_temperature"), strength, 6.0)
            for spec, mode in zip(specs, MODES, strict=True)
        )
        simulation = PlantSimulation(PlantPlan(5, START, timedelta(0), specs, faults))
        self.time = to_microseconds(START + timedelta(days=2, hours=16))
        minutes = simulation.advance(self.time - 75 * MICROSECONDS, 60)
        seconds = simulation.advance(self.time, 1)
        self.nameplate = MOTOR.complete_nameplate(specs[0].nameplate)
        self.minutes: list[Series] = []
        self.seconds: list[Series] = []
        self.models: list[BehaviourModel | None] = []
        self.bad: list[dict[str, float]] = []
        for column in range(len(MODES)):
            series = {key: values[:, column] for key, values in minutes.signals.items()}
            baseline = {key: values[:2880] for key, values in series.items()}
            self.models.append(learn_machine(MOTOR, self.nameplate, baseline))
            self.minutes.append({key: values[-360:].copy() for key, values in series.items()})
            self.seconds.append({key: values[:, column].copy() for key, values in seconds.signals.items()})
            self.bad.append(
                {
                    key: float(np.mean(qualities[:, column] == Quality.BAD))
                    for key, qualities in seconds.qualities.items()
                }
            )

    def judge(self, column: int, minutes: Series, seconds: Series, bad: Mapping[str, float]) -> Judgement:
        return judge_machine(MOTOR, self.nameplate, self.models[column], FAULTS, minutes, seconds, bad)


@cache
def plant(strength: float) -> Plant:
    return Plant(strength)


def erased(series: Series, gone: set[str], share: float, seed: int) -> Series:
    """The series without some signals, and without a share of the samples of the others."""
    random = np.random.default_rng(seed)
    return {
        key: np.full_like(values, np.nan)
        if key in gone
        else np.where(random.random(len(values)) < share, np.nan, values)
        for key, values in series.items()
    }


def follow(strength: float, column: int, gone: set[str], share: float, seed: int) -> tuple[Judgement, Judgement, Any]:
    """Judged with all data, then a second later with less: both as they are shown, and what is known then."""
    one = plant(strength)
    bad = one.bad[column]
    whole = one.judge(column, one.minutes[column], one.seconds[column], bad)
    last = LastKnown().after(whole, WANTED, one.time, 1)
    less = one.judge(
        column,
        erased(one.minutes[column], gone, share / 3, seed),
        erased(one.seconds[column], gone, share, seed + 1),
        {key: part for key, part in bad.items() if key not in gone},
    )
    later = last.after(less, WANTED, one.time + MICROSECONDS, 1)
    return recalled(MOTOR, FAULTS, whole, last), recalled(MOTOR, FAULTS, less, later), later


COLUMNS = st.integers(0, len(MODES) - 1)
STRENGTHS = st.sampled_from((0.25, 0.45, 0.7, 1.0))


@settings(max_examples=150)
@given(STRENGTHS, COLUMNS, st.sets(st.sampled_from(NUMERIC)))
def test_signals_that_vanish_raise_no_health_and_lower_no_risk(strength, column, gone):
    whole, less, _ = follow(strength, column, gone, 0.0, 0)
    assert less.health <= whole.health + 0.5
    assert less.risk >= whole.risk - 0.005


@settings(max_examples=150)
@given(
    st.sampled_from((0.7, 1.0)), COLUMNS, st.sets(st.sampled_from(NUMERIC)), st.floats(0, 0.95), st.integers(0, 2**20)
)
def test_samples_deleted_at_random_raise_no_health_of_a_plain_fault(strength, column, gone, share, seed):
    whole, less, _ = follow(strength, column, gone, share, seed)
    assert less.health <= whole.health + CHANCE
    assert less.risk >= whole.risk - CHANCE / 100


@pytest.mark.parametrize("strength", [0.25, 0.45])
@pytest.mark.parametrize("column", range(len(MODES)), ids=MODES)
def test_fewer_samples_of_a_beginning_fault_do_not_look_better_on_average(strength, column):
    """Here a symptom is there in part, and the scatter of estimates moves health, by some points, both ways."""
    changes = [
        less.health - whole.health
        for seed in range(12)
        for whole, less, _ in [follow(strength, column, set(), 0.1 + 0.07 * seed, seed)]
    ]
    assert np.mean(changes) <= 4 * CHANCE


SHAKEN = MODES.index("rotor_imbalance")
VIBRATION = {key for key in NUMERIC if key.startswith("vibration")}


def unshaken() -> Judgement:
    """The machine whose rotor is out of balance, judged without its vibration."""
    one = plant(1.0)
    minutes, seconds = (erased(part[SHAKEN], VIBRATION, 0, 0) for part in (one.minutes, one.seconds))
    return one.judge(SHAKEN, minutes, seconds, {})


def test_without_the_memory_a_lost_sensor_would_look_like_a_balanced_rotor():
    one, blind = plant(1.0), unshaken()
    assert blind.health > 90
    whole, less, later = follow(1.0, SHAKEN, VIBRATION, 0.0, 0)
    assert less.health == pytest.approx(whole.health, abs=0.1)
    assert less.health < 60
    # The open finding is not closed either: what is held still speaks for it.
    assert less.probabilities(FAULTS)["rotor_imbalance"] > 0.6
    assert held_since(MOTOR, FAULTS, later, one.time + MICROSECONDS) == one.time


def test_what_is_seen_again_counts_again():
    one = plant(1.0)
    whole, _, later = follow(1.0, SHAKEN, VIBRATION, 0.0, 0)
    healthy = one.judge(SHAKEN, one.minutes[SHAKEN], {**one.seconds[SHAKEN], **_calm(one)}, {})
    time = one.time + 2 * MICROSECONDS
    last = later.after(healthy, WANTED, time, 1)
    assert recalled(MOTOR, FAULTS, healthy, last).health == healthy.health > whole.health
    assert held_since(MOTOR, FAULTS, last, time) is None


def _calm(one: Plant) -> Series:
    """The vibration of another motor, whose rotor is balanced."""
    other = one.seconds[MODES.index("undervoltage")]
    return {key: other[key] for key in VIBRATION}


def test_a_newly_learnt_machine_begins_anew():
    _, _, later = follow(1.0, SHAKEN, VIBRATION, 0.0, 0)
    one, blind = plant(1.0), unshaken()
    last = later.after(blind, WANTED, one.time + 2 * MICROSECONDS, 2)
    assert recalled(MOTOR, FAULTS, blind, last).health == blind.health


@pytest.mark.parametrize("mode", ["bearing_wear_de", "sensor_stuck", "overload"])
def test_a_restart_knows_what_was_known(mode):
    gone = {*VIBRATION, "current_u"}
    _, less, later = follow(1.0, MODES.index(mode), gone, 0.0, 0)
    time = plant(1.0).time + MICROSECONDS
    stored = json.loads(
        json.dumps(
            {
                "indicators": {key: value for key, value in less.found.items() if np.isfinite(value)},
                **later.as_json(time),
            }
        )
    )
    assert LastKnown.from_json(stored, WANTED, to_datetime(time), 1) == later
