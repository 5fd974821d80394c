"""Supply or feeder: peers on the bus decide, and where they cannot, it is said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.condition import judge_machine
from analytics.supply import LEAST_PEERS, Comparisons, Origin, Peers, count_peers, leads, shows, supply_indicators
from plant import fault_library

UNBALANCE = fault_library()["voltage_unbalance"].symptoms[0]


@pytest.mark.parametrize(
    ("known", "showing", "origin"),
    [
        (29, 28, Origin.BUS),
        (29, 0, Origin.FEEDER),
        (10, 2, Origin.FEEDER),
        (10, 5, Origin.UNKNOWN),
        (10, 7, Origin.BUS),
        (2, 0, Origin.FEEDER),
        (1, 1, Origin.UNKNOWN),
        (0, 0, Origin.UNKNOWN),
    ],
)
def test_the_peers_of_a_bus_decide_where_there_are_enough_and_they_agree(known, showing, origin):
    peers = Peers("MCC-1", known, showing)
    assert peers.origin is origin
    evidence = peers.evidence()
    assert evidence["direction"] == ("against" if origin is Origin.UNKNOWN else "for")
    assert f"MCC-1: {showing} of {known} show the same" in evidence["text_en"]
    assert f"{known}台中{showing}台" in evidence["text_zh"]


def test_without_a_bus_nothing_is_guessed():
    peers = Peers("", 30, 30)
    assert peers.origin is Origin.UNKNOWN
    assert peers.evidence()["text_en"].startswith("Cannot tell supply from feeder")


@given(
    st.lists(st.tuples(st.integers(-1, 3), st.sampled_from([0.0, 1.0, np.nan])), max_size=30),
)
def test_a_machine_is_never_its_own_peer_and_other_buses_do_not_count(machines):
    bus = np.array([number for number, _ in machines], np.int64)
    shown = np.array([value for _, value in machines])
    known, showing = count_peers(shown, bus)
    for row, (number, _) in enumerate(machines):
        others = [
            value
            for other, (where, value) in enumerate(machines)
            if other != row and where == number >= 0 and not np.isnan(value)
        ]
        assert (known[row], showing[row]) == (len(others), sum(others))


def test_standing_and_unmeasured_motors_are_no_peers():
    currents = np.array([20.0, 20.0, 0.0, 20.0])
    sound = np.full(4, 400.0)
    signals = {
        **{f"current_{phase}": currents for phase in "uvw"},
        "voltage_uv": sound,
        "voltage_vw": sound,
        "voltage_wu": np.array([380.0, 400.0, 0.0, np.nan]),
    }
    found = supply_indicators(signals, np.full(4, 25.0), sound)
    np.testing.assert_allclose(found["voltage_unbalance"][:2], [3.39, 0.0], atol=0.01)  # golden: 400, 400, 380 V
    np.testing.assert_array_equal(shows(UNBALANCE, found["voltage_unbalance"]), [1.0, 0.0, np.nan, np.nan])
    assert LEAST_PEERS > 1


def test_the_oldest_finding_of_a_disturbance_stands_for_the_others():
    assert leads([(7, "a"), (3, "a"), (5, "b")]) == {7: 3, 3: 3, 5: 5}
    assert leads([(7, "a")]) == {7: 7}, "the next oldest takes over when the first is closed"


def test_what_was_found_outlives_the_disturbance_until_the_finding_is_closed():
    bus, feeder = Peers("b", 9, 9), Peers("b", 9, 0)
    followed = Comparisons()
    assert followed.follow(1, showing=False, peers=feeder) is None, "the motor has not shown it"
    assert followed.follow(1, showing=True, peers=bus) is bus
    assert followed.follow(1, showing=False, peers=feeder) is bus, "over everywhere, and its finding still open"
    assert followed.follow(1, showing=True, peers=feeder) is bus, "over at the others some seconds earlier"
    assert followed.follow(1, showing=True, peers=feeder) is feeder, "but it stays, at this motor alone"
    followed.keep([])
    assert followed.follow(1, showing=False, peers=bus) is None


def test_counts_are_kept_up_to_date_while_the_origin_stays():
    followed = Comparisons()
    followed.follow(1, showing=True, peers=Peers("b", 9, 8))
    assert followed.follow(1, showing=True, peers=Peers("b", 9, 9)) == Peers("b", 9, 9)


@pytest.mark.parametrize("fault", [fault for fault in fault_library().values() if fault.kind == "supply"])
def test_a_fault_of_the_supply_sends_people_to_the_right_place(fault):
    names = {fault.words(origin).name_en for origin in (None, "unknown", "bus", "feeder")}
    assert len(names) == 3
    for words in (fault.bus, fault.feeder):
        assert len(words.advice_en) == len(words.advice_zh) >= 1
        assert any("\u4e00" <= letter <= "\u9fff" for letter in words.name_zh + words.first_check_zh)


def _judged(unbalance_of_currents: float):
    """A motor at 3.4 % voltage unbalance, whose currents lean by so much [%]."""
    from tests.unit.analytics.plain_motor import learnt, seconds

    template, nameplate, model = learnt()
    live = seconds()
    live["voltage_wu"] *= 0.95
    live["current_u"] *= 1 + unbalance_of_currents / 100
    return judge_machine(template, nameplate, model, fault_library(), {}, live)


@pytest.mark.parametrize(("currents", "short"), [(30, False), (1, True)])
def test_currents_that_do_not_follow_the_voltages_point_at_the_transformers(currents, short):
    judgement = _judged(currents)
    verdict = judgement.machine[0]
    assert verdict.failure_mode == "voltage_unbalance"
    against = [row.indicator for row in verdict.evidence if row.weight < 0]
    assert ("current_unbalance_shortfall" in against) is short
