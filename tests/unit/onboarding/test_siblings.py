"""What tags of a machine say of one another, and what stays a question."""

import pytest

from onboarding import Item, Tag, propose

MOTOR = (Tag("M1.I_L1", "A"), Tag("M1.I_L2", "A"), Tag("M1.WindingTemp", "degC"))
PUMP = (Tag("P1.Amps", "A"), Tag("P1.Flow", "m3/h"), Tag("P1.FluidTemp", "degC"))


def answers(*tags: Tag) -> dict[str, str]:
    """Signal, ``-`` or ``ask`` by the last part of each name."""
    return {item.name.split(".")[-1]: _answer(item) for item in propose(tags)}


def _answer(item: Item) -> str:
    return "ask" if item.ask else item.signal or "-"


def test_the_only_tag_in_a_unit_is_the_only_signal_in_it() -> None:
    assert answers(*MOTOR, Tag("M1.Teljesitmeny", "kW"))["Teljesitmeny"] == "power"
    two = answers(*MOTOR, Tag("M1.Teljesitmeny", "kW"), Tag("M1.Masik", "kW"))
    assert (two["Teljesitmeny"], two["Masik"]) == ("ask", "ask")
    assert answers(Tag("M1.Teljesitmeny", "kW"))["Teljesitmeny"] == "ask"  # nothing else is known of it
    assert answers(*MOTOR, Tag("M1.picks", "1/min"))["picks"] != "speed"  # anything is counted in it
    assert answers(*MOTOR, Tag("M1.Foo", "kW", "Bar baz"))["Foo"] == "ask"  # said, and not understood


def test_the_discharge_comes_before_the_suction() -> None:
    both = answers(*PUMP, Tag("P1.DischPress", "bar"), Tag("P1.SuctPress", "bar"))
    assert (both["DischPress"], both["SuctPress"]) == ("pressure", "ask")
    assert answers(*PUMP, Tag("P1.SuctPress", "bar"))["SuctPress"] == "ask"


def test_the_measured_comes_before_the_estimated_and_the_motor_before_the_spindle() -> None:
    speeds = answers(*MOTOR, Tag("M1.Motor speed", "rpm"), Tag("M1.Motor speed estimated", "rpm"))
    assert (speeds["Motor speed"], speeds["Motor speed estimated"]) == ("speed", "ask")
    speeds = answers(*MOTOR, Tag("M1.Main motor speed", "rpm"), Tag("M1.Spindle speed", "rpm"))
    assert speeds["Main motor speed"] == "speed"
    assert speeds["Spindle speed"] == "ask"


def test_a_yes_or_no_beside_running_that_says_nothing_known_is_no_signal() -> None:
    odd = Tag("M1.Valmis", data_type="bool")
    assert answers(*MOTOR, Tag("M1.Running"), odd)["Valmis"] == "-"
    assert answers(*MOTOR, odd)["Valmis"] == "ask"


def test_three_counted_from_zero_are_the_phases() -> None:
    items = propose([Tag(f"_ULL[{n}]", "V") for n in range(3)] + [Tag("_PSUM", "kW")])
    assert [item.signal for item in items] == ["voltage_uv", "voltage_vw", "voltage_wu", "power"]


def test_currents_of_three_phases_are_asked_together() -> None:
    items = propose([*(Tag(f"ch{n}", "A", samples=(22.0 + n / 10, 22.4)) for n in range(3)), Tag("speed", "rpm")])
    assert all(item.ask and len(item.candidates) == 3 for item in items[:3])
    assert "currents of three phases" in items[0].reason


def test_another_part_of_the_machine_is_asked() -> None:
    parts = answers(Tag("M1.Motor.I_L1", "A"), Tag("M1.Motor.VibDE", "mm/s"), Tag("M1.Fan.VibNDE", "mm/s"))
    assert (parts["VibDE"], parts["VibNDE"]) == ("vibration_velocity_de", "ask")


@pytest.mark.parametrize(("high", "said"), [(27648.0, "converter"), (100.0, "per cent")])
def test_a_range_that_is_not_in_the_unit_is_asked(high: float, said: str) -> None:
    items = propose([*MOTOR, Tag("M1.Speed", low=0.0, high=high)])
    assert items[-1].ask
    assert said in items[-1].reason
    assert not propose([*MOTOR, Tag("M1.Speed", "rpm", low=0.0, high=high)])[-1].ask


def test_a_flow_without_a_unit_is_asked_and_its_name_may_have_one() -> None:
    assert answers(*PUMP, Tag("P1.Pressure"))["Pressure"] == "ask"
    item = propose([Tag("P1.Amps", "A"), Tag("P1.FluidTemp", "degC"), Tag("P1.Flow_GPM")])[-1]
    assert (item.signal, item.factor) == ("flow", pytest.approx(3.785411784))


def test_what_may_be_two_kinds_of_machine_is_asked() -> None:
    items = propose([Tag("X7.Current", "A"), Tag("X7.Voltage", "V")])
    assert all(item.ask for item in items)
    assert "Motor and pump set" in items[0].reason
    assert answers(*PUMP)["Amps"] == "current"


@pytest.mark.parametrize(
    ("tag", "answer"),
    [
        # A unit that makes another quantity of a word, or that nobody knows.
        (Tag("M1.Power", "kWh"), "-"),
        (Tag("M1.Belt speed", "m/s"), "-"),
        (Tag("M1.Gurt", "furlong"), "ask"),
        (Tag("M1.Clamp", "kN"), "-"),
        # The neutral's current is none of a phase.
        (Tag("M1.In", "A"), "-"),
        (Tag("M1.U1N", "V"), "-"),
        # A bit of a status word may be that it runs.
        (Tag("M1.r0899", "", "Status word: operation enabled"), "ask"),
        # A short word that the description spells out otherwise.
        (Tag("M1.Temp_SP", "degC", "Temperatur Wicklung Spule"), "ask"),
        # A word nobody knows beside one that many things say, and another part of the machine.
        (Tag("M1.ZBX_ON"), "ask"),
        (Tag("M1.HTR_ON"), "-"),
        (Tag("M1.Voltage DC bus", "V"), "-"),
        # Without units: two letters are no unit, a belt's speed no motor's, a place alone says no kind of vibration.
        (Tag("M1.Ua"), "ask"),
        (Tag("M1.Belt speed"), "-"),
        (Tag("M1.DE Velocity"), "ask"),
        (Tag("M1.Sts_Amps_PhC"), "ask"),
        (Tag("M1.PFsys"), "power_factor"),
        (Tag("M1.Status_Faulted"), "-"),
        # What runs is an adjective beside a quantity.
        (Tag("M1.运行转速", "rpm"), "speed"),
    ],
)
def test_what_stays_open_and_what_does_not(tag: Tag, answer: str) -> None:
    assert answers(*MOTOR, tag)[tag.name.split(".")[-1]] == answer
