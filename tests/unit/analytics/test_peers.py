"""Machines against those of their type: who stands out, who does not, and who is not compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.case import CLOSE_BELOW, OPEN_AT
from analytics.peers import (
    LEAST_HOURS,
    DayLevels,
    Standing,
    compare,
    day_levels,
    evidence_of,
    newest_levels,
    runs_in_pieces,
    score,
    verdict_of,
)
from plant import PeerGroup, PeerLevel, load_template, template_library
from plant.templates import TemplateError

MOTOR = template_library()["motor"]
LEVEL = PeerLevel(indicator="winding_rise", least_spread=2.0, unit="K", text_en="hot", text_zh="热")
NAMEPLATE = MOTOR.complete_nameplate({})


def _score(values, sizes=None, explained=None, level=LEVEL, within=3.0, least=8):
    values = np.asarray(values, float)
    sizes = np.full(len(values), 15.0) if sizes is None else np.asarray(sizes, float)
    return score(level, values, sizes, explained, within, least)


def test_one_hot_machine_among_twelve_stands_out_and_the_others_do_not():
    values = np.r_[50 + np.array([-3, 2, 0, 1, -1, 2, -2, 3, 0, 1, -1]), 75.0]
    found = _score(values)
    assert found.score[-1] > 5
    assert np.all(found.score[:-1] < 2)
    assert found.peers.tolist() == [11] * 12
    assert found.usual[-1] == pytest.approx(np.median(values[:-1]))


@given(
    st.lists(st.floats(20, 90), min_size=9, max_size=25),
    st.floats(-30, 30),
    st.randoms(use_true_random=False),
)
def test_neither_order_nor_a_warmer_hall_changes_who_stands_out(values, shift, random):
    order = list(range(len(values)))
    random.shuffle(order)
    plain, moved = _score(values), _score(np.asarray(values)[order] + shift)
    np.testing.assert_allclose(moved.score, plain.score[order], atol=1e-6)


@given(st.lists(st.floats(-1, 1), min_size=9, max_size=20))
def test_machines_alike_within_the_least_spread_never_stand_out(off):
    assert np.all(_score(50 + np.asarray(off)).score <= 1 + 1e-9)


def test_a_third_that_is_worn_does_not_hide_itself():
    values = np.r_[np.linspace(48, 52, 14), np.full(6, 80.0)]
    assert np.all(_score(values).score[-6:] > 3.5)


def test_too_few_or_unlike_in_size_are_not_compared():
    assert np.isnan(_score(np.full(8, 50.0)).score).all(), "seven others"
    sizes = np.r_[np.full(9, 5.5), 132.0]
    found = _score(np.r_[np.full(9, 50.0), 90.0], sizes)
    assert np.isfinite(found.score[:9]).all()
    assert np.isnan(found.score[9])
    assert found.peers[9] == 0


def test_unknown_levels_count_for_nobody():
    values = np.r_[np.full(9, 50.0), np.nan]
    found = _score(values)
    assert np.isnan(found.score[9])
    assert found.peers[:9].tolist() == [8] * 9


def test_what_load_explains_is_no_fault_and_what_it_does_not_is():
    load = np.linspace(0.3, 0.9, 20)
    values = 10 + 60 * load
    assert _score(values).score[-1] > 1
    np.testing.assert_allclose(_score(values, explained=load).score, 0, atol=1e-6)
    values[3] += 15  # at low load still cooler than a sound machine at high load
    found = _score(values, explained=load)
    assert np.argmax(found.score) == 3
    assert found.score[3] > 5
    assert found.usual[3] == pytest.approx(10 + 60 * load[3], abs=0.5)


def test_sides_and_factors():
    both = LEVEL.model_copy(update={"side": "both"})
    low = np.r_[np.full(10, 50.0), 30.0]
    assert _score(low).score[-1] < -5
    assert _score(low, level=both).score[-1] > 5
    factors = PeerLevel(indicator="x", scale="log", least_spread=0.3, unit="mm/s", text_en="x", text_zh="x")
    shaking = np.r_[np.full(10, 1.0), np.e**1.2]
    found = _score(shaking, level=factors)
    assert found.score[-1] == pytest.approx(4)
    assert found.usual[-1] == pytest.approx(1)
    assert np.isnan(_score(np.r_[np.full(10, 1.0), 0.0], level=factors).score[-1])


def _hours(count=24, standing=0, **other):
    signals = {key: np.full(count, 20.0) for key in ("current_u", "current_v", "current_w")}
    signals |= {key: np.full(count, 400.0) for key in ("voltage_uv", "voltage_vw", "voltage_wu")}
    signals |= {"winding_temperature": np.full(count, 80.0), "ambient_temperature": np.full(count, 25.0)}
    signals |= {"bearing_temperature_de": np.full(count, 50.0), "bearing_temperature_nde": np.full(count, 47.0)} | other
    least = {key: values.copy() for key, values in signals.items()}
    for phase in "uvw":
        least[f"current_{phase}"][:standing] = 0.0
    return signals, least


def test_a_day_is_what_the_machine_was_while_it_ran_throughout():
    averages, least = _hours(standing=10)
    averages["winding_temperature"][:10] = 20.0
    day = day_levels(MOTOR, NAMEPLATE, averages, least)
    assert day.hours == 14
    assert day.levels["winding_rise"] == 55
    assert day.levels["bearing_difference"] == 3
    assert day.levels["bearing_rise_least"] == 22
    assert day.levels["current_unbalance_unexplained"] == 0
    assert "vibration_velocity_de" not in day.levels, "not measured"


@pytest.mark.parametrize(("standing", "counts"), [(21, True), (22, False)])
def test_a_day_counts_from_three_hours_on(standing, counts):
    day = day_levels(MOTOR, NAMEPLATE, *_hours(standing=standing))
    assert bool(day.levels) is counts
    assert (day.hours >= LEAST_HOURS) is counts


def test_a_crane_is_asked_minute_by_minute_and_a_standing_machine_is_not():
    averages, least = _hours(standing=24)
    day = day_levels(MOTOR, NAMEPLATE, averages, least)
    assert runs_in_pieces(NAMEPLATE, day, averages)
    assert not runs_in_pieces(NAMEPLATE, day, {key: values * 0 for key, values in averages.items()})
    assert not runs_in_pieces(NAMEPLATE, day_levels(MOTOR, NAMEPLATE, *_hours()), averages)
    minutes = day_levels(MOTOR, NAMEPLATE, *_hours(1440, standing=1200), step_h=1 / 60)
    assert minutes.hours == pytest.approx(4)
    assert minutes.levels["winding_rise"] == 55


def test_one_day_is_not_enough_and_the_newest_ones_count():
    def day(rise):
        return DayLevels(24, {"winding_rise": rise})

    assert newest_levels([day(50)], MOTOR.peers) == {}
    assert newest_levels([day(50), DayLevels(1, {})], MOTOR.peers) == {}
    assert newest_levels([day(90)] * 9 + [day(50)] * 7, MOTOR.peers) == {"winding_rise": 50}


def test_machines_of_another_duty_are_no_peers():
    nameplates = [MOTOR.complete_nameplate({"duty": "continuous" if row < 10 else "cyclic"}) for row in range(13)]
    levels = [{"bearing_difference": 1.0}] * 9 + [{"bearing_difference": 20.0}] + [{"bearing_difference": 40.0}] * 3
    found = compare(MOTOR.peers, nameplates, levels)
    assert [bool(standings) for standings in found] == [True] * 10 + [False] * 3
    assert found[9][0].peers == 9
    assert found[9][0].score > 3.5


def test_what_is_found_says_against_how_many_in_both_languages():
    standing = Standing(LEVEL, 75.0, 50.0, 4.0, 14, 6.25)
    (row,) = evidence_of([standing, Standing(LEVEL, 50.0, 50.0, 4.0, 14, 0.0)])
    assert (row["value"], row["limit"], row["unit"], row["direction"]) == (75.0, 64.08, "K", "for")
    assert "compared with 14 machines of its type, 50 is usual" in row["text_en"]
    assert "与14台同类设备对比" in row["text_zh"]


def test_it_is_raised_beyond_three_and_a_half_deviations_and_does_not_flicker():
    def probability(score):
        return verdict_of([Standing(LEVEL, 0, 0, 1, 14, score)]).probability

    assert probability(3.4) < OPEN_AT <= probability(3.55)
    assert probability(3.4) > CLOSE_BELOW
    assert probability(3.2) < CLOSE_BELOW


def test_a_template_that_compares_by_an_unknown_field_says_so(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text('key="x"\nversion=1\nname_en="x"\nname_zh="x"\nsignals=[]\n[peers]\nsame=["colour"]\n')
    with pytest.raises(TemplateError, match=r"wrong\.toml.*colour"):
        load_template(path)
    assert PeerGroup().levels == ()
