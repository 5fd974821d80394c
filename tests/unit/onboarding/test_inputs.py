"""Electrical inputs: ranges of descriptions, and what is asked where they are not there."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding import Tag, propose
from onboarding.inputs import electrical_input


@pytest.mark.parametrize(
    "description",
    [
        "winding 4-20 mA = 0-150 degC",
        "winding 0-150 °C (4-20 mA)",
        "winding 4..20mA -> 0..150°C",
        "winding 4 to 20 mA: 0 to 150 °C",
        "绕组4~20mA对应0~150℃",
    ],
)
def test_a_transmitter_with_its_range_is_converted(description: str) -> None:
    (item,) = propose([Tag("RTU4.AI2", "mA", f"motor temperature {description}")])
    assert item.signal == "winding_temperature"
    assert (item.factor * 4 + item.offset, item.factor * 20 + item.offset) == pytest.approx((0, 150))


@given(st.integers(-200, 200), st.integers(1, 2000))
def test_the_ends_of_a_range_are_the_ends_of_the_input(low: int, width: int) -> None:
    found = electrical_input(f"T 4..20 mA = {low}..{low + width} degC", "mA")
    assert found is not None
    assert math.isclose(found.factor * 4 + found.offset, low, abs_tol=1e-9)
    assert math.isclose(found.factor * 20 + found.offset, low + width, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("unit", "description"),
    [
        ("mA", "motor current L1, transducer 4-20 mA"),
        ("V", "motor voltage U-V, 0-10 V"),
        ("mA", "motor current L1 4-20 mA, 0-100 A or 0-200 A"),  # which of the two?
        ("%", "motor current L1 in % of rated"),
        ("%", "Motordrehzahl, 100 % = Nenndrehzahl"),
    ],
)
def test_what_only_another_figure_converts_is_asked(unit: str, description: str) -> None:
    items = propose([Tag("M1.AI2", unit, description), Tag("M1.Winding temp", "degC")])
    assert items[0].ask


def test_a_small_current_is_one() -> None:
    (item, _) = propose([Tag("P3.strom_L1", "mA", "Strom Phase L1"), Tag("P3.strom_L2", "mA")])
    assert (item.signal, item.factor) == ("current_u", 0.001)


def test_a_band_of_frequencies_is_no_range() -> None:
    found = electrical_input("vibration 10-1000 Hz, 4-20 mA = 0-25 mm/s", "mA")
    assert found is not None
    assert (found.unit, found.factor) == ("mm/s", 25 / 16)
