"""Starts: a healthy one raises nothing, a rotor that is held is found though its protection trips after seconds."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from analytics.behaviour import learn_machine
from analytics.case import Case
from analytics.condition import judge_machine
from analytics.indicators import indicators
from analytics.limits import HORIZON_S, MachineLimits
from analytics.starts import count_starts, stalled_s
from analytics.states import StateCode, classify_states
from plant import MICROSECONDS, fault_library, template_library, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, labelled_plan
from simulators.fleet import Outage

MOTOR = template_library()["motor"]
NAMEPLATE = MOTOR.complete_nameplate({"rated_current": 10.0, "rated_speed": 1470.0})
START = datetime(2026, 1, 5, tzinfo=UTC)
AGAIN = START + timedelta(hours=50, seconds=20)


def seconds(current, speed=None):
    """Newest seconds of a motor whose three currents are alike."""
    values = {f"current_{phase}": np.array(current, float) for phase in "uvw"}
    return values if speed is None else values | {"speed": np.array(speed, float)}


def test_a_start_is_no_stall_and_a_held_rotor_is_one():
    start = [0] * 5 + [65] * 6 + [8] * 5
    assert stalled_s(seconds(start, [0] * 5 + [100, 400, 700, 1000, 1300, 1450] + [1470] * 5), NAMEPLATE) == 1
    assert stalled_s(seconds([8] * 5 + [65] * 7 + [0] * 5, [1470] * 5 + [0] * 12), NAMEPLATE) == 7
    assert stalled_s(seconds([8] * 20, [1470] * 20), NAMEPLATE) == 0


def test_without_a_speed_a_start_that_ended_in_standstill_or_lasts_too_long_is_a_stall():
    assert stalled_s(seconds([0] * 5 + [65] * 6 + [8] * 5), NAMEPLATE) == 0
    assert stalled_s(seconds([0] * 5 + [65] * 6 + [0] * 5), NAMEPLATE) == 6
    assert stalled_s(seconds([0] * 5 + [65] * 12), NAMEPLATE) == 12
    assert stalled_s(seconds([0] * 5 + [65] * 6), NAMEPLATE) == 0, "it may still come up"
    assert math.isnan(stalled_s({}, NAMEPLATE))
    assert math.isnan(stalled_s(seconds([math.nan] * 5), NAMEPLATE))


def test_a_gap_in_the_data_is_no_start():
    assert count_starts(np.array([0.8, math.nan, math.nan, 0.8])) == 0
    assert count_starts(np.array([0.8, 0.0, math.nan, 0.8, 0.0, 0.8])) == 2


def restarted(*faults: InjectedFault):
    """A plant whose first ten machines stood for half an hour and start at ``AGAIN``: plan, minutes, seconds."""
    specs = labelled_plan(15, 903, START, 8, {}, 0.0).specs
    stops = tuple(Outage(spec.machine, AGAIN - timedelta(minutes=30), AGAIN) for spec in specs[:10])
    plan = PlantPlan(903, START, timedelta(0), specs, faults, stops)
    simulation = PlantSimulation(plan)
    begin = to_microseconds(AGAIN - timedelta(seconds=80))
    history = simulation.advance(begin, 60)
    return plan, history, simulation.advance(begin + 140 * MICROSECONDS, 1)


@pytest.fixture(scope="module")
def plant():
    return restarted()


def test_the_state_starting_is_seen_and_passes(plant):
    plan, _, live = plant
    for column, spec in enumerate(plan.specs[:10]):
        if spec.nameplate["duty"] == "intermittent":
            continue
        nameplate = MOTOR.complete_nameplate(spec.nameplate)
        found = indicators("motor", nameplate, {key: values[:, column] for key, values in live.signals.items()})
        codes = classify_states(MOTOR, nameplate, found)
        starting = np.flatnonzero(codes == StateCode.STARTING)
        assert 1 <= len(starting) <= 10, spec.machine
        assert codes[starting[0] - 1] == StateCode.STOPPED
        assert codes[starting[-1] + 1] == StateCode.RUNNING


def judged(plan, history, live, column):
    """Findings that the running service would open on a machine, second by second, and limits that would alarm."""
    nameplate = MOTOR.complete_nameplate(plan.specs[column].nameplate)
    model = learn_machine(MOTOR, nameplate, {key: values[:2880, column] for key, values in history.signals.items()})
    minutes = {key: values[-360:, column] for key, values in history.signals.items()}
    case, opened = Case(), []
    for end in range(75, len(live.times)):
        now = {key: values[end - 75 : end, column] for key, values in live.signals.items()}
        judgement = judge_machine(MOTOR, nameplate, model, fault_library(), minutes, now)
        opening, _ = case.follow(int(live.times[end - 1]), judgement.tops(), judgement.probabilities(fault_library()))
        for mode in opening:
            case.opened(mode, 0)
            opened.append((mode, int(live.times[end - 1])))
    limits = MachineLimits(MOTOR, nameplate)
    everything = {key: values[:, column] for key, values in live.signals.items()}
    alarms = []
    for newest in live.times:
        events = limits.follow(int(live.times[0]), everything, minutes, int(newest) + HORIZON_S * MICROSECONDS)
        alarms += [event.limit_key for _, event in events]
    return opened, alarms


def test_a_healthy_start_opens_no_finding_and_raises_no_alarm(plant):
    for column in range(10):
        assert judged(*plant, column) == ([], []), plant[0].specs[column].machine


@pytest.mark.parametrize("machine", [0, 12], ids=["at a start", "while running"])
def test_a_held_rotor_is_found_before_it_burns(machine):
    code = labelled_plan(15, 903, START, 8, {}, 0.0).specs[machine].machine
    plan, history, live = restarted(InjectedFault("demo-plant", code, "locked_rotor", AGAIN))
    opened, _ = judged(plan, history, live, machine)
    assert [mode for mode, _ in opened] == ["locked_rotor"]
    assert opened[0][1] - to_microseconds(AGAIN) <= 15 * MICROSECONDS
    assert live.signals["running"][-1, machine] == 0, "its protection has tripped"
