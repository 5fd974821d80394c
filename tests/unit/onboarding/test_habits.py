"""Habits of makers and plants that divide a name from what it measures, or say less than they seem to."""

import pytest

from onboarding import Tag, propose
from onboarding.lexicon import lexicon


def _machines(*names: str) -> list[str]:
    return [item.machine for item in propose([Tag(name) for name in names])]


@pytest.mark.parametrize(
    ("names", "machines"),
    [
        # ISA-5.1: the number of the loops is the machine's.
        (("PI-3101A", "FI-3101A", "TI-3101A", "PI-3101B", "FI-3101B", "TI-3101B"), ("3101A",) * 3 + ("3101B",) * 3),
        # KKS: the system code is the machine's.
        (("10LAC10CE001_XQ01", "10LAC10CT001_XQ01", "10LAC20CE001_XQ01"), ("10LAC10", "10LAC10", "10LAC20")),
        # Parameters of drives.
        (("Fan1.r0027", "Fan1.r0021", "Fan2.r0027"), ("Fan1", "Fan1", "Fan2")),
        (("1号风机_U0_04", "1号风机_U0_05", "2号风机_U0_04"), ("1号风机", "1号风机", "2号风机")),
        # Folders and sensors of one machine.
        (("works/press5/power/i_l1", "works/press5/iolink/v_rms_de"), ("press5", "press5")),
        (("P201_VFD:I.Amps", "P201_FT.Val", "P201_Speed"), ("P201",) * 3),
        (("L07.motor.speed", "L07.motor.power", "L07.running"), ("L07",) * 3),
        # Halls and controllers are no machines; what is called alike beside them measures the same elsewhere.
        (("Hall2.temp", "Hall2.mixerA.speed", "Hall2.mixerB.power"), ("Hall2", "mixerA", "mixerB")),
        (("WW:BLW07:FLOW.PV", "WW:BLW07:MTR_STATOR_T1.PV", "WW:BLW07:KW.PV"), ("BLW07",) * 3),
        (("BL-5501/II-5501A/AI1/PV.CV", "BL-5501/TI-5502/AI1/PV.CV"), ("BL-5501",) * 2),
        (("NAE01/FC-1.CHWP-1.AMPS", "NAE01/FC-1.CHWP-2.AMPS"), ("CHWP-1", "CHWP-2")),
        (("Drive3/Meas/AcCurrentPe/L1", "Drive3/Meas/AcCurrentPe/L2"), ("Drive3",) * 2),
        (("h/pump-03/vvb1/vRms", "h/pump-03/sm8020/flow", "h/pump-04/sm8020/flow"), ("pump-03", "pump-03", "pump-04")),
    ],
)  # fmt: skip
def test_machines(names: tuple[str, ...], machines: tuple[str, ...]) -> None:
    assert _machines(*names) == list(machines)


def test_measuring_points_are_of_the_machine_that_their_descriptions_name() -> None:
    items = propose(
        [
            Tag("21-FIT-1002.PV", "m3/h", "P-2101 flow"),
            Tag("21-PIT-1001.PV", "bar", "P-2101 discharge pressure"),
            Tag("21-FIT-1102.PV", "m3/h", "P-2102 flow"),
            Tag("21-PIT-1101.PV", "bar", "P-2102 discharge pressure"),
        ]
    )
    assert [item.machine for item in items] == ["P-2101", "P-2101", "P-2102", "P-2102"]
    assert [item.signal for item in items] == ["flow", "pressure"] * 2


@pytest.mark.parametrize("code", ["LT12", "BR1", "HTR1", "TT31", "CA2", "M12"])
@pytest.mark.parametrize("name", ["{}_{}", "Plant.{}.{}"])
def test_a_code_of_which_several_quantities_are_measured_is_a_machine(code: str, name: str) -> None:
    tags = [("I_L1", "A"), ("I_L2", "A"), ("Speed", "rpm"), ("Wdg_Temp", "degC"), ("Run", "")]
    items = propose([Tag(name.format(code, leaf), unit) for leaf, unit in tags])
    assert {item.machine for item in items} == {code}
    assert [item.signal for item in items] == ["current_u", "current_v", "speed", "winding_temperature", "running"]


