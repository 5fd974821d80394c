"""From indicators to failure modes: right mode first, evidence named, nothing concluded from nothing."""

import numpy as np
import pytest

from analytics.behaviour import BehaviourModel, longest_run
from analytics.case import Case
from analytics.condition import _combined, health_and_risk, judge_machine
from analytics.diagnosis import diagnose
from analytics.sensors import outlasts, spikes, stuck_signals
from plant import fault_library, template_library
from tests.unit.analytics.plain_motor import learnt, seconds

FAULTS = [fault_library()[key] for key in template_library()["motor"].failure_modes]
MACHINE = [fault for fault in FAULTS if fault.kind != "sensor"]
WELL = {
    "residual_winding_temperature": 0.3,
    "residual_bearing_least": 0.1,
    "residual_bearing_greatest": 0.4,
    "residual_bearing_difference": 0.3,
    "vibration_ratio_de": 1.02,
    "vibration_ratio_nde": 0.98,
    "vibration_ratio_least": 0.98,
    "vibration_side": 0.04,
    "vibration_scatter": 0.02,
    "voltage_unbalance": 0.3,
    "voltage_ratio": 1.0,
    "current_unbalance_excess": 0.0,
    "current_odd_phase": 0.8,
    "stalled_s": 0.0,
    "phase_current_ratio": 0.99,
    "load": 0.8,
    "current_ratio": 0.8,
    "speed_ratio": 1.0,
    "starts_per_hour_excess": 0.0,
}
SHAKING = {"vibration_ratio_de": 2.6, "vibration_ratio_nde": 2.6, "vibration_ratio_least": 2.6}
SEEN = {
    "bearing_wear_de": {"vibration_ratio_de": 2.5, "residual_bearing_difference": 12, "vibration_side": 0.8},
    "bearing_wear_nde": {"vibration_ratio_nde": 2.5, "residual_bearing_difference": -12, "vibration_side": -0.8},
    "cooling_blocked": {
        "residual_winding_temperature": 20,
        "residual_bearing_least": 9,
        "residual_bearing_greatest": 9,
    },
    "winding_insulation_ageing": {
        "current_unbalance_excess": 15,
        "current_odd_phase": 15,
        "residual_winding_temperature": 9,
    },
    # A current transformer that reads low makes the winding look warmer than its load.
    "current_unbalance": {
        "current_unbalance_excess": 12,
        "current_odd_phase": -12,
        "residual_winding_temperature": 5,
    },
    "voltage_unbalance": {"voltage_unbalance": 3.5},
    "phase_loss": {"phase_current_ratio": 0.0, "voltage_unbalance": 6, "current_unbalance_excess": 60},
    "overload": {"load": 1.25},
    "loose_foundation": SHAKING | {"vibration_scatter": 0.2},
    "rotor_imbalance": SHAKING,
    "lubrication_lack": {"residual_bearing_least": 9, "residual_bearing_greatest": 10},
    "undervoltage": {"voltage_ratio": 0.88},
    "overvoltage": {"voltage_ratio": 1.12},
    "locked_rotor": {"stalled_s": 7.0},
    "frequent_starts": {"starts_per_hour_excess": 9},
}  # fmt: skip


@pytest.mark.parametrize("mode", SEEN)
def test_right_mode_first_with_its_evidence(mode):
    first, second = diagnose(MACHINE, WELL | SEEN[mode])[:2]
    assert first.failure_mode == mode
    assert first.probability > 0.6 > second.probability
    assert first.evidence[0].weight > 0
    assert first.evidence[0].text_en
    assert first.evidence[0].text_zh


def test_a_well_machine_has_no_probable_fault_and_probabilities_stay_below_one():
    verdicts = diagnose(MACHINE, WELL)
    assert sum(verdict.probability for verdict in verdicts) < 0.02


def test_nothing_known_concludes_nothing_and_names_what_is_missing():
    verdicts = diagnose(MACHINE, {})
    assert max(verdict.probability for verdict in verdicts) < 0.05
    broken_bar = next(verdict for verdict in verdicts if verdict.failure_mode == "broken_rotor_bar")
    assert broken_bar.unknown == ("sideband_depth",)


def test_a_sensor_fault_is_a_risk_but_takes_no_health():
    library = fault_library()
    sensors = diagnose([fault for fault in FAULTS if fault.kind == "sensor"], {"stuck_signals": 1.0})
    assert sensors[0].failure_mode == "sensor_stuck"
    health, risk = health_and_risk(diagnose(MACHINE, WELL), sensors, library)
    assert health > 98
    assert risk > 0.25
    ill, high = health_and_risk(diagnose(MACHINE, WELL | SEEN["phase_loss"]), [], library)
    assert ill < 10
    assert high > 0.9


QUIET = {"stuck_signals": 0.0, "dropout_share": 0.0, "spikes": 0.0, "power_mismatch": 0.01, "lone_residual": 0.0}


