"""The commissioning check: each ill is found and named with what to do, and a healthy motor has none."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pytest

from onboarding import CheckAnswer, SignalReadings, check_machine
from plant import template_library, to_microseconds

MOTOR = template_library()["motor"]
NOW = to_microseconds(datetime.fromisoformat("2026-11-20T08:00:00Z"))
NAMEPLATE = {"rated_power": 15.0, "rated_voltage": 400.0, "rated_current": 28.5, "rated_speed": 1470.0}
HEALTHY: Mapping[str, float] = {
    "current_u": 25.0, "current_v": 25.2, "current_w": 24.8, "voltage_uv": 400.0, "voltage_vw": 401.0,
    "voltage_wu": 399.0, "winding_temperature": 75.0, "bearing_temperature_de": 55.0, "bearing_temperature_nde": 52.0,
    "ambient_temperature": 25.0, "vibration_velocity_de": 1.1, "vibration_velocity_nde": 1.0, "speed": 1472.0,
    "power": 14.5, "power_factor": 0.84, "running": 1.0,
}  # fmt: skip


def readings(
    changes: Mapping[str, float] | None = None, *, age_s: float = 1.0, still: str = "", quality: int = 0, n: int = 120
) -> dict[str, SignalReadings]:
    """A minute and more of a motor, each signal waving by a thousandth; ``still`` names one that does not."""
    times = NOW - int(age_s * 1e6) - np.arange(n, dtype=np.int64)[::-1] * 1_000_000
    found = {}
    for key, value in {**HEALTHY, **(changes or {})}.items():
        wave = 1.0 if key in {"running", still} else 1 + 0.001 * np.sin(np.arange(n))
        found[key] = SignalReadings(times, np.full(n, value) * wave, np.full(n, quality, np.int16), int(times[-1]))
    return found


def answers(known: dict[str, SignalReadings]) -> list[CheckAnswer]:
    return [answer for answer in check_machine(MOTOR, NAMEPLATE, known, NOW) if answer.level != "ok"]


def test_a_healthy_motor_has_nothing_to_say() -> None:
    assert answers(readings()) == []
    assert {answer.check for answer in check_machine(MOTOR, NAMEPLATE, readings(), NOW)} == {
        "clock",
        "missing",
        "phases",
    }


@pytest.mark.parametrize(
    ("changes", "check", "signal", "word"),
    [
        ({"voltage_uv": 0.4, "voltage_vw": 0.401, "voltage_wu": 0.399}, "unit", "voltage_uv", "factor by 1000"),
        ({"current_u": 25_000.0, "current_v": 25_200.0, "current_w": 24_800.0}, "unit", "current_u", "factor by 0.001"),
        ({"power": 14_500.0}, "unit", "power", "factor by 0.001"),
        ({"power": 14.5 / 3}, "power", "power", "one phase"),
        ({"voltage_uv": 231.0, "voltage_vw": 231.5, "voltage_wu": 230.5}, "unit", "voltage_uv", "factor by 1.73205"),
        ({"winding_temperature": 348.0}, "unit", "winding_temperature", "-273.15"),
        ({"power_factor": 84.0}, "unit", "power_factor", "0.01"),
        ({"bearing_temperature_de": -60.0}, "range", "bearing_temperature_de", "right tag"),
        ({"current_v": 2.5}, "phases", "current_v", "transformer"),
        ({"running": 0.0}, "running", "running", "inverted"),
        ({"speed": 24.5}, "unit", "speed", "factor by 60"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, float], check: str, signal: str, word: str) -> None:
    found = [answer for answer in answers(readings(changes)) if answer.check == check]
    assert signal in {answer.signal for answer in found}, answers(readings(changes))
    assert any(word in answer.fix for answer in found)


def test_a_machine_at_rest_is_not_judged_by_its_nameplate() -> None:
    rest = {"current_u": 0.0, "current_v": 0.0, "current_w": 0.0, "power": 0.0, "speed": 0.0, "running": 0.0}
    assert answers(readings(rest | {"power_factor": 0.0, "vibration_velocity_de": 0.05})) == []


def test_stuck_missing_and_bad() -> None:
    assert [(one.check, one.signal) for one in answers(readings(still="winding_temperature"))] == [
        ("stuck", "winding_temperature")
    ]
    assert answers(readings(still="winding_temperature", n=20)) == []
    partly = readings()
    del partly["ambient_temperature"]
    assert [(one.check, one.level, one.signal) for one in answers(partly)] == [
        ("missing", "warning", "ambient_temperature")
    ]
    assert {one.check for one in answers(readings(quality=2))} == {"quality"}


@pytest.mark.parametrize(
    ("age_s", "word"),
    [(-30, "in the future"), (8 * 3600 + 2, "whole number of half hours"), (700, "nothing has arrived for 700 s")],
)
def test_clocks(age_s: float, word: str) -> None:
    assert word in answers(readings(age_s=age_s))[0].found


def test_nothing_at_all() -> None:
    (answer,) = answers({})
    assert answer.level == "problem"
    assert "brain doctor" in answer.fix


def test_one_signal_that_stopped() -> None:
    known = readings()
    late = readings(age_s=500)["speed"]
    assert [(one.check, one.signal) for one in answers(known | {"speed": late})] == [("arriving", "speed")]