def test_a_machines_own_letter_is_no_phase() -> None:
    names = ("POMPE_A_I1", "POMPE_A_I2", "POMPE_A_I3", "POMPE_A_U12", "POMPE_A_U23", "POMPE_A_U31", "POMPE_A_PACT")
    items = propose([Tag(name, unit) for name, unit in zip(names, ("A", "A", "A", "V", "V", "V", "W"), strict=True)])
    assert {item.machine for item in items} == {"POMPE_A"}
    assert [item.signal for item in items[3:]] == ["voltage_uv", "voltage_vw", "voltage_wu", "power"]


def test_points_with_function_blocks_are_of_the_machine_that_their_descriptions_name() -> None:
    items = propose(
        [
            Tag("TI-2311A/AI1/PV.CV", "degF", "K-2301A MTR DE BRG TEMP"),
            Tag("II-2311B/AI1/PV.CV", "A", "K-2301B MTR CURRENT PH A"),
            Tag("TI-2312A/AI1/PV.CV", "degF", "K-2301A MTR NDE BRG TEMP"),
            Tag("TI-2313B/AI1/PV.CV", "degF", "K-2301B MTR STATOR WDG TEMP"),
        ]
    )
    assert [item.machine for item in items] == ["K-2301A", "K-2301B"] * 2
    assert [item.signal for item in items] == [
        "bearing_temperature_de",
        "current_u",
        "bearing_temperature_nde",
        "winding_temperature",
    ]


@pytest.mark.parametrize("attribute", ["SV", "MV", "PH"])
def test_attributes_of_a_point_that_measure_nothing(attribute: str) -> None:
    items = propose(
        [Tag("FIC1101.PV", "m3/h", "discharge flow"), Tag(f"FIC1101.{attribute}", "m3/h", "discharge flow")]
    )
    assert (items[1].ask, items[1].signal) == (False, None)


def test_inputs_of_modules_are_of_the_machine_that_their_descriptions_name() -> None:
    items = propose(
        [
            Tag("ADAM6017_P5.AI1", "A", "P5 motor current L1"),
            Tag("ADAM6017_P5.AI2", "degC", "P5 motor winding temperature"),
            Tag("ADAM6050_P5.DI0", "", "P5 motor on"),
        ]
    )
    assert [(item.machine, item.signal) for item in items] == [
        ("P5", "current_u"),
        ("P5", "winding_temperature"),
        ("P5", "running"),
    ]


def test_addresses_are_of_the_machine_that_their_descriptions_name() -> None:
    named = [("DB101.DBD0", 3, "L1"), ("DB101.DBD4", 3, "L2"), ("DB101.DBD40", 4, "L1"), ("DB101.DBD44", 4, "L2")]
    items = propose([Tag(name, "A", f"Förderband {number} Strom {phase}") for name, number, phase in named])
    assert [item.machine for item in items] == ["Förderband_3", "Förderband_3", "Förderband_4", "Förderband_4"]
    assert [item.signal for item in items] == ["current_u", "current_v"] * 2


def test_a_short_word_that_the_description_spells_out_is_no_alarm() -> None:
    bearing = Tag("POMPE_1_TPAL_CA", "°C", "Température palier moteur côté accouplement")
    limit = Tag("POMPE_1_T_MAX", "°C", "Température maximale palier moteur côté accouplement")
    items = propose([bearing, limit])
    assert items[0].signal == "bearing_temperature_de"
    assert items[1].signal is None


def test_a_machine_that_has_all_signals_of_a_template_is_of_it() -> None:
    tags = [("voltage", "V"), ("rotation_speed", "rpm"), ("hydraulic_pressure", "MPa"), ("vibration", "mm/s")]
    items = propose([Tag(f"PRESS_01/{name}", unit) for name, unit in tags])
    assert [item.signal for item in items] == ["voltage", "speed", "pressure", "vibration"]
    assert {item.template for item in items} == {"production_machine"}