def _drift(signal: str, kelvin: float) -> dict[str, float]:
    """Indicators of a motor whose one temperature sensor is off, and nothing else."""
    residuals = {
        "residual_winding_temperature": 0.3,
        "residual_bearing_temperature_de": 0.1,
        "residual_bearing_temperature_nde": 0.4,
        "vibration_ratio_de": 1.02,
        "vibration_ratio_nde": 0.98,
        signal: kelvin,
    }
    return residuals | _combined(residuals)


@pytest.mark.parametrize(
    ("mode", "seen"),
    [
        ("sensor_stuck", {"stuck_signals": 1.0}),
        ("sensor_dropout", {"dropout_share": 0.9}),
        ("sensor_spikes", {"spikes": 3.0}),
        ("phases_swapped", {"power_mismatch": 0.5}),
        ("sensor_drift", _drift("residual_winding_temperature", 15)),
        ("sensor_drift", _drift("residual_winding_temperature", -15)),
        ("sensor_drift", _drift("residual_bearing_temperature_de", 9)),
        ("sensor_drift", _drift("residual_bearing_temperature_nde", 9)),
    ],
)
def test_faults_of_sensors_are_told_apart_and_take_no_health(mode, seen):
    found = WELL | QUIET | seen
    sensors = diagnose([fault for fault in FAULTS if fault.kind == "sensor"], found)
    assert sensors[0].failure_mode == mode
    assert sensors[0].probability > 0.6 > sensors[1].probability
    health, risk = health_and_risk(diagnose(MACHINE, found), sensors, fault_library())
    assert health > 95
    assert risk > 0.2


def test_stuck_means_exactly_equal_while_others_move_and_not_zero():
    import numpy as np

    moving = np.random.default_rng(1).normal(50, 1, 60)
    still = np.full(60, 71.3)
    keys = ["a", "b", "c", "d"]
    assert stuck_signals({"a": moving, "b": moving + 1, "c": still, "d": np.zeros(60)}, keys) == ["c"]
    assert stuck_signals({"a": still, "b": still, "c": still}, keys) == []
    assert stuck_signals({"a": moving, "b": moving, "c": still[:20]}, keys) == []
    spiky = moving.copy()
    spiky[[20, 40]] += 60
    assert spikes(spiky, 20.0) == 2
    assert spikes(np.concatenate((moving[:30], moving[30:] + 60)), 20.0) == 0


def test_finding_opens_when_held_and_closes_when_gone_for_long():
    case, second = Case(), 1_000_000
    assert case.follow(0, {"overload": 0.9}, {"overload": 0.9}) == ([], [])
    assert case.follow(5 * second, {"overload": 0.9}, {"overload": 0.9}) == (["overload"], [])
    case.opened("overload", 7)
    assert case.follow(10 * second, {"x": 0.1}, {}) == ([], []), "unknown is not gone"
    assert case.follow(20 * second, {"x": 0.1}, {"overload": 0.01}) == ([], [])
    assert case.follow(21 * second, {"overload": 0.9}, {"overload": 0.9}) == ([], []), "back again"
    assert case.follow(30 * second, {"x": 0.1}, {"overload": 0.01}) == ([], [])
    assert case.follow(640 * second, {"x": 0.1}, {"overload": 0.01}) == ([], ["overload"])


def test_a_better_explanation_replaces_a_passing_one_soon():
    case, second = Case(), 1_000_000
    case.opened("current_unbalance", 1)
    known = {"phase_loss": 0.95, "current_unbalance": 0.01}
    case.follow(0, {"phase_loss": 0.95}, known)
    assert case.follow(25 * second, {"phase_loss": 0.95}, known) == (["phase_loss"], ["current_unbalance"])


def test_a_coarse_sensor_is_stuck_once_it_outlasts_itself():
    still, moving = np.full(360, 61.0), np.arange(360.0)
    assert outlasts(None, 0, 60), "a sensor that never repeats itself needs no history"
    assert not outlasts(None, 5, 60)
    assert outlasts(still[:15], 5, 60)
    assert not outlasts(still[:14], 5, 60)
    assert not outlasts(np.concatenate([still[:20], moving[:3], still[:14]]), 5, 60)
    assert not outlasts(still, 121, 60), "six hours cannot show that it outlasts two"


def test_what_is_seldom_or_coarse_is_learnt_as_such():
    template, nameplate, model = learnt()
    coarse = model.with_constants({"power": 4})
    now = seconds() | {"power": np.full(75, 11.0)}
    minutes = {key: np.full(360, values.mean()) + np.arange(360) * 1e-4 for key, values in seconds().items()}
    flat = minutes | {"power": np.full(360, 11.0)}

    def stuck(of, history):
        return judge_machine(template, nameplate, of, fault_library(), history, now).suspects

    assert stuck(model, minutes) == ["power"], "a fine sensor is stuck within the window"
    assert stuck(coarse, minutes) == [], "one in whole kilowatts is not"
    assert stuck(coarse, flat) == ["power"], "until it outlasts itself three times"
    assert stuck(BehaviourModel.from_bytes(coarse.to_bytes()), minutes) == []
    assert longest_run(np.array([1.0, 1, 2, 2, 2, np.nan, np.nan, 3])) == 3
    assert longest_run(np.array([1.0, 2.0])) == 0
    assert longest_run(np.array([])) == 0
