"""The simulated plant obeys physics, and a failure mode moves what it must and nothing else."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from plant import MachineEntry, SignalDirectory, template_library, to_microseconds
from simulators import InjectedFault, PlantPlan, PlantSimulation, simulate_history, simulate_plan
from simulators.faults import DEMO_MODES, EFFECTS
from simulators.fleet import Outage
from simulators.motor import Motors, Thermal
from simulators.simulation import SIGNALS

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
HOURS = 8


@pytest.fixture(scope="module")
def plan() -> PlantPlan:
    """Ten machines, nothing broken."""
    return replace(simulate_plan(10, 5, NOW, timedelta(hours=HOURS)), faults=())


@pytest.fixture(scope="module")
def healthy(plan):
    return PlantSimulation(plan).advance(to_microseconds(NOW), 60)


def broken(plan, mode, signal=""):
    """The same plant with one fault of full strength on machine 0, begun long ago or now."""
    fault = InjectedFault(plan.specs[0].site, plan.specs[0].machine, mode, NOW - timedelta(hours=40), signal, 1.0)
    return PlantSimulation(replace(plan, faults=(fault,))).advance(to_microseconds(NOW), 60)


def test_same_seed_same_plant_other_seed_another():
    one, two = (simulate_plan(40, 3, NOW, timedelta(days=3)) for _ in range(2))
    assert one == two
    assert simulate_plan(40, 4, NOW, timedelta(days=3)).truth() != one.truth()
    assert PlantPlan.from_json(one.to_json()).truth() == one.truth()


def test_demo_plant_has_every_mode_once_each_on_a_machine_that_runs():
    plan = simulate_plan(40, 7, NOW, timedelta(days=3.5))
    assert sorted(fault.failure_mode for fault in plan.faults) == sorted(DEMO_MODES)
    duty = {spec.machine: spec.nameplate["duty"] for spec in plan.specs}
    assert {duty[fault.machine] for fault in plan.faults} == {"continuous"}
    assert len({fault.machine for fault in plan.faults}) == len(plan.faults)
    for fault in plan.faults:
        assert (fault.onset < NOW) == (EFFECTS[fault.failure_mode].growth == "gradual")


def test_every_machine_fits_its_template(plan):
    for spec in plan.specs:
        template_library()[spec.template].complete_nameplate(spec.nameplate)


def test_asked_at_once_or_in_parts_or_after_a_restart_the_readings_are_the_same(plan):
    start = to_microseconds(NOW - timedelta(hours=HOURS))
    end = start + 3_600_000_000
    whole = PlantSimulation(plan).advance(end, 60)
    simulation = PlantSimulation(plan)
    first = simulation.advance(start + 1_200_000_000, 60)
    second = PlantSimulation.from_bytes(plan, simulation.to_bytes()).advance(end, 60)
    for key in SIGNALS:
        assert np.array_equal(np.concatenate((first.signals[key], second.signals[key])), whole.signals[key]), key


def test_power_follows_from_voltage_current_and_power_factor(healthy):
    s = healthy.signals
    current = (s["current_u"] + s["current_v"] + s["current_w"]) / 3
    voltage = (s["voltage_uv"] + s["voltage_vw"] + s["voltage_wu"]) / 3
    power = math.sqrt(3) * voltage * current * s["power_factor"] / 1000
    running = s["running"] > 0
    assert power[running] == pytest.approx(s["power"][running], rel=0.05)
    assert (s["power"][~running] == 0).all()


def test_a_warm_motor_is_warmer_than_the_hall_and_its_winding_warmest(healthy):
    s = healthy.signals
    always = (s["running"] > 0).all(axis=0)
    assert (s["winding_temperature"] > s["bearing_temperature_de"])[:, always].all()
    assert (s["bearing_temperature_de"] > s["ambient_temperature"] + 5)[:, always].all()
    assert s["winding_temperature"].max() < 155, "class F alarm: a healthy plant stays below"


def test_steady_state_balances_losses_and_steps_of_any_length_agree(plan):
    motors = Motors.of(plan.specs, 5)
    n = len(plan.specs)
    ambient, one = np.full(n, 30.0), np.ones(n)

    def heat(step_s, copper=1.0, hours=24.0):
        thermal = Thermal(*(np.full(n, 30.0) for _ in range(4)))
        for _ in range(round(hours * 3600 / step_s)):
            thermal.step(motors, step_s, copper * one, np.ones(n, bool), one, ambient, one, one, one)
        return thermal

    steady = heat(60)
    assert steady.frame - ambient == pytest.approx(motors.frame_over_ambient, rel=0.01)
    assert steady.winding - steady.frame == pytest.approx(motors.winding_over_frame, rel=0.01)
    assert heat(60, hours=2).winding == pytest.approx(heat(5, hours=2).winding, abs=0.6)


def test_readings_have_the_resolution_of_their_sensors(healthy):
    for signal in template_library()["motor"].signals:
        if signal.resolution:
            steps = healthy.signals[signal.key] / signal.resolution
            assert np.allclose(steps, np.round(steps), atol=1e-3), signal.key


def changes(plan, healthy, mode, signal=""):
    """Relative (or for temperatures absolute) change of the last hour on machine 0, by signal."""
    found = broken(plan, mode, signal)
    result = {}
    for key in SIGNALS:
        before, after = healthy.signals[key][-60:, 0].mean(), found.signals[key][-60:, 0].mean()
        result[key] = after - before if "temperature" in key else after / max(before, 1e-9)
    return result


def test_blocked_cooling_heats_everything_and_shakes_nothing(plan, healthy):
    found = changes(plan, healthy, "cooling_blocked")
    assert found["winding_temperature"] > 10
    assert found["bearing_temperature_nde"] > 4
    assert found["vibration_velocity_de"] == pytest.approx(1, abs=0.02)
    assert found["power"] == pytest.approx(1, abs=0.02)


def test_a_worn_bearing_shakes_and_heats_its_own_end(plan, healthy):
    found = changes(plan, healthy, "bearing_wear_de")
    assert found["vibration_velocity_de"] > 2.5
    assert found["vibration_velocity_nde"] < 1.5
    assert found["bearing_temperature_de"] > found["bearing_temperature_nde"] + 8


def test_currents_follow_voltage_unbalance_six_to_tenfold(plan, healthy):
    found = broken(plan, "voltage_unbalance")
    volts = [found.signals[f"voltage_{pair}"][-60:, 0].mean() for pair in ("uv", "vw", "wu")]
    amps = [found.signals[f"current_{phase}"][-60:, 0].mean() for phase in "uvw"]

    def unbalance(values, divisor):
        return max(abs(value - np.mean(values)) for value in values) / divisor

    ratio = unbalance(amps, plan.specs[0].nameplate["rated_current"]) / unbalance(volts, np.mean(volts))
    assert 6 <= ratio <= 10


def test_a_lost_phase_carries_nothing_and_the_others_about_one_point_seven(plan, healthy):
    found = changes(plan, healthy, "phase_loss")
    assert found["current_u"] == 0
    assert 1.5 < found["current_v"] < 1.95


def test_shorted_turns_unbalance_the_currents_not_the_voltages(plan, healthy):
    found = changes(plan, healthy, "winding_insulation_ageing")
    assert found["current_u"] > 1.15
    assert found["voltage_uv"] == pytest.approx(1, abs=0.005)
    assert found["winding_temperature"] > 4


def test_a_loose_foundation_shakes_both_ends_and_heats_none(plan, healthy):
    found = changes(plan, healthy, "loose_foundation")
    assert min(found["vibration_velocity_de"], found["vibration_velocity_nde"]) > 1.6
    assert abs(found["bearing_temperature_de"]) < 0.3


def test_overload_exceeds_rated_power(plan, healthy):
    found = broken(plan, "overload")
    nameplate = plan.specs[0].nameplate
    assert found.signals["power"][-60:, 0].mean() * nameplate["efficiency"] > 1.05 * nameplate["rated_power"]


def test_a_broken_sensor_changes_its_own_signal_alone(plan, healthy):
    stuck = broken(plan, "sensor_stuck", "winding_temperature")
    assert len(set(stuck.signals["winding_temperature"][:, 0])) == 1
    drift = broken(plan, "sensor_drift", "bearing_temperature_nde")
    assert drift.signals["bearing_temperature_nde"][-1, 0] - healthy.signals["bearing_temperature_nde"][-1, 0] > 15
    for found, signal in ((stuck, "winding_temperature"), (drift, "bearing_temperature_nde")):
        for key in SIGNALS:
            if key != signal:
                assert np.array_equal(found.signals[key], healthy.signals[key]), key
    dropped = broken(plan, "sensor_dropout", "bearing_temperature_de")
    assert set(np.unique(dropped.qualities["bearing_temperature_de"][:, 0])) == {0, 2}


def restarted(plan, step_s, steps):
    """Pumps that stand for twenty minutes and start again: their columns, and what is measured from one step before."""
    start = to_microseconds(NOW - timedelta(minutes=2))
    began = NOW - timedelta(minutes=22)
    stops = tuple(Outage(spec.machine, began, NOW - timedelta(minutes=2)) for spec in plan.specs)
    simulation = PlantSimulation(replace(plan, history=timedelta(hours=1), outages=stops))
    simulation.advance(start - 2 * step_s * 1_000_000, step_s)
    columns = [row for row, spec in enumerate(plan.specs) if spec.nameplate["duty"] == "continuous"]
    return columns, simulation.advance(start + (steps - 1) * step_s * 1_000_000, step_s).signals


def test_a_start_draws_six_to_seven_times_rated_current_until_the_shaft_is_up_to_speed(plan):
    columns, s = restarted(plan, 1, 60)
    motors = Motors.of(plan.specs, plan.seed)
    for column in columns:
        ratio = s["current_u"][:, column] / plan.specs[column].nameplate["rated_current"]
        assert ratio[0] == 0
        assert 5.4 < ratio[1] < 7.6
        high = ratio > 2.5
        assert abs(high.sum() - motors.run_up_s[column]) < 1.5
        assert high[1 : 1 + high.sum()].all(), "in one piece"
        speed = s["speed"][:, column]
        assert (np.diff(speed[: high.sum() + 3]) > -5).all()
        assert speed[1] < 0.6 * speed[-1]
        volts = s["voltage_uv"][:, column]
        assert 0.94 < volts[1] / volts[-1] < 0.99
        warmer = s["winding_temperature"][high.sum() + 1, column] - s["winding_temperature"][0, column]
        assert 2 < warmer < 40


def test_a_larger_motor_takes_longer_to_start():
    specs = simulate_plan(80, 5, NOW, timedelta(hours=1)).specs
    motors = Motors.of(specs, 5)
    pumps = motors.duty == 0
    assert np.corrcoef(motors.power[pumps], motors.run_up_s[pumps])[0, 1] > 0.4
    assert (motors.run_up_s < 8).all()


def test_a_minute_with_a_start_is_the_mean_of_its_seconds(plan):
    columns, by_second = restarted(plan, 1, 60)
    _, by_minute = restarted(plan, 60, 1)
    for key in ("current_u", "speed", "power"):
        for column in columns:
            assert by_minute[key][-1, column] == pytest.approx(by_second[key][1:, column].mean(), rel=0.12), key


def test_a_held_rotor_draws_starting_current_until_its_protection_trips(plan):
    onset = NOW - timedelta(seconds=40)
    fault = InjectedFault(plan.specs[0].site, plan.specs[0].machine, "locked_rotor", onset)
    simulation = PlantSimulation(replace(plan, faults=(fault,)))
    simulation.advance(to_microseconds(NOW - timedelta(seconds=60)), 60)
    s = {key: values[:, 0] for key, values in simulation.advance(to_microseconds(NOW), 1).signals.items()}
    held = s["current_u"] / plan.specs[0].nameplate["rated_current"] > 5
    assert 4 <= held.sum() <= 16
    assert (s["speed"][held] == 0).all()
    assert (s["current_u"][np.flatnonzero(held)[-1] + 2 :] == 0).all()
    assert s["running"][-1] == 0


def test_a_hunting_control_starts_a_dozen_times_an_hour(plan):
    running = broken(plan, "frequent_starts").signals["running"][-60:, 0]
    assert 10 <= np.sum(np.diff(running) > 0) <= 14


def test_overvoltage_magnetises_and_heats(plan, healthy):
    found = changes(plan, healthy, "overvoltage")
    assert 1.11 < found["voltage_uv"] < 1.15
    assert found["power_factor"] < 0.9
    assert found["power"] == pytest.approx(1, abs=0.02)


def test_a_loose_terminal_weakens_one_phase_and_leaves_winding_and_voltages(plan, healthy):
    found = changes(plan, healthy, "current_unbalance")
    assert found["current_v"] < 0.9
    assert min(found["current_u"], found["current_w"]) > 1.02
    assert found["voltage_vw"] == pytest.approx(1, abs=0.002)
    assert abs(found["winding_temperature"]) < 1


def test_a_poor_current_transformer_reads_low_and_nothing_else_happens(plan, healthy):
    found = changes(plan, healthy, "current_unbalance", "current_u")
    assert found["current_u"] == pytest.approx(0.75, abs=0.01)
    assert found["current_v"] == pytest.approx(1, abs=0.001)


def test_swapped_currents_leave_a_meter_next_to_no_power(plan, healthy):
    found = changes(plan, healthy, "phases_swapped", "power")
    assert found["power"] < 0.1
    assert found["power_factor"] < 0.1
    assert found["speed"] == pytest.approx(1, abs=0.001)


def test_history_is_every_reading_once_under_its_id(plan):
    signals = {key: number for number, key in enumerate(SIGNALS, start=1)}
    entries = [
        MachineEntry(spec.site, spec.line, spec.machine, "motor", {key: n + 100 * row for key, n in signals.items()})
        for row, spec in enumerate(plan.specs)
    ]
    start = to_microseconds(plan.now - plan.history)
    simulation = PlantSimulation(plan)
    batches = list(simulate_history(simulation, SignalDirectory(entries), start, to_microseconds(NOW), 60))
    keys = {(t, s) for batch in batches for t, s in zip(batch.times.tolist(), batch.signal_ids.tolist(), strict=True)}
    assert len(keys) == sum(map(len, batches)) == HOURS * 60 * 16 * len(plan.specs)
    with pytest.raises(KeyError, match="not registered"):
        next(iter(simulate_history(PlantSimulation(plan), SignalDirectory(), start, start + 10**9, 60)))
