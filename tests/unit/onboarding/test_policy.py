"""One witness against several refuses nothing, and one witness alone decides nothing: it is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onboarding import Item, Tag, propose
from onboarding.scaling import scaled


def _answer(item: Item) -> str:
    return "ask" if item.ask else item.signal or "-"


def _answers(*tags: Tag) -> list[str]:
    return [_answer(item) for item in propose(tags)]


@pytest.mark.parametrize(
    ("tag", "answer"),
    [
        # Name and unit say it, and but a word of the description says something else.
        (Tag("M1.V_L1_L2", "", "weight"), "ask"),
        # Strong grounds stay: what the name says, and another part.
        (Tag("M1.V_L1_L2_Limit", "V", "voltage"), "-"),
        (Tag("M1.VibDE", "mm/s", "gearbox"), "-"),
        # Letters of a sentence, and two letters that may be short for anything.
        (Tag("pump-2.ct_clamp", "mV", "CT clamp, 100 mV/A"), "ask"),
        (Tag("Pumpe1.Druck_Pt", "bar", ""), "pressure"),
        # ID fan, and no identification; a link that is ok says nothing of running.
        (Tag("SFB.RUN", "", "ID fan B running"), "running"),
        (Tag("SFB.RUN", "", "running, ok"), "ask"),
        # A state whose other word nobody knows.
        (Tag("MTR_4410.Sts_Huvudkontaktor", "", "", "bool"), "ask"),
    ],
)
def test_what_refuses_a_signal(tag: Tag, answer: str) -> None:
    assert _answers(tag) == [answer]


def test_numbers_of_a_group_address_are_no_phases_of_what_has_none() -> None:
    name = "3/1/{} RLT01 ZUL-Ventilator {}"
    tags = [
        Tag(name.format(11, "Wirkleistung"), "W", "DPT 14.056"),
        Tag(name.format(12, "Drehzahl"), "U/min", "DPT 7.001"),
        Tag(name.format(13, "Betriebsmeldung"), "", "DPT 1.011", "bool"),
    ]
    assert _answers(*tags) == ["power", "speed", "running"]


@pytest.mark.parametrize(
    "description",
    [
        "current L1 x0.1",
        "current L1 *10",
        "current L1, W/10",
        "current L1 1/10 A",
        "current L1, factor 0.01",
        "A相电流, 倍率: 10",
        "Strom L1, Faktor 0,1",
    ],
)
def test_a_factor_of_a_description_is_asked_about(description: str) -> None:
    assert _answers(Tag("M1.Current_L1", "A", description)) == ["ask"]


@pytest.mark.parametrize(
    "description",
    [
        "current L1",
        "CT 100/5 A",
        "power factor 0.85",
        "feeder 10, L1",
        "M1/10L1",
        "cable 3 x 10 mm2",
        "CT 100/10 A",
        "rev 2023/10",
    ],
)
def test_what_is_no_factor(description: str) -> None:
    assert scaled(description) is None


@given(st.text(), st.sampled_from(["V", "A", "kW", "Hz"]), st.integers(1, 6))
def test_a_weight_anywhere_is_one_in_its_power_of_ten(before: str, unit: str, power: int) -> None:
    found = scaled(f"{before} weight: {unit}*{10**power}")
    assert found is not None
    if found.unit:
        assert (found.unit, found.factor) == (unit, pytest.approx(10**-power))


def test_the_weight_of_a_value_is_its_factor() -> None:
    items = propose(
        [
            Tag("W2_EM340.V_L1_L2", "", "Value weight: Volt*10"),
            Tag("W2_EM340.A_L1", "", "Value weight: Ampere*1000"),
            Tag("W2_EM340.A_L2", "", "Value weight: Ampere*1000"),
            Tag("W2_EM340.PF_sys", "", "Value weight: PF*1000"),
        ]
    )
    assert [_answer(item) for item in items] == ["voltage_uv", "current_u", "current_v", "ask"]
    assert [item.factor for item in items[:3]] == [0.1, 0.001, 0.001]


def _fan(letter: str, numbers: range, *, name: str = "21{function}{number}{end}.DACA.PV") -> list[Tag]:
    said = [
        ("TI", "", "DEGC", "MTR STATOR WDG TEMP"),
        ("TI", "", "DEGC", "MTR DE BRG TEMP"),
        ("II", "A", "AMPS", "MTR R PH CURRENT"),
        ("II", "B", "AMPS", "MTR Y PH CURRENT"),
        ("II", "C", "AMPS", "MTR B PH CURRENT"),
    ]
    return [
        Tag(name.format(function=function, number=number, end=end), unit, f"ID FAN {letter} {text}")
        for number, (function, end, unit, text) in zip(numbers, said, strict=True)
    ]


def test_a_letter_may_name_the_machine_and_is_then_no_phase() -> None:
    items = propose([*_fan("A", range(4501, 4506)), *_fan("B", range(4601, 4606))])
    assert [item.machine for item in items] == ["ID_FAN_A"] * 5 + ["ID_FAN_B"] * 5
    one = ["winding_temperature", "bearing_temperature_de", "current_u", "current_v", "current_w"]
    assert [_answer(item) for item in items] == one * 2


def test_a_description_may_end_with_the_machine_also_shortened() -> None:
    tags = [
        Tag("II2201A.PV", "A", "COURANT PH1 MOTEUR RAFFINEUR 2"),
        Tag("II2201B.PV", "A", "COURANT PH2 MOTEUR RAFFINEUR 2"),
        Tag("EI2202.PV", "kV", "TENSION U12 MOTEUR RAFFINEUR 2"),
        Tag("TI2205.PV", "degC", "TEMP PALIER COTE ACCOUPLEMENT MOTEUR RAFF 2"),
    ]
    items = propose(tags)
    assert {item.machine for item in items} == {"RAFFINEUR_2"}
    assert [_answer(item) for item in items] == ["current_u", "current_v", "voltage_uv", "bearing_temperature_de"]


def test_letters_behind_which_only_currents_stand_are_phases() -> None:
    tags = [Tag(f"21II460{number}", "A", f"FAN {letter} CURRENT") for number, letter in enumerate("ABC")]
    assert {item.machine for item in propose(tags)}.isdisjoint({"FAN_A", "FAN_B", "FAN_C"})


def test_a_machines_letter_in_a_description_is_no_phase_where_one_is_said() -> None:
    tags = [Tag(f"SFB.CUR_{phase}", "A", f"ID fan B current phase {phase}") for phase in "ABC"]
    assert _answers(*tags) == ["current_u", "current_v", "current_w"]


MOTOR = (Tag("M1.I_L1", "A"), Tag("M1.I_L2", "A"), Tag("M1.I_L3", "A"), Tag("M1.WindingTemp", "degC"))


def test_a_unit_that_is_missing_beside_others_is_asked() -> None:
    assert _answers(*MOTOR, Tag("M1.Power"))[-1] == "ask"
    assert _answers(*MOTOR, Tag("M1.rpm"))[-1] == "speed"  # its name is its unit
    assert _answers(Tag("M1.Power"), Tag("M1.Speed")) == ["power", "speed"]  # nobody says any


@pytest.mark.parametrize(
    ("tags", "answers"),
    [
        # CR01 may be what CR01_E300 is.
        ([Tag("CR01_Running", "", "", "bool")], ["ask"]),
        # What alone says a pump, in a list of motors.
        ([Tag("Filter7.Pressure", "bar")], ["ask"]),
        # Two sensors of one machine, at its two ends.
        ([Tag("box/port1/v-RMS", "mm/s", "motor DE"), Tag("box/port2/v-RMS", "mm/s", "motor NDE")], ["ask"] * 2),
    ],
)
def test_what_may_be_a_part_of_a_machine_is_asked(tags: list[Tag], answers: list[str]) -> None:
    whole = [Tag(f"CR01_E300:I.L{phase}Current", "A") for phase in (1, 2, 3)]
    assert _answers(*whole, *tags)[3:] == answers


def test_an_end_of_what_is_driven_is_asked() -> None:
    mill = "\\Concentrator\\Ball Mill 2\\"
    motor = [Tag(rf"{mill}Motor\MTR {end} H VEL", "in/s", "Velocity RMS") for end in ("DE", "NDE")]
    pinion = Tag(rf"{mill}Pinion\PIN IB H VEL", "in/s", "Velocity RMS")
    assert _answers(*motor, pinion) == ["vibration_velocity_de", "vibration_velocity_nde", "ask"]


def test_machines_called_alike_are_of_one_kind() -> None:
    first = [Tag(f"CWP-2A.I_L{phase}", "A") for phase in (1, 2, 3)]
    items = propose([*first, Tag("CWP-2A.Speed", "rpm"), Tag("CWP-2B.Speed", "rpm"), Tag("CWP-2B.Vibration", "mm/s")])
    assert {item.template for item in items} == {"motor"}


def test_a_machine_that_is_called_like_a_phase_leaves_the_phase_in_the_description() -> None:
    tags = [Tag(f"L{phase}.Amps", "A", f"current L{phase}") for phase in (1, 2, 3)]
    assert "-" not in _answers(*tags)


def test_a_pumps_own_motor_has_ends() -> None:
    assert _answers(Tag("PMP04.MotorBrgTempDE", "degC"), Tag("PMP04.BrgTempNDE", "degC"))[0] == "bearing_temperature_de"
