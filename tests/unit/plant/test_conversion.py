"""Units of devices become units of signals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant import SOURCE_UNITS, UNITS, ConversionError, conversion


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (212.0, "[degF]", "Cel", 100.0),
        (-40.0, "degF", "Cel", -40.0),
        (273.15, "K", "Cel", 0.0),
        (20.0, "Cel", "K", 293.15),
        (400_000.0, "mV", "V", 400.0),
        (1.2, "kA", "A", 1200.0),
        (100.0, "[HP]", "kW", 74.569_987),  # NIST SP 811, B.8: 745.6999 W
        (1.0, "hp_M", "kW", 75 * 9.806_65 / 1000),
        (1.0, "mW", "kW", 1e-6),
        (671.67, "[degR]", "Cel", 100.0),
        (1.0, "rad/s", "1/min", 9.549_296_6),
        (760.0, "mm[Hg]", "bar", 1.013_250_144),
        (1.0, "[in_i'H2O]", "Pa", 249.088_91),  # NIST SP 811, B.8, conventional
        (1.0, "[gal_br]/min", "L/min", 4.546_09),
        (3.6, "MJ", "kW.h", 1.0),
        (1.0, "[in_i]/s", "mm/s", 25.4),
        (9.80665, "m/s2", "g", 1.0),
        (14.503_773_773, "[psi]", "bar", 1.0),
        (2.0, "kgf/cm2", "bar", 1.961_33),
        (10.0, "m[H2O]", "bar", 0.980_665),
        (1440.0, "m3/d", "m3/h", 60.0),
        (60.0, "m3/h", "L/min", 1000.0),
        (25.0, "1/s", "1/min", 1500.0),
        (87.0, "%", "1", 0.87),
        (7.0, "℃", "Cel", 7.0),
    ],
)
def test_known_values(value: float, source: str, target: str, expected: float) -> None:
    assert conversion(source, target)(value) == pytest.approx(expected, rel=1e-8, abs=1e-9)


def test_the_same_unit_changes_no_bit() -> None:
    assert conversion("A", "A")(0.1 + 0.2) == 0.1 + 0.2


@pytest.mark.parametrize(("source", "target"), [("A", "V"), ("Hz", "1/min"), ("furlong", "mm/s"), ("bool", "1")])
def test_what_does_not_measure_the_same_is_refused_by_name(source: str, target: str) -> None:
    with pytest.raises(ConversionError, match=rf"{source}.*{target}"):
        conversion(source, target)


def test_every_unit_of_the_plant_can_be_sent() -> None:
    assert set(UNITS) <= set(SOURCE_UNITS)


def related() -> st.SearchStrategy[tuple[str, str]]:
    pairs = []
    for source in SOURCE_UNITS:
        for target in UNITS:
            try:
                conversion(source, target)
            except ConversionError:
                continue
            pairs.append((source, target))
    return st.sampled_from(pairs)


@given(related(), st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same(units: tuple[str, str], value: float) -> None:
    source, target = units
    assert conversion(target, source)(conversion(source, target)(value)) == pytest.approx(value, rel=1e-9, abs=1e-6)
