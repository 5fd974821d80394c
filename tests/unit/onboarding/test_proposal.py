"""Proposals: conversions, questions, what is no signal; and that nothing makes them crash."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onboarding import THRESHOLD, Item, Tag, propose
from onboarding.lexicon import aspects_of, lexicon
from onboarding.matching import profile
from plant import SOURCE_UNITS, ConversionError, conversion, template_library


def one(name: str, unit: str = "", description: str = "", *others: Tag, **more: object) -> Item:
    return propose([Tag(name, unit, description, **more), *others])[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "unit", "signal", "factor", "offset"),
    [
        ("Motor1.I_L1", "A", "current_u", 1, 0),
        ("Motor1.I_L2", "mA", "current_v", 1e-3, 0),
        ("Motor1.I_L3", "kA", "current_w", 1e3, 0),
        ("Motor1.U_L1L2", "kV", "voltage_uv", 1e3, 0),
        ("Motor1.WindingTemp", "degF", "winding_temperature", 5 / 9, -160 / 9),
        ("Motor1.WindingTemp", "K", "winding_temperature", 1, -273.15),
        ("Motor1.WindingTemp", "0.1℃", "winding_temperature", 0.1, 0),
        ("Motor1.ActivePower", "W", "power", 1e-3, 0),
        ("Motor1.ActivePower", "MW", "power", 1e3, 0),
        ("Motor1.VIB_DE", "in/s", "vibration_velocity_de", 25.4, 0),
        ("Motor1.Speed", "1/s", "speed", 60, 0),
        ("Motor1.PF", "%", "power_factor", 0.01, 0),
    ],
)
def test_conversions(name: str, unit: str, signal: str, factor: float, offset: float) -> None:
    item = one(name, unit)
    assert (item.machine, item.template, item.signal, item.ask) == ("Motor1", "motor", signal, False)
    assert item.factor == pytest.approx(factor, rel=1e-12)
    assert item.offset == pytest.approx(offset, rel=1e-12)
    assert item.confidence >= THRESHOLD
    assert item.reason


@pytest.mark.parametrize(
    "name",
    [
        "M1.Current_SP", "M1.I_L1_HiLimit", "M1.CurrentAlarm", "M1.RunHours", "M1.StartCmd", "M1.Fault",
        "M1.Energy_kWh", "M1.StatusWord", "M1.Auto", "电机3_电流设定值", "电机3_温度高报警", "电机3_累计电量",
        "Pumpe_Stoerung", "Pumpe_Sollwert", "dianji2.guzhang", "M1.CurrentAvg",
        "M1.RatedCurrent", "M1.Heartbeat", "M1.ReactivePower",
    ],
)  # fmt: skip
def test_what_is_no_signal(name: str) -> None:
    item = one(name)
    assert (item.signal, item.ask) == (None, False)
    assert item.confidence > THRESHOLD


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("M1.VIB_DE", "g"),  # acceleration is no velocity
        ("M1.Speed", "Hz"),  # a drive's frequency is not its motor's speed
        ("M1.WindingTemp", "bar"),
        ("M1.BearingTemp", "°C"),  # which end
        ("M1.VIB_DE", ""),  # velocity or acceleration
        ("ch07", "°C"),
        ("whatever", ""),
    ],
)
def test_what_is_asked(name: str, unit: str) -> None:
    item = one(name, unit)
    assert item.ask
    assert item.signal is None
    assert item.confidence < THRESHOLD
    assert item.reason


def test_candidates_of_a_question_stand_best_first() -> None:
    item = one("M1.BearingTemp", "°F", "", Tag("M1.I_L1", "A"), Tag("M1.Speed", "rpm"))
    assert [candidate.signal for candidate in item.candidates][:2] == [
        "bearing_temperature_de",
        "bearing_temperature_nde",
    ]
    assert item.candidates[0].factor == pytest.approx(5 / 9)


def test_two_tags_for_one_signal_are_asked() -> None:
    items = propose([Tag("M1.Stator_T1", "°C"), Tag("M1.Stator_T2", "°C"), Tag("M1.Speed", "rpm")])
    assert [item.ask for item in items] == [True, True, False]


def test_the_same_value_in_two_units_is_taken_once() -> None:
    items = propose([Tag("M1.Power", "kW"), Tag("M1.Power [hp]", "hp")])
    assert [item.signal for item in items] == ["power", None]
    assert not any(item.ask for item in items)


def test_values_speak_where_names_do_not() -> None:
    volts = [Tag(f"AI{n}", samples=(398.0 + n, 399.0 + n)) for n in range(1, 4)]
    items = propose(volts)
    assert all(item.ask and len(item.candidates) == 3 for item in items)
    assert "supply voltage" in items[0].reason
    assert one("M1.CurrentU", "A", samples=(31200.0,)).ask
    assert not one("M1.CurrentU", "A", samples=(31.2,)).ask


def test_phase_by_what_is_left() -> None:
    items = propose([Tag(f"P1.AMPS_{phase}", "A") for phase in "RYB"])
    assert [item.signal for item in items] == ["current_u", "current_v", "current_w"]
    items = propose([Tag(f"P1.AMPS_{phase}", "A") for phase in "ABC"])
    assert [item.signal for item in items] == ["current_u", "current_v", "current_w"]


def test_order_and_length_are_those_of_the_tags() -> None:
    tags = [Tag(f"M{n % 3}.I_L{n % 4}", "A") for n in range(20)]
    assert [item.name for item in propose(tags)] == [tag.name for tag in tags]
    assert propose([]) == []


_names = st.text(min_size=1, max_size=60)
_pieces = st.lists(
    st.sampled_from(
        [
            "Motor",
            "1",
            "电机",
            "_",
            ".",
            "/",
            "I",
            "L1",
            "温度",
            "Temp",
            "[",
            "]",
            '"',
            "-",
            " ",
            "W",
            "kW",
            "é",
            "ﷺ",
            "𝟙",
        ]
    ),
    min_size=1,
).map("".join)


@settings(max_examples=300)
@given(
    st.lists(st.builds(Tag, _names | _pieces, st.text(max_size=8) | st.sampled_from(SOURCE_UNITS), _names), max_size=12)
)
def test_any_names_are_answered(tags: list[Tag]) -> None:
    items = propose(tags)
    assert [item.name for item in items] == [tag.name for tag in tags]
    fed = [(item.machine, item.signal) for item in items if item.signal is not None]
    assert len(fed) == len(set(fed))
    for item in items:
        assert 0 <= item.confidence <= 1
        assert item.reason
        assert item.machine
        assert not set(item.machine) & set("/+# ")
        assert not (item.ask and item.signal is not None)


@settings(max_examples=200)
@given(st.sampled_from(SOURCE_UNITS), st.floats(-1e6, 1e6))
def test_factor_and_offset_do_what_the_plant_converts(unit: str, value: float) -> None:
    item = propose([Tag("M1.winding_temperature", unit), Tag("M1.I_L1", "A"), Tag("M1.Speed", "rpm")])[0]
    try:
        expected = conversion(unit, "Cel")(value)
    except ConversionError:
        assert item.signal is None
        return
    assert item.signal == "winding_temperature"
    there = value * item.factor + item.offset
    assert math.isclose(there, expected, rel_tol=1e-12, abs_tol=1e-9)
    assert math.isclose((there - item.offset) / item.factor, value, rel_tol=1e-9, abs_tol=1e-6)


def test_every_signal_of_every_template_can_be_proposed() -> None:
    for template in template_library().values():
        items = propose([Tag(f"line/X1/{signal.key}", signal.unit) for signal in template.signals])
        assert [item.signal for item in items] == [signal.key for signal in template.signals]
        assert {item.template for item in items} == {template.key}


def test_profiles_tell_signals_apart() -> None:
    for template in template_library().values():
        profiles = [tuple(sorted(profile(signal).items())) for signal in template.signals]
        assert len(set(profiles)) == len(profiles)


def test_words_refer_to_meanings_that_exist() -> None:
    words = lexicon()
    known = {
        f"{aspect}:{value}"
        for senses in words._senses.values()
        for sense in senses
        for aspect, value in sense.aspects.items()
    }
    for meanings in (*words.unit_says.values(), *words.goes_with.values(), *words.splits.values(), words.soft):
        assert {f"{a}:{v}" for meaning in meanings for a, v in aspects_of(meaning).items()} <= known
    for stand_in in words.stands_for:
        assert {stand_in.meaning, stand_in.instead_of} <= known
    assert {meaning for pair in words.near for meaning in pair} <= known
    for role in words.roles.values():
        assert set(role.unless) <= known
