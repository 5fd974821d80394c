"""Templates say what is wrong with them, and limits follow the nameplate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant import TemplateError, load_template, template_library, unit


@pytest.fixture
def motor():
    return template_library()["motor"]


def test_limits_follow_the_nameplate(motor):
    def threshold(key, **nameplate):
        limits = motor.resolved_limits(motor.complete_nameplate(nameplate))
        return next(entry.threshold for entry in limits if entry.limit.key == key)

    # Baldor MN408: 155 degC for class F, 175 for H. ISO 20816-3 B/C: 2.8 mm/s group 2 rigid, 7.1 group 1 flexible.
    assert threshold("winding_temperature_alarm") == 155
    assert threshold("winding_temperature_alarm", insulation_class="H") == 175
    assert threshold("vibration_de_warning") == 2.8
    assert threshold("vibration_de_warning", vibration_group="1", mounting="flexible") == 7.1
    assert threshold("undervoltage", rated_voltage=690.0) == pytest.approx(621)


def test_every_template_uses_known_units_and_names_both_languages():
    for template in template_library().values():
        for signal in template.signals:
            assert unit(signal.unit)
            assert signal.name_en
            assert signal.name_zh


def test_standstill_allowance_depends_on_duty(motor):
    allowed = [motor.standstill_s(motor.complete_nameplate({"duty": duty})) for duty in ("continuous", "cyclic")]
    assert allowed[0] < allowed[1]


@pytest.mark.parametrize(
    ("nameplate", "said"),
    [
        ({"rated_powr": 3.0}, "rated_powr"),
        ({"rated_power": "a lot"}, "rated_power"),
        ({"insulation_class": "Z"}, "B, F, H"),
    ],
)
def test_wrong_nameplate_names_the_field(motor, nameplate, said):
    with pytest.raises(TemplateError, match=said):
        motor.complete_nameplate(nameplate)


HEAD = 'key="x"\nversion=1\nname_en="x"\nname_zh="x"\n'
LIMIT = (
    'key="l", indicator="a", above={of="none"}, severity="alarm", name_en="l", name_zh="l", unit="%", '
    'standard="s", edition="e", source="s"'
)

SIGNAL = '{key="a", unit="A", name_en="a", name_zh="a"}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key = ", "not TOML"),
        ('key = "x"', "version"),
        (HEAD + 'signals=[{key="a", unit="furlong", name_en="a", name_zh="a"}]', "furlong"),
        (HEAD + "signals=[]\nlimits=[{" + LIMIT + "}]", "none"),
        (HEAD + "signals=[]\nlimits=[{" + LIMIT.replace('edition="e", ', "") + "}]", "edition"),
        (HEAD + "signals=[]\nlimits=[{" + LIMIT.replace('source="s"', 'source=""') + "}]", "source"),
        (HEAD + "signals=[" + SIGNAL + "]\nlimits=[{" + LIMIT + "}]", "the signal's"),
    ],
)
def test_wrong_template_names_file_and_reason(tmp_path, text, said):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(TemplateError, match=said) as caught:
        load_template(path)
    assert "wrong.toml" in str(caught.value)


@given(st.sampled_from(["B", "F", "H"]), st.sampled_from(["1", "2"]), st.sampled_from(["rigid", "flexible"]))
def test_warning_comes_before_alarm_for_every_nameplate(insulation, group, mounting):
    motor = template_library()["motor"]
    nameplate = motor.complete_nameplate(
        {"insulation_class": insulation, "vibration_group": group, "mounting": mounting}
    )
    numbers = {entry.limit.key: entry.threshold for entry in motor.resolved_limits(nameplate)}
    assert numbers["vibration_de_warning"] < numbers["vibration_de_alarm"]
    assert numbers["winding_temperature_alarm"] < numbers["winding_temperature_trip"]


# ISO 10816-3:2009, mm/s RMS: zone boundaries B/C and C/D by group and support.
ZONES = [("1", "rigid", 4.5, 7.1), ("1", "flexible", 7.1, 11.0), ("2", "rigid", 2.8, 4.5), ("2", "flexible", 4.5, 7.1)]


@pytest.mark.parametrize(("group", "mounting", "zone_c", "zone_d"), ZONES)
def test_zones_of_vibration(motor, group, mounting, zone_c, zone_d):
    nameplate = motor.complete_nameplate({"vibration_group": group, "mounting": mounting})
    numbers = {entry.limit.key: entry.threshold for entry in motor.resolved_limits(nameplate)}
    for end in ("de", "nde"):
        assert (numbers[f"vibration_{end}_warning"], numbers[f"vibration_{end}_alarm"]) == (zone_c, zone_d)


# Baldor MN408, RTD in the winding [degC]: alarm and trip by rise class; anti-friction bearings alarm at 100.
@pytest.mark.parametrize(("insulation", "alarm", "trip"), [("B", 130, 140), ("F", 155, 165), ("H", 175, 185)])
def test_limits_of_temperature(motor, insulation, alarm, trip):
    nameplate = motor.complete_nameplate({"insulation_class": insulation})
    numbers = {entry.limit.key: entry.threshold for entry in motor.resolved_limits(nameplate)}
    assert (numbers["winding_temperature_alarm"], numbers["winding_temperature_trip"]) == (alarm, trip)
    assert numbers["bearing_temperature_de_alarm"] == numbers["bearing_temperature_nde_alarm"] == 100


def test_every_limit_says_where_its_number_comes_from_and_that_nobody_has_signed_it():
    limits = [limit for template in template_library().values() for limit in template.limits]
    assert limits
    for limit in limits:
        assert unit(limit.unit)
        assert limit.standard
        assert limit.edition
        assert limit.source
        assert not limit.verified, f"{limit.key}: who has signed it, with which text?"


def test_a_limit_keeps_what_an_alarm_must_say(motor):
    (limit,) = (
        entry
        for entry in motor.resolved_limits(motor.complete_nameplate({}))
        if entry.limit.key == "vibration_de_warning"
    )
    row = limit.row()
    assert (row["unit"], row["above"], row["verified"]) == ("mm/s", True, False)
    assert (row["standard"], row["edition"], row["cited"]) == (
        "ISO 20816-3", "10816-3:2009", "ISO 20816-3 (10816-3:2009)",
    )  # fmt: skip
    assert row["name_zh"] == "驱动端振动进入C区"
