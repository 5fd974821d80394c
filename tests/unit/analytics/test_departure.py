"""Departure and behaviour models: strictly causal, through storage unchanged, and right about a plain case."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.behaviour import BehaviourModel, lagged, learn
from analytics.departure import DepartureModel, learn_departure
from analytics.scorer import DepartureState, follow
from plant import Expectation


@pytest.fixture(scope="module")
def normal():
    random = np.random.default_rng(4)
    load = random.normal(0, 1, 1500)
    return np.stack([load, 2 * load + random.normal(0, 0.2, 1500), random.normal(5, 1, 1500)], axis=1)


@pytest.fixture(scope="module")
def model(normal):
    found = learn_departure(("a", "b", "c"), normal[:400])
    assert found is not None
    return found


def test_departs_when_the_relation_breaks_though_each_value_is_usual(model, normal):
    broken = normal[400:].copy()
    broken[500:, 1] *= -1
    _, departed = follow(model, DepartureState(), broken)
    assert departed[:500].mean() < 0.03
    assert departed[560:].mean() > 0.9


@settings(max_examples=25)
@given(st.integers(1, 1000))
def test_what_comes_later_changes_no_earlier_score(model, normal, cut):
    whole, _ = follow(model, DepartureState(), normal[400:])
    first, _ = follow(model, DepartureState(), normal[400 : 400 + cut])
    # Matrix products of other shapes differ in the last bits.
    assert np.allclose(whole[:cut], first, rtol=1e-9)


@settings(max_examples=25)
@given(st.integers(1, 1000))
def test_in_portions_gives_the_same_scores(model, normal, cut):
    whole, _ = follow(model, DepartureState(), normal[400:])
    state = DepartureState()
    parts = [follow(model, state, normal[400 : 400 + cut])[0], follow(model, state, normal[400 + cut :])[0]]
    assert np.allclose(whole, np.concatenate(parts))


def test_models_survive_storage(model, normal):
    again = DepartureModel.from_bytes(model.to_bytes())
    assert again.signals == model.signals
    assert np.array_equal(again.score_samples(normal), model.score_samples(normal))


def test_too_little_is_not_learnt_from(normal):
    assert learn_departure(("a", "b", "c"), normal[:50]) is None


def test_lag_is_causal_and_holds_the_last_known_input():
    values = np.array([0.0] * 100 + [1.0] * 100)
    whole = lagged(values, 60, 600)
    assert np.array_equal(lagged(values[:150], 60, 600), whole[:150])
    gone = values.copy()
    gone[120:] = np.nan
    assert lagged(gone, 60, 600) == pytest.approx(whole)


def test_behaviour_learns_a_thermal_relation_and_survives_storage():
    random = np.random.default_rng(7)
    n = 3000
    current = 0.7 + 0.2 * np.sin(np.arange(n) / 40)
    ambient = 20 + 5 * np.sin(np.arange(n) / 230)
    heat = lagged(current**2, 60, 900)
    found = {
        "copper": current**2,
        "current_ratio": current,
        "ambient_temperature": ambient,
        "winding_temperature": ambient + 60 * heat + random.normal(0, 0.2, n),
    }
    expectation = Expectation(signal="winding_temperature", features=("ambient_temperature", "copper_900"))
    model = learn(found, [expectation], ["winding_temperature"], 60, 1000)
    assert model is not None
    again = BehaviourModel.from_bytes(model.to_bytes())
    (expected,) = again.expected
    assert expected.weights == pytest.approx([1, 60], rel=0.05)
    assert again.usual == model.usual
    assert learn({key: values[:500] for key, values in found.items()}, [expectation], [], 60, 1000) is None
