"""Power against voltage and current: swapped currents are told from a power that is stuck, and from a light load."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.condition import judge_machine
from analytics.indicators import indicators
from analytics.sensors import power_mismatch
from plant import fault_library, template_library

MOTOR = template_library()["motor"]
NAMEPLATE = MOTOR.complete_nameplate({})


def motor(load, power=None, power_factor=None):
    """A minute of a motor at these loads (n,), with a meter that may say something else."""
    load = np.asarray(load, float)
    noise = np.random.default_rng(1).normal(1, 0.003, (3, len(load)))
    active, reactive = 0.84 * load + 0.03, np.full(len(load), 0.45)
    current = 28.5 * np.hypot(active, reactive)
    true_factor = active / np.hypot(active, reactive)
    values = {f"current_{phase}": current * noise[row] for row, phase in enumerate("uvw")}
    values |= {f"voltage_{pair}": 400 * (noise[row] + 1) / 2 for row, pair in enumerate(("uv", "vw", "wu"))}
    factor = true_factor if power_factor is None else power_factor
    watts = np.sqrt(3) * 400 * current * true_factor if power is None else power
    return values | {"power": watts / 1000 * noise[0], "power_factor": factor * noise[1], "speed": 1475 * noise[2]}


@settings(deadline=None)
@given(st.floats(0, 1.3))
def test_a_motor_at_any_load_has_no_mismatch(load):
    found = indicators("motor", NAMEPLATE, {key: values[-1:] for key, values in motor([load]).items()})
    assert not power_mismatch({key: float(value[0]) for key, value in found.items()}) > 0.1


def verdict(seconds):
    """The leading sensor fault, its probability, and what is not believed; nothing has been learnt yet."""
    judgement = judge_machine(MOTOR, NAMEPLATE, None, fault_library(), {}, seconds)
    return judgement.sensors[0].failure_mode, judgement.sensors[0].probability, judgement.suspects


def test_a_meter_that_reads_next_to_nothing_is_swapped_and_not_believed():
    mode, probability, suspects = verdict(motor([0.8] * 60, power=np.full(60, 300.0), power_factor=np.full(60, 0.02)))
    assert (mode, suspects) == ("phases_swapped", ["power", "power_factor"])
    assert probability > 0.6


@pytest.mark.parametrize("equal_s", [17, 29])
def test_a_power_that_stayed_when_the_load_changed_is_not_called_swapped(equal_s):
    seconds = motor([0.3] * 30 + [0.9] * 30)
    seconds["power"][-equal_s:] = seconds["power"][-45]
    seconds["power"][: 60 - equal_s] = seconds["power"][10] + np.arange(60 - equal_s) * 0.01
    mode, probability, _ = verdict(seconds)
    assert not (mode == "phases_swapped" and probability > 0.2)
