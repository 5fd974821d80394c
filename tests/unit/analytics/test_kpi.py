"""KPIs against an example worked by hand, and against a slow second computation."""

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.energy import energy_benchmark
from analytics.kpi import evaluate
from analytics.kpi_catalogue import DEFINITIONS, mtbf_lower_bound
from analytics.operation import MINUTE_US, state_intervals
from analytics.states import StateCode
from historian import EnergyPeer, KpiSums

H = 3600.0


def values(sums, currency="CNY"):
    return {definition.key: evaluate(definition, sums, currency) for definition in DEFINITIONS}


def test_worked_example():
    # One day of three machines.
    # A: 20 h running, 4 h down in one failure that began today; 1,000 CNY an hour.
    a = KpiSums(
        machines=1, asked_s=24 * H, running_s=20 * H, down_s=4 * H, unplanned_s=4 * H, failures=1, repair_s=4 * H,
        downtime_cost=4000, networked=1, replacement_value=50_000,
    )  # fmt: skip
    # B: 18 h running, 2 h maintenance (planned), 1 h down left over from a failure of yesterday, 3 h link lost.
    b = KpiSums(
        machines=1, asked_s=24 * H, running_s=18 * H, maintenance_s=2 * H, down_s=H, off_line_s=3 * H, planned_s=2 * H,
        unplanned_s=H, downtime_cost=500, networked=1, controlled=1, replacement_value=50_000,
    )  # fmt: skip
    # C: no data at all; 600 CNY of work was closed on it.
    c = KpiSums(machines=1, asked_s=24 * H, preventive_cost=600, jobs_planned=1, replacement_value=20_000)
    found = values(a + b + c)
    # Seen: 24 + 21 = 45 h of 72 h. Planned busy: 45 - 2 = 43 h. Unplanned: 4 + 1 = 5 h.
    assert found["availability"].value == pytest.approx(1 - 5 / 43)
    assert found["availability"].coverage == pytest.approx(45 / 72)
    # 38 h were up for certain and 5 h down for certain, of 72 - 2 = 70 h that were meant to run.
    assert found["availability"].low == pytest.approx(38 / 70)
    assert found["availability"].high == pytest.approx(65 / 70)
    # Operating 38 h, one failure began in the period; at 95 % at least 2 x 38 / chi2(0.95; 4) = 76 / 9.488 h.
    assert (found["mtbf"].value, found["mtbf"].bound) == (38, False)
    assert found["mtbf"].low == pytest.approx(76 / 9.4877, rel=1e-4)
    assert found["mttr"].value == pytest.approx(4)
    assert found["unplanned_downtime_h"].value == 5
    assert found["unplanned_downtime_share"].value == pytest.approx(5 / 43)
    assert found["planned_downtime_h"].value == 2
    # 4 h at 1,000 and 1 h at 500.
    assert (found["unplanned_downtime_cost"].value, found["unplanned_downtime_cost"].unit) == (4500, "CNY")
    assert found["maintenance_cost"].value == 600
    assert found["maintenance_cost_share"].value == pytest.approx(600 / 120_000)
    assert found["planned_work_share"].value == 1
    assert found["networked_share"].value == pytest.approx(2 / 3)
    assert found["numerically_controlled_share"].value == pytest.approx(1 / 3)
    assert found["oee"].value is None
    assert "pieces counted" in (found["oee"].reason or "")


