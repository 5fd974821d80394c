"""What is not measured of the motor, and phases that nothing but a letter says."""

import pytest

from onboarding import Tag, propose

MOTOR = (
    Tag("M1.I_L1", "A"),
    Tag("M1.Motor bearing temp DE", "degC"),
    Tag("M1.Winding temp", "degC"),
    Tag("M1.U_L1L2", "V"),
    Tag("M1.U_L2L3", "V"),
)


def _answer(*tags: Tag) -> str:
    item = propose(tags)[-1]
    return "ask" if item.ask else item.signal or "-"


@pytest.mark.parametrize(
    "tag",
    [
        Tag("M1.Ua", "V"),
        Tag("M1.Pump bearing temp DE", "degC"),
        Tag("M1.BT9", "degC", "Pinion bearing drive end"),
        Tag("M1.BT9", "degC", "COMPR DE BRG TEMP"),
        Tag("M1.Barrel temp", "degC"),
        Tag("M1.Water temp", "degC"),
        Tag("M1.T9", "degC", "discharge air temperature"),
        Tag("M1.Cabin speed", "m/s"),
        Tag("M1.AI7", "mA", "spare"),
        Tag("M1.Comando_marcia"),
    ],
)
def test_what_is_not_the_motors_is_no_signal(tag: Tag) -> None:
    assert _answer(*MOTOR, tag) == "-"


@pytest.mark.parametrize("place", ["Tank agitator", "Paper machine", "Oven zone 3"])
def test_what_the_motor_stands_at_is_not_what_is_measured(place: str) -> None:
    assert _answer(MOTOR[0], Tag("M1.T9", "degC", f"{place} motor winding temperature")) == "winding_temperature"


def test_a_number_of_an_object_is_no_phase() -> None:
    names = ("AHU-3.SF.VFD.AI-1 OUTPUT SPEED", "AHU-3.SF.VFD.AI-3 MOTOR CURRENT")
    assert _answer(Tag(names[0], "rpm"), Tag(names[1], "amperes")) == "ask"


def test_a_letter_is_a_phase_beside_others() -> None:
    speed = Tag("AHU-2.SF speed", "rpm")
    assert _answer(speed, Tag("AHU-2.SF-C", "A", "current")) == "ask"
    phases = [Tag(f"AHU-2.SF-{letter}", "A", "current") for letter in "ABC"]
    assert [item.signal for item in propose(phases)] == ["current_u", "current_v", "current_w"]


def test_blue_is_the_third_phase_where_yellow_is_one() -> None:
    currents = [Tag(f"M1.I{letter}", "A") for letter in "RYB"]
    assert [item.signal for item in propose(currents)] == ["current_u", "current_v", "current_w"]
    axis = [Tag("M1.Ia", "A"), Tag("M1.V_Y", "mm/s"), Tag("M1.Ib", "A")]
    assert propose(axis)[-1].signal == "current_v"


def test_two_letters_that_the_unit_denies_are_asked() -> None:
    crane = [Tag(f"Kran_KW_I_{phase}", "A", "Katzfahrwerk Strom") for phase in "UVW"]
    assert all(item.ask for item in propose(crane))


@pytest.mark.parametrize(
    ("unit", "answer"),
    [("mm/s (rms)", "vibration_velocity_de"), ("mm/s eff.", "vibration_velocity_de"), ("mm/s pk", "ask")],
)
def test_effective_values_are_what_is_meant_and_peaks_are_not(unit: str, answer: str) -> None:
    assert _answer(*MOTOR, Tag("M1.Vib_DE", unit)) == answer
