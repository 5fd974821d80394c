"""How far vibration wanders: a machine that rocks, not a sensor's noise and not one step."""

import numpy as np
import pytest

from analytics.condition import _scatter


def scatter(values):
    """Of a minute of vibration, the same at both ends."""
    both = {f"vibration_velocity_{end}": np.asarray(values, float) for end in ("de", "nde")}
    return _scatter(both, None, True)


def test_noise_and_a_step_are_no_rocking_and_rocking_is():
    random = np.random.default_rng(3)
    noise = random.normal(1, 0.07, 60)
    step = np.where(np.arange(60) < 41, 1.0, 2.4)
    rocking = 1 + 0.3 * np.sin(2 * np.pi * np.arange(60) / 25)
    assert scatter(noise) < 0.04
    assert scatter(noise * step) < 0.04
    assert scatter(noise * rocking) > 0.12
    assert scatter(noise * rocking * step) > 0.09


@pytest.mark.parametrize("values", [np.full(60, np.nan), np.ones(20)])
def test_with_too_little_nothing_is_known(values):
    assert np.isnan(scatter(values))


def test_what_never_changes_does_not_wander():
    assert scatter(np.ones(60)) == 0