def test_oee_energy_and_alarms_by_hand():
    # 8 h of a press: 6 h running, 1 h idle, 1 h down. 300 pieces at 60 s each, 285 good; 90 kWh in 7 h; 14 alarms,
    # two operators.
    press = KpiSums(
        machines=1, asked_s=8 * H, running_s=6 * H, idle_s=H, down_s=H, unplanned_s=H, failures=1, repair_s=H,
        pieces=300, good=285, ideal_s=300 * 60, counted_s=8 * H, kwh=90, energy_s=7 * H, rated_kwh=7 * 15,
        alarms=14, operators=2, preventive_cost=570, jobs_planned=1,
    )  # fmt: skip
    found = values(press)
    # Availability 1 - 1/8 = 0.875; performance 5 h of work in 6 h running; quality 285/300 = 0.95.
    assert found["availability"].value == pytest.approx(0.875)
    assert found["performance"].value == pytest.approx(5 / 6)
    assert found["quality"].value == pytest.approx(0.95)
    assert found["oee"].value == pytest.approx(0.875 * 5 / 6 * 0.95)
    assert found["specific_energy"].value == pytest.approx(90 / 285)
    assert found["load_factor"].value == pytest.approx(90 / 105)
    assert (found["energy"].value, found["energy"].coverage) == (90, pytest.approx(7 / 8))
    # 14 alarms in 8 h for two people.
    assert found["alarm_load"].value == pytest.approx(14 / 16)
    assert (found["maintenance_cost_per_unit"].value, found["maintenance_cost_per_unit"].unit) == (2, "CNY/piece")


def test_without_failures_mean_times_are_lower_bounds():
    found = values(KpiSums(machines=1, asked_s=2996 * H, running_s=2996 * H))
    for key in ("mtbf", "mttf"):
        assert found[key].bound
        assert found[key].value == pytest.approx(1000, rel=1e-3)  # T / 2.996
    assert mtbf_lower_bound(1000, 2) < 1000 / 2
    assert found["mttr"].value is None


def test_too_little_data_is_said():
    found = values(KpiSums(machines=1, asked_s=24 * H, running_s=0.5 * H, off_line_s=23.5 * H))
    assert found["availability"].value is None
    assert "0.5 of 24.0" in (found["availability"].reason or "")
    assert found["maintenance_cost"].value == 0


def test_costs_in_different_currencies_are_not_added_silently():
    found = values(KpiSums(machines=2, asked_s=48 * H, running_s=48 * H), currency="")
    assert found["unplanned_downtime_cost"].unit == "mixed"


def test_every_entry_of_the_catalogue_is_complete():
    keys = [entry.key for entry in DEFINITIONS]
    assert len(set(keys)) == len(keys)
    for entry in DEFINITIONS:
        texts = (entry.name_en, entry.name_zh, entry.text_en, entry.text_zh, entry.standard, entry.text_formula)
        assert all(texts), entry.key
        assert evaluate(entry, KpiSums()).value is None or entry.needs == "none", entry.key


def test_what_adds_up_doubles_with_the_time_counted_and_nothing_else_does():
    # Of everything something; the machines, and what belongs to them, stay the same over twice the time.
    stay = {"machines", "operators", "replacement_value", "networked", "controlled"}
    names = [field.name for field in dataclasses.fields(KpiSums)]
    once = KpiSums(**{name: 100 * H if name.endswith("_s") else 10.0 for name in names})
    once = dataclasses.replace(once, asked_s=1000 * H, counted_s=1000 * H)
    twice = dataclasses.replace(once, **{name: 2 * getattr(once, name) for name in names if name not in stay})
    before, after = values(once), values(twice)
    for entry in DEFINITIONS:
        grown = after[entry.key].value / before[entry.key].value
        assert grown == pytest.approx(2 if entry.adds_up else 1), entry.key


hours = st.lists(st.sampled_from(["running", "down", "maintenance", "off_line", "idle"]), min_size=24, max_size=24)


def counted(day):
    """Sums of a day given hour by hour, each standstill hour a stop of its own."""
    down, maintenance = day.count("down"), day.count("maintenance")
    return KpiSums(
        machines=1, asked_s=len(day) * H, planned_s=maintenance * H, unplanned_s=down * H, failures=down,
        repair_s=down * H, downtime_cost=10 * down, **{f"{state}_s": day.count(state) * H for state in set(day)},
    )  # fmt: skip


