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
    rotor_sidebands,
    thermal_capacity,
    thermal_outlook,
    thermal_trip_time_s,
    voltage_unbalance_factor,
)
from analytics.states import StateCode, classify_states, runs_settled
from plant import template_library


@pytest.mark.parametrize(
    ("volts", "nema", "vuf", "wrong"),
    [
        ((480, 476, 472), 0.84, 0.97, 1.68),
        ((460, 467, 450), 1.96, 2.15, 3.70),
        ((203, 210, 212), 2.56, 2.61, 4.32),
        ((400, 395, 388), 1.61, 1.76, 3.04),
        ((400, 380, 400), 3.39, 3.36, 5.08),
    ],
)
def test_unbalance_of_voltages(volts, nema, vuf, wrong):
    phases = [np.array(float(value)) for value in volts]
    assert float(nema_unbalance(*phases)) == pytest.approx(nema, abs=0.006)
    assert float(voltage_unbalance_factor(*phases)) == pytest.approx(vuf, abs=0.01)
    # The common wrong form, range over mean, is in no indicator of these voltages.
    assert 100 * (max(volts) - min(volts)) / np.mean(volts) == pytest.approx(wrong, abs=0.006)
    signals = dict(zip(("voltage_uv", "voltage_vw", "voltage_wu"), phases, strict=True))
    found = indicators("motor", template_library()["motor"].complete_nameplate({}), signals)
    assert float(found["voltage_unbalance"]) == pytest.approx(nema, abs=0.006)
    assert all(abs(float(value) - wrong) > 0.1 for value in found.values() if np.isfinite(value))


@given(st.lists(st.floats(300, 500), min_size=3, max_size=3))
def test_unbalance_does_not_care_which_phase_is_which(volts):
    phases = [np.array(value) for value in volts]
    turned = phases[1:] + phases[:1]
    for measure in (nema_unbalance, voltage_unbalance_factor):
        assert float(measure(*phases)) == pytest.approx(float(measure(*turned)), abs=1e-4)
    # Never more than range over mean, never less than half of it.
    spread = 100 * (max(volts) - min(volts)) / np.mean(volts)
    assert spread / 2 - 1e-9 <= float(nema_unbalance(*phases)) <= spread + 1e-9


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


@given(st.lists(st.one_of(st.just(math.nan), st.floats(0, 8)), max_size=20), st.floats(1, 600))
def test_the_replica_follows_its_equation_and_keeps_the_last_known_current(ratios, step_s):
    capacity = thermal_capacity(np.array([ratios, ratios]), step_s)
    assert capacity.shape == (2, len(ratios))
    state = driven = np.nan_to_num((np.array(ratios[:1]) / 1.05) ** 2).sum()
    for ratio, both in zip(ratios, capacity.T, strict=True):
        driven = driven if math.isnan(ratio) else (ratio / 1.05) ** 2
        state = driven + (state - driven) * math.exp(-step_s / 1800)
        assert both == pytest.approx(100 * state)


def test_bearing_6205():
    found = bearing_frequencies(9, 7.94, 39.04)
    assert [found[key] for key in ("bpfo", "bpfi", "bsf", "ftf")] == pytest.approx(
        [3.5848, 5.4152, 2.3567, 0.3983], abs=1e-4
    )


@pytest.mark.parametrize(("current", "before", "minutes"), [(1.5, 0, 20.2), (1.5, 0.9, 6.8), (6, 0, 56 / 60)])
def test_the_outlook_trips_when_the_replica_does(current, before, minutes):
    capacity = 100 * (before / 1.05) ** 2
    assert thermal_outlook(capacity, current, 6.5, 10)[0] / 60 == pytest.approx(minutes, abs=0.05)


def test_a_start_is_allowed_when_it_fits():
    # A start takes (6.5 / 1.05)^2 (1 - e^(-10/1800)) = 21.2 %; with what cools meanwhile 79.2 % may be used before it.
    assert thermal_outlook(79, 0, 6.5, 10) == (math.inf, 0.0)
    assert thermal_outlook(95, 0, 6.5, 10)[1] / 60 == pytest.approx(5.45, abs=0.02)
    assert thermal_outlook(100.5, 1.2, 6.5, 10)[0] == 0
    # No cold motor stands its locked-rotor current for a minute.
    assert thermal_outlook(0, 0, 6.5, 60)[1] == math.inf


@given(st.floats(0, 400), st.floats(0, 8))
def test_the_time_to_trip_is_that_of_the_replica_whatever_it_has_been_through(capacity, current):
    trip_s, _ = thermal_outlook(capacity, current, 6.5, 10)
    driven = (current / 1.05) ** 2
    if current <= 1.05:
        assert trip_s == math.inf
    elif capacity >= 100:
        assert trip_s == 0
    else:
        after = driven + (capacity / 100 - driven) * math.exp(-trip_s / 1800)
        assert after == pytest.approx(1, abs=1e-6)


@given(st.floats(0, 130), st.floats(4, 8), st.floats(2, 20))
def test_a_start_after_the_wait_ends_at_a_hundred_and_not_above(capacity, ratio, stall_s):
    _, wait_s = thermal_outlook(capacity, 0.0, ratio, stall_s)
    if wait_s == math.inf:
        return
    # The replica itself: rest for the wait, then stand locked for the stall time.
    used = capacity / 100 * math.exp(-wait_s / 1800)
    driven = (ratio / 1.05) ** 2
    after = driven + (used - driven) * math.exp(-stall_s / 1800)
    assert after <= 1 + 1e-9
    if wait_s > 0:
        assert after == pytest.approx(1)


@pytest.mark.parametrize(
    ("speed", "low", "high", "window_s"), [(1470, 48, 52, 2), (1485, 49, 51, 4), (1494, 49.6, 50.4, 10)]
)
def test_sidebands_of_broken_rotor_bars(speed, low, high, window_s):
    assert rotor_sidebands(50, 4, speed) == pytest.approx((low, high, window_s), rel=1e-6)


def test_without_slip_there_are_no_sidebands():
    assert rotor_sidebands(50, 4, 1500) is None
    assert rotor_sidebands(60, 4, 1750) is not None


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
