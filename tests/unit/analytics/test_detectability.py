"""Which failure modes a set of sensors can show; "cannot tell" names what is not measured, and what would settle it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.behaviour import learn_machine
from analytics.condition import judge_machine
from analytics.detectability import detectability, detectability_now, signals_of
from plant import fault_library, template_library

MOTOR = template_library()["motor"]
NAMEPLATE = MOTOR.complete_nameplate({})
ALL = {signal.key for signal in MOTOR.signals}
NUMERIC = [signal.key for signal in MOTOR.signals if signal.kind == "number"]
SYMPTOMS = sorted(
    {symptom.indicator for key in MOTOR.failure_modes for symptom in fault_library()[key].symptoms} - {"sideband_depth"}
)


def because(measured: set[str]) -> dict[str, str | None]:
    return {answer.failure_mode: answer.because for answer in detectability(MOTOR, NAMEPLATE, measured)}


def without(*parts: str) -> set[str]:
    return {key for key in ALL if not any(part in key for part in parts)}


def refused(measured: set[str]) -> set[str]:
    return {mode for mode, why in because(measured).items() if why is not None}


def test_all_signals_show_everything_but_what_needs_a_waveform():
    assert refused(ALL) == {"broken_rotor_bar"}
    (answer,) = (answer for answer in detectability(MOTOR, NAMEPLATE, ALL) if answer.because)
    assert (answer.because, answer.missing) == ("not_measured", ("current_waveform",))
    assert "75 % load" in answer.settled_by_en
    # 1470 1/min at 50 Hz and four poles.
    assert "48.0 and 52.0 Hz; record 2 s" in answer.settled_by_en
    assert "电流波形" in answer.text_zh
    assert "48.0和52.0 Hz" in answer.settled_by_zh


@pytest.mark.parametrize(
    ("gone", "modes"),
    [
        ("vibration", {"bearing_wear_de", "bearing_wear_nde", "rotor_imbalance", "misalignment", "loose_foundation"}),
        (
            "voltage",
            {
                *("voltage_unbalance", "undervoltage", "overvoltage", "winding_insulation_ageing"),
                *("current_unbalance", "phases_swapped"),
            },
        ),
        ("temperature", {"cooling_blocked", "lubrication_lack", "winding_insulation_ageing", "sensor_drift"}),
    ],
)
def test_what_a_missing_kind_of_sensor_hides(gone, modes):
    assert refused(without(gone)) - {"broken_rotor_bar"} >= modes
    for answer in detectability(MOTOR, NAMEPLATE, without(gone)):
        if answer.failure_mode in modes:
            assert any(gone in key for key in answer.missing)
            assert answer.settled_by_en
            assert answer.settled_by_zh
            assert all(MOTOR.signal(key).name_zh in answer.text_zh for key in answer.missing)


@given(st.sets(st.sampled_from(sorted(ALL))), st.sampled_from(sorted(ALL)))
def test_another_sensor_never_hides_a_mode(measured, another):
    assert refused(measured | {another}) <= refused(measured)


@settings(max_examples=25)
@given(st.sets(st.sampled_from(sorted(ALL)), min_size=1))
def test_what_is_said_to_be_missing_is_missing_and_enough(measured):
    for answer in detectability(MOTOR, NAMEPLATE, measured):
        if answer.because is not None and answer.failure_mode != "broken_rotor_bar":
            assert not set(answer.missing) & measured
            assert because(measured | set(answer.missing))[answer.failure_mode] is None


def test_without_any_signal_nothing_can_be_told():
    assert refused(set()) == {key for key in MOTOR.failure_modes if key in fault_library()}
    pump = template_library()["pump_set"]
    assert all(answer.because for answer in detectability(pump, {}, set()))
    assert not any(answer.because for answer in detectability(pump, {}, {"flow", "pressure"}))


@pytest.fixture(scope="module")
def motor():
    """A model, the minutes and the seconds of a motor that runs evenly."""
    random = np.random.default_rng(3)
    usual = {
        **dict.fromkeys(("current_u", "current_v", "current_w"), 22.0),
        **dict.fromkeys(("voltage_uv", "voltage_vw", "voltage_wu"), 400.0),
        **dict.fromkeys(("winding_temperature", "bearing_temperature_de", "bearing_temperature_nde"), 70.0),
        "ambient_temperature": 25.0,
        "vibration_velocity_de": 1.2,
        "vibration_velocity_nde": 1.1,
        "speed": 1475.0,
        "power": 12.0,
        "power_factor": 0.8,
    }
    made = {key: value * (1 + 0.01 * random.standard_normal(3300)) for key, value in usual.items()}
    model = learn_machine(MOTOR, NAMEPLATE, {key: values[:2880] for key, values in made.items()})
    minutes = {key: values[2800:3160] for key, values in made.items()}
    return model, minutes, {key: values[3200:3275] for key, values in made.items()}


def judged(motor, without_signals=frozenset()):
    model, minutes, seconds = motor
    minutes = {key: values for key, values in minutes.items() if key not in without_signals}
    seconds = {key: values for key, values in seconds.items() if key not in without_signals}
    return judge_machine(MOTOR, NAMEPLATE, model, fault_library(), minutes, seconds, {})


@pytest.mark.parametrize("indicator", SYMPTOMS)
def test_the_table_of_inputs_is_that_of_the_code(motor, indicator):
    """Known with any of the sets of signals, unknown without one signal of each of them."""
    alternatives = signals_of(MOTOR, indicator)
    for needed in alternatives:
        assert needed <= set(NUMERIC)
        found = judged(motor, set(NUMERIC) - needed).found
        assert not math.isnan(found.get(indicator, math.nan)), needed
    for signal in frozenset.intersection(*alternatives):
        assert math.isnan(judged(motor, {signal}).found.get(indicator, math.nan)), signal


def test_a_current_unbalance_is_not_blamed_on_the_motor_where_no_voltage_is_measured(motor):
    model, minutes, seconds = motor
    seconds = {key: values for key, values in seconds.items() if not key.startswith("voltage")}
    seconds["current_u"] = seconds["current_u"] * 1.4
    judgement = judge_machine(MOTOR, NAMEPLATE, model, fault_library(), minutes, seconds, {})
    assert judgement.found["current_unbalance"] > 10
    assert max(verdict.probability for verdict in judgement.machine) < 0.5


def test_a_gap_in_the_minutes_is_no_start(motor):
    model, minutes, seconds = motor
    holes = {key: values.copy() for key, values in minutes.items()}
    for values in holes.values():
        values[-50:-5:4] = np.nan
    judgement = judge_machine(MOTOR, NAMEPLATE, model, fault_library(), holes, seconds, {})
    assert math.isnan(judgement.found["starts_per_hour_excess"])


def now(found, *, running=True, measured=ALL, suspects=(), learning=False):
    answers = detectability_now(MOTOR, NAMEPLATE, measured, found, suspects, running=running, learning=learning)
    return {answer.failure_mode: answer for answer in answers}


def test_what_cannot_be_told_now_says_why(motor):
    found = judged(motor).found
    assert {mode for mode, answer in now(found).items() if answer.because} == {"broken_rotor_bar"}
    lost = now(judged(motor, {"vibration_velocity_de"}).found)["bearing_wear_de"]
    assert (lost.because, lost.missing) == ("lost", ("vibration_velocity_de",))
    assert "驱动端振动" in lost.text_zh
    doubted = judged(motor, {"vibration_velocity_de"}).found | {"vibration_velocity_de": 1.2}
    assert now(doubted, suspects=["vibration_velocity_de"])["bearing_wear_de"].because == "lost"
    model, minutes, seconds = motor
    still = {key: np.zeros(75) if key.startswith(("current", "power", "speed")) else v for key, v in seconds.items()}
    standing = judge_machine(MOTOR, NAMEPLATE, model, fault_library(), minutes, still, {})
    answers = now(standing.found, running=standing.judged)
    assert answers["bearing_wear_de"].because == answers["overload"].because == "standing"
    assert answers["undervoltage"].because is None
    short = judge_machine(MOTOR, NAMEPLATE, model, fault_library(), {k: v[-60:] for k, v in minutes.items()}, seconds)
    assert now(short.found)["cooling_blocked"].because == "history"
    assert now({}, learning=True)["overload"].because == "learning"
    # What is not measured at all stays said so.
    assert now(found, measured=without("vibration"))["loose_foundation"].because == "not_measured"