@given(st.lists(hours, min_size=1, max_size=4))
def test_equals_a_slow_count_of_hours(days):
    found = values(sum(map(counted, days), KpiSums()))
    flat = [state for day in days for state in day]
    seen = [state for state in flat if state != "off_line"]
    busy = [state for state in seen if state != "maintenance"]
    assert found["unplanned_downtime_h"].coverage == pytest.approx(len(seen) / len(flat))
    if found["availability"].value is not None:
        assert found["availability"].value == pytest.approx(1 - busy.count("down") / len(busy))
        assert found["unplanned_downtime_cost"].value == pytest.approx(10 * flat.count("down"))


@given(hours, st.sets(st.integers(0, 23)))
def test_losing_sight_of_anything_never_raises_availability_once_stops_are_noted(day, hidden):
    whole = counted(day)
    lost = [state for number, state in enumerate(day) if number in hidden and state in ("running", "idle", "down")]
    # Readings go, noted stops stay.
    blurred = dataclasses.replace(
        whole,
        off_line_s=whole.off_line_s + len(lost) * H,
        **{f"{state}_s": getattr(whole, f"{state}_s") - lost.count(state) * H for state in set(lost)},
    )
    before, after = values(whole)["availability"], values(blurred)["availability"]
    if before.value is not None and after.value is not None:
        assert after.value <= before.value + 1e-12


minutes = st.lists(st.sampled_from([StateCode.RUNNING, StateCode.IDLE, StateCode.STOPPED]), min_size=90, max_size=150)


def observed(codes):
    """Sums of the minutes of a machine whose every standstill is a stop."""
    intervals = state_intervals([(number * MINUTE_US, code) for number, code in codes])
    spent = {}
    for entry in intervals:
        spent[entry.state] = spent.get(entry.state, 0.0) + (entry.end - entry.start) / 1e6
    down = spent.pop("stopped", 0.0)
    return spent, down


@given(minutes, st.data())
def test_deleting_minutes_at_random_never_raises_what_availability_is_at_least(codes, data):
    kept = data.draw(st.lists(st.booleans(), min_size=len(codes), max_size=len(codes)))

    def availability(entries):
        spent, down = observed(entries)
        states = {f"{state}_s": seconds for state, seconds in spent.items()}
        sums = KpiSums(machines=1, asked_s=60.0 * len(codes), down_s=down, unplanned_s=down, **states)
        return values(sums)["availability"]

    everything = list(enumerate(codes))
    # A gap of a minute or two is bridged by what was before it: what was noted of a stop stays noted.
    remaining = [entry for entry, keep in zip(everything, kept, strict=True) if keep]
    before, after = availability(everything), availability(remaining)
    bridged = sum(
        later[0] - entry[0] - 1
        for entry, later in pairwise(remaining)
        if 1 < later[0] - entry[0] <= 4 and entry[1] != StateCode.STOPPED
    )
    if before.low is not None and after.low is not None:
        assert after.low <= before.low + bridged / len(codes) + 1e-9
        assert after.low <= after.value <= after.high + 1e-9


def test_machines_of_one_type_are_set_against_their_median():
    peers = [
        EnergyPeer(n, f"M{n}", "s", 100.0 * factor, 100.0, 2.0, ("power",))
        for n, factor in enumerate([1, 1, 1, 1.5, 0.5])
    ]
    peers.append(EnergyPeer(9, "M9", "s", 5.0, 2.0, 2.0, ("power",)))
    ranks = energy_benchmark(peers)
    # 150 kWh in 100 h at 2 kW rated: load factor 0.75; the median is 0.5.
    assert (ranks[0].machine, ranks[0].load_factor, ranks[0].ratio) == ("M3", 0.75, 1.5)
    assert ranks[-1].ratio is None
    assert "2.0 hours" in (ranks[-1].reason or "")
    assert all(rank.ratio is None for rank in energy_benchmark(peers[:3]))