@pytest.mark.parametrize(
    ("name", "unit", "signal"),
    [
        ("XSJ05_DLA", "A", "current_u"),
        ("XSJ05_QZCWD", "℃", "bearing_temperature_de"),
        ("XSJ05_FQDDZCWD", "℃", "bearing_temperature_nde"),
        ("XSJ05_RZWD", "℃", "winding_temperature"),
        ("XSJ05_DingZiRaoZuWenDu", "℃", "winding_temperature"),
    ],
)
def test_terms_in_pinyin_and_their_initials(name: str, unit: str, signal: str) -> None:
    assert propose([Tag(name, unit), Tag("XSJ05_DLB", "A")])[0].signal == signal


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("degrees-Fahrenheit", "[degF]"),
        ("DEGREES_CELSIUS", "Cel"),
        ("revolutions per minute", "1/min"),
        ("inches-per-second", "[in_i]/s"),
        ("horsepower", "[HP]"),
        ("KWT", "kW"),
        ("C16", "mm/s"),
        ("mW", "mW"),
    ],
)
def test_units_as_standards_spell_them(written: str, unit: str) -> None:
    assert lexicon().unit(written) == (unit, 1.0)


def test_a_machine_taken_apart_is_asked() -> None:
    apart = [
        Tag("Anton/value", "rpm", "speed"),
        Tag("Berta/value", "degC", "winding temperature"),
        Tag("Carla/value", "kW", "power"),
    ]
    items = propose([*apart, Tag("Doris/value", "", "power factor")])
    assert len({item.machine for item in items}) == 4
    assert all(item.ask for item in items)
    fleet = propose([Tag(f"Fan{n}/value", "rpm", "speed") for n in range(1, 9)])
    assert [item.signal for item in fleet] == ["speed"] * 8


def test_registers_are_of_the_machine_that_their_descriptions_name() -> None:
    tags = [Tag(f"D{fan}0{n}", "A", f"{fan}号风机{phase}相电流") for fan in (1, 2) for n, phase in enumerate("UVW")]
    items = propose(tags)
    assert [item.machine for item in items] == ["1号风机"] * 3 + ["2号风机"] * 3
    assert [item.signal for item in items] == ["current_u", "current_v", "current_w"] * 2


def test_the_beginning_of_a_lone_name_is_no_machine() -> None:
    names = ("IA_MAG", "IB_MAG", "VAB_MAG", "PF_3PH", "RUNNING")
    assert len(set(_machines(*names))) == 1


@pytest.mark.parametrize(
    ("tag", "signal"),
    [
        # A status has no unit.
        (Tag("MTR_03.Sts_Amps_PhA", "A"), "current_u"),
        # Pieces of a name in a sentence are no words: no set value, no phase W.
        (Tag("10LAC10CE001_XQ01", "A", "SpW-Pumpe 1 Motor Strom L1"), "current_u"),
        (Tag("Fan1.r0032", "kW", "Active power actual value"), "power"),
        # Figures of a machine are no quantities, registers no status words.
        (Tag("Grinder5 DE Vel RMS", "mm/s", "band 10-1000 Hz"), "vibration_velocity_de"),
        (Tag("PM1.Current L1", "A", "Register 3000"), "current_u"),
        # The oil's pump has the current, not the oil.
        (Tag("ZSJ1_DianLiu_A", "A", "注塑机油泵电机A相电流"), "current_u"),
        # What a description calls the machine says nothing of the tag.
        (Tag("CWP-1_MTR-T", "degF", "Condenser water pump 1 motor winding temperature"), "winding_temperature"),
        # Which winding, and no phase of a current.
        (Tag("KM401:WDG_TEMP_U1", "degC", "Stator winding temperature U1"), "winding_temperature"),
    ],
)
def test_what_says_less_than_it_seems(tag: Tag, signal: str) -> None:
    (item,) = propose([tag])
    assert (item.ask, item.signal) == (False, signal)


def test_a_contradiction_in_the_description_alone_is_asked() -> None:
    (item,) = propose([Tag("M1_I_L1", "A", "current of phase L1, spinning frame")])
    assert item.ask or item.signal == "current_u"


def test_the_state_of_a_whole_machine_may_be_that_it_runs() -> None:
    (item,) = propose([Tag("AHU-1.SF-STS", "", "Supply fan status")])
    assert (item.ask, [candidate.signal for candidate in item.candidates]) == (True, ["running"])
