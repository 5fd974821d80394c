"""Golden values of the motor formulas, and nothing invented where data is missing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.indicators import (
    bearing_frequencies,
    derating,
    indicators,
    insulation_life_factor,
    nema_unbalance,
    thermal_capacity,
    thermal_trip_time_s,
    voltage_unbalance_factor,
)
from analytics.states import StateCode, classify_states, runs_settled
from plant import template_library


@pytest.mark.parametrize(
    ("volts", "nema", "vuf"),
    [
        ((480, 476, 472), 0.84, 0.97),
        ((460, 467, 450), 1.96, 2.15),
        ((203, 210, 212), 2.56, 2.61),
        ((400, 395, 388), 1.61, 1.76),
        ((400, 380, 400), 3.39, 3.36),
    ],
)
def test_unbalance_of_voltages(volts, nema, vuf):
    phases = [np.array(float(value)) for value in volts]
    assert float(nema_unbalance(*phases)) == pytest.approx(nema, abs=0.006)
    assert float(voltage_unbalance_factor(*phases)) == pytest.approx(vuf, abs=0.01)


def test_current_unbalance_is_divided_by_rated_current_below_full_load():
    # GE 239: 73/100/100 A at FLC 100 A is 18 %, not 19.8 %.
    currents = [np.array(value) for value in (73.0, 100.0, 100.0)]
    assert float(nema_unbalance(*currents, floor=100.0)) == pytest.approx(18.0, abs=0.1)
    assert float(nema_unbalance(*currents)) == pytest.approx(19.8, abs=0.1)


def test_derating_follows_the_nema_curve():
    assert derating(np.arange(1.0, 6.0)) == pytest.approx([0.986, 0.947, 0.891, 0.827, 0.762], abs=0.002)


@pytest.mark.parametrize(("current", "before", "minutes"), [(1.5, 0, 20.2), (1.5, 0.9, 6.8), (6, 0, 56 / 60)])
def test_thermal_trip_times(current, before, minutes):
    # Time constant thirty minutes, k 1.05, from cold and from 0.9 load.
    assert thermal_trip_time_s(current, before, 1800) / 60 == pytest.approx(minutes, abs=0.05)


def test_thermal_capacity_reaches_a_hundred_at_the_trip_time():
    start = np.zeros(1)
    seconds = round(thermal_trip_time_s(1.5, 0, 1800))
    capacity = thermal_capacity(np.concatenate((start, np.full(seconds, 1.5))), 1.0)
    assert capacity[-1] == pytest.approx(100, abs=0.2)
    assert thermal_trip_time_s(1.0, 0, 1800) == math.inf


def test_bearing_6205():
    found = bearing_frequencies(9, 7.94, 39.04)
    assert [found[key] for key in ("bpfo", "bpfi", "bsf", "ftf")] == pytest.approx(
        [3.5848, 5.4152, 2.3567, 0.3983], abs=1e-4
    )


@given(st.integers(5, 30), st.floats(1, 20), st.floats(30, 200), st.floats(0, 0.7))
def test_bearing_frequencies_add_up(balls, ball, pitch, angle):
    found = bearing_frequencies(balls, ball, pitch, angle)
    assert found["bpfo"] + found["bpfi"] == pytest.approx(balls)
    assert found["bpfo"] == pytest.approx(balls * found["ftf"])


def test_insulation_ages_twice_as_fast_per_ten_kelvin():
    assert insulation_life_factor(np.array([165.0, 180.0]), 155) == pytest.approx([2, 5.66], abs=0.01)


def test_nothing_is_invented_for_missing_signals():
    motor = template_library()["motor"]
    nameplate = motor.complete_nameplate({})
    found = indicators("motor", nameplate, {"speed": np.array([1480.0])})
    for key in ("current_mean", "voltage_unbalance", "load", "winding_rise", "phase_current_ratio"):
        assert np.isnan(found[key]).all(), key
    assert classify_states(motor, nameplate, found).tolist() == [StateCode.UNKNOWN]


def test_states_of_a_motor():
    motor = template_library()["motor"]
    nameplate = motor.complete_nameplate({"rated_current": 100.0})
    current = np.array([0.0, 60.0, 600.0, 3.0, np.nan])
    signals = {f"current_{phase}": current for phase in "uvw"}
    signals["running"] = np.array([0.0, 1.0, 1.0, 1.0, np.nan])
    codes = classify_states(motor, nameplate, indicators("motor", nameplate, signals))
    assert [StateCode(code).name for code in codes] == ["STOPPED", "RUNNING", "STARTING", "IDLE", "UNKNOWN"]


def test_a_machine_runs_settled_once_nothing_else_was_seen_for_some_steps():
    unknown, running, starting, stopped = StateCode.UNKNOWN, StateCode.RUNNING, StateCode.STARTING, StateCode.STOPPED
    codes = np.array([running, unknown, stopped, starting, running, unknown, running, running], np.int8)
    assert runs_settled(codes, 3).tolist() == [True, True, False, False, False, False, True, True]
    assert runs_settled(codes, 1).tolist() == [True, True, False, False, True, True, True, True]
    assert runs_settled(codes[:0], 3).tolist() == []
