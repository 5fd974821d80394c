"""Detectors: scikit-learn's rules, one definition of the score, causality with gaps, and what an engineer expects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from analytics.departure import SMOOTHING_SAMPLES, DepartureModel, learn_departure
from analytics.detectors import DepartureDetector, KernelDetector
from analytics.fleet import DepartureFleet
from analytics.persistence import Persistence
from analytics.scorer import DepartureState, FleetScorer, follow
from analytics.sensor_watch import FleetSensors
from analytics.warmup import judged_signals, warmed_up
from plant import template_library

SEQUENTIAL = {
    "check_methods_sample_order_invariance": "samples follow on one another",
    "check_methods_subset_invariance": "samples follow on one another",
}
SIGNALS = ("a", "b", "c", "d")


def _machine(seed: int, count: int = 900) -> np.ndarray:
    """A load that others follow, in units of their own, with a jump at 700."""
    random = np.random.default_rng(seed)
    load = np.cumsum(random.normal(0, 0.1, count)) * 0.1 + random.normal(0, 1, count)
    values = np.stack([load, 3 * load, -load, 0 * load], axis=1) * [1, 10, 0.1, 1] + [5, 100, 1, 50]
    values += random.normal(0, 0.3, values.shape) * [1, 10, 0.1, 1]
    values[700:, seed % 4] += [4, 40, 0.4, 2][seed % 4]
    return values


def _model(seed: int) -> DepartureModel:
    found = learn_departure(SIGNALS, _machine(seed)[:400])
    assert found is not None
    return found


@pytest.mark.parametrize("detector", [DepartureDetector(), KernelDetector(memory=100)])
def test_scikit_learn_accepts_them(detector):
    check_estimator(detector, expected_failed_checks=SEQUENTIAL, on_skip=None)
    values = _machine(1)
    fitted = clone(detector).fit(values[:400])
    assert np.array_equal(fitted.score_samples(values[400:]), fitted.score_samples(values[400:]))
    assert fitted.departed(values[400:690]).mean() < 0.1
    assert fitted.departed(values[400:])[330:].all()


def test_the_score_is_what_its_definition_says():
    values, model = _machine(2), _model(2)
    scores, _ = follow(model, DepartureState(), values[400:])
    z = (values[400:] - model.mean) / model.scale
    smoothed, broken = np.zeros(4), 1.0
    inverse = np.linalg.inv(model.directions @ np.diag(model.spreads**2) @ model.directions.T)
    for number, sample in enumerate(z):
        smoothed = smoothed + (sample - smoothed) / SMOOTHING_SAMPLES
        alone = np.max(np.abs(smoothed) / model.wander) / 5.5
        together = np.sqrt(smoothed @ inverse @ smoothed / 4) / 2.75
        t2, q = model.score_samples(values[400 + number : 401 + number])[:, 0]
        broken += (min((t2 + q) / 4 / model.usual, 20) - broken) / SMOOTHING_SAMPLES
        assert scores[number] == pytest.approx(max(np.sqrt(alone * together), broken / 4))


def test_a_fleet_scores_as_each_machine_alone():
    random = np.random.default_rng(9)
    samples = {}
    for seed in range(12):
        values = _machine(seed)[400:].copy()
        values[random.random(values.shape) < 0.2] = np.nan
        values[100:140, seed % 4] = np.nan
        values[random.random(len(values)) < 0.1] = np.nan
        samples[seed] = values[: 300 + 15 * seed]
    fleet = DepartureFleet()
    # Taken up one after the other, and judged in portions of differing length.
    for seed in samples:
        fleet.put({seed: _model(seed)}, {})
    parts = [
        fleet.follow({seed: values[: 100 + 10 * seed] for seed, values in samples.items()}),
        fleet.follow({seed: values[100 + 10 * seed :] for seed, values in samples.items()}),
    ]
    for seed, values in samples.items():
        scores, departed = follow(_model(seed), DepartureState(), values)
        assert np.concatenate([part[seed].scores for part in parts]) == pytest.approx(scores)
        assert np.array_equal(np.concatenate([part[seed].departed for part in parts]), departed)


@settings(max_examples=20)
@given(cut=st.integers(1, 500), seed=st.integers(0, 20), gaps=st.floats(0, 0.6))
def test_no_later_sample_changes_a_score_and_a_stored_state_goes_on(cut, seed, gaps):
    values = _machine(seed)[400:].copy()
    values[np.random.default_rng(seed).random(values.shape) < gaps] = np.nan
    model = _model(seed)
    whole, departed = follow(model, DepartureState(), values)
    state = DepartureState()
    first, _ = follow(model, state, values[:cut])
    assert np.allclose(whole[:cut], first, rtol=1e-9)
    rest, rest_departed = follow(model, DepartureState(**state.as_json()), values[cut:])
    assert np.allclose(whole[cut:], rest, rtol=1e-9)
    assert np.array_equal(departed[cut:], rest_departed)


def test_the_signal_that_moved_contributes_most():
    for seed in range(4):
        fleet = DepartureFleet()
        fleet.put({1: _model(seed)}, {})
        smoothed = fleet.follow({1: _machine(seed)[400:]})[1].smoothed
        parts = _model(seed).contributions(smoothed[-1])
        assert np.argmax(parts) == seed % 4
        assert parts.sum() == pytest.approx(1)


def test_a_signal_that_stays_away_is_left_out_and_the_others_are_judged():
    values, model = _machine(1)[400:].copy(), _model(1)
    values[320:, 1] = np.nan  # the one that moved
    scores, departed = follow(model, DepartureState(), values)
    assert departed[319]
    assert not departed[-1]
    values[:, 2:] = np.nan
    values[310:] = np.nan
    frozen, _ = follow(model, DepartureState(), values)
    assert (frozen[310:] == frozen[309]).all(), "of too little nothing is concluded"
    assert np.isfinite(scores).all()


def test_a_lone_spike_is_the_sensors_and_two_in_a_row_are_not():
    values, model = _machine(1)[400:650].copy(), _model(1)
    values[100:200:10, 1] += 3000
    scores, departed = follow(model, DepartureState(), values)
    assert not departed.any()
    assert scores.max() < 1
    values[150:152, 1] += 3000
    assert follow(model, DepartureState(), values)[1][151]


def _watched(model: DepartureModel, values: np.ndarray) -> tuple[FleetSensors, np.ndarray]:
    """The sensors of one machine after some samples, and what is believed of these."""
    sensors = FleetSensors([model])
    return sensors, np.concatenate([sensors.step(sample[None], np.array([0])) for sample in values])


def test_sensors_are_told_apart_by_what_is_usual_for_them():
    values = _machine(1)[:700].copy()
    values[:, 3] = np.round(values[:, 3] / 2) * 2  # so coarse that it repeats itself all the time
    model = learn_departure(SIGNALS, values[:400])
    assert model is not None
    well, believed = _watched(model, values[400:])
    assert np.array_equal(believed, values[400:])
    assert well.indicators(0) == {"stuck_signals": 0, "dropout_share": 0, "spikes": 0}
    assert well.suspects(0) == []

    stuck = values[400:].copy()
    stuck[100:, 0] = stuck[100, 0]
    sensors, believed = _watched(model, stuck)
    assert sensors.suspects(0) == ["a"]
    assert np.flatnonzero(np.isnan(believed[:, 0]))[0] == 100 + 29
    assert np.array_equal(believed[:, 1:], stuck[:, 1:])

    spiky = values[400:].copy()
    spiky[[250, 280], 2] *= 9
    sensors, _ = _watched(model, spiky)
    assert sensors.indicators(0)["spikes"] == 2
    assert sensors.suspects(0) == ["c"]
    for sample in values[400:500]:
        sensors.step(sample[None], np.array([0]))
    assert sensors.indicators(0)["spikes"] == 0, "a minute later it is over"

    well.count(0, np.array([0, 60, 0, 0]), np.full(4, 60), 60)
    assert well.suspects(0) == ["b"]
    assert well.indicators(0)["dropout_share"] == 1


def test_when_all_stand_still_no_sensor_is_stuck():
    sensors, _ = _watched(_model(1), np.repeat(_machine(1)[400:401], 200, axis=0))
    assert sensors.suspects(0) == []


def test_what_is_known_of_sensors_survives_another_machine_being_taken_up():
    values = _machine(1)[400:480].copy()
    values[20:, 0] = values[20, 0]
    fleet = DepartureFleet()
    fleet.put({1: _model(1)}, {})
    fleet.follow({1: values[:40]})
    fleet.put({2: _model(2)}, {})
    fleet.follow({1: values[40:], 2: _machine(2)[400:410]})
    assert fleet.sensors(1) == ({"stuck_signals": 1, "dropout_share": 0, "spikes": 0}, ["a"])
    assert fleet.sensors(2)[1] == []


def test_a_start_in_the_baseline_does_not_blind_the_model():
    values = _machine(3)
    values[:8] *= 0.1
    blinded = learn_departure(SIGNALS, values[:400])
    assert blinded is not None
    assert blinded.mean == pytest.approx(_model(3).mean, rel=0.05, abs=0.1)
    assert follow(blinded, DepartureState(), values[400:])[1][330:].all()


def test_a_constant_signal_may_stay_constant():
    values = _machine(0)
    values[:, 3] = 50.0
    model = learn_departure(SIGNALS, values[:400])
    assert model is not None
    assert not follow(model, DepartureState(), values[400:690])[1].any()


def test_models_of_another_form_are_learnt_anew():
    model = _model(0)
    again = DepartureModel.from_bytes(model.to_bytes())
    assert again is not None
    assert (again.leading, again.usual, again.samples) == (model.leading, model.usual, 400)
    import io

    buffer = io.BytesIO()
    np.savez_compressed(buffer, signals=np.array(SIGNALS), mean=model.mean)
    assert DepartureModel.from_bytes(buffer.getvalue()) is None


def _persist(scores: list[float]) -> list[bool]:
    held, row = Persistence.of(1), np.array([0])
    return [bool(held.follow(np.array([score]), row)[0]) for score in scores]


def test_on_at_the_limit_off_at_half_of_it():
    assert _persist([0.9, 1.1, 0.9, 0.6, 0.4, 0.9, 1.1]) == [False, True, True, True, False, False, True]


def test_over_when_a_fifth_of_the_peak_is_left_and_anew_only_when_it_grows():
    assert _persist([50, 20, 9, 9, 15, 21]) == [True, True, False, False, False, True]
    # What stays long enough is a departure of its own.
    assert _persist([50, 9, *[9.0] * 700])[-1]
    # Once it was calm, the limit is the limit.
    assert _persist([50, 9, 0.3, 1.2]) == [True, False, False, True]


def test_slow_signals_are_judged_only_where_the_baseline_has_seen_them_settle():
    pump = template_library()["pump_set"]
    keys = ("flow", "motor_temperature", "current")
    random = np.random.default_rng(2)
    steady = random.normal(40, 1, (1000, 3))
    warming = steady.copy()
    warming[:, 1] += 30 * (1 - np.exp(-np.arange(1000) / 300))
    assert judged_signals(pump, keys, steady, 60.0) == [0, 1, 2]
    assert judged_signals(pump, keys, warming, 60.0) == [0, 2]
    assert judged_signals(pump, keys, steady, 1.0) == [0, 2], "a quarter of an hour is too short to know"
    assert warmed_up(np.full((1000, 2), np.nan), 60.0).tolist() == [False, False]


def test_many_machines_are_one_array():
    models = [_model(seed) for seed in range(4)] * 25
    scorer = FleetScorer(models)
    values = np.stack([_machine(seed)[400] for seed in range(4)] * 25)
    scores, _ = scorer.step(values)
    assert scores.shape == (100,)
    assert scores[:4] == pytest.approx(scores[-4:])
