"""The labelled plant: what counts as found, named, early and false."""

from datetime import timedelta
from itertools import pairwise

import pytest

from brain.bench.fleet import START, Opening, bench_fleet, count, judge_plan, looks
from plant import to_microseconds
from simulators import InjectedFault, PlantPlan, labelled_plan

HOUR_US = 3600 * 1_000_000


@pytest.fixture
def plan() -> PlantPlan:
    """Four machines over 32 days; two of them fail."""
    machines = labelled_plan(4, 1, START, 32, {}, 0.0).specs
    faults = tuple(
        InjectedFault("demo-plant", spec.machine, mode, START + timedelta(days=12), grows_h=100.0)
        for spec, mode in zip(machines, ("bearing_wear_de", "overload"), strict=False)
    )
    return PlantPlan(1, START, timedelta(0), machines, faults)


def at(hours: float) -> int:
    """Microseconds of so many hours after the beginning."""
    return to_microseconds(START) + round(hours * HOUR_US)


def test_hand_worked(plan: PlantPlan) -> None:
    first, second, third, _ = (spec.machine for spec in plan.specs)
    onset_h = 12 * 24
    openings = [
        Opening(at(100), first, "overload", ["overload"]),  # long before the onset: false
        Opening(at(onset_h + 25), first, "sensor_drift", ["sensor_drift", "misalignment", "bearing_wear_de"]),
        Opening(at(onset_h + 60), first, "bearing_wear_de", ["bearing_wear_de"]),  # the first one counts
        Opening(at(onset_h + 101), second, "overload", ["overload"]),  # it has failed by then
        Opening(at(500), third, "phase_loss", ["phase_loss"]),  # never had a fault: false
    ]
    result = count(plan, 32, openings, {"bearing_wear_de": 100.0, "overload": 100.0})
    assert (result["faults"], result["found_share"]) == (2, 0.5)
    assert (result["rank1_share"], result["rank3_share"]) == (0.0, 0.5)
    # 75 of 100 hours are left for the first, none for the second.
    assert result["modes"]["bearing_wear_de"]["lead_share_median"] == 0.75
    assert result["lead_share_median"] == 0.375
    # Two days are spent learning: two machines have 30 days each, two have 10.
    assert result["machine_months"] == pytest.approx(80 / 30.4375, abs=0.05)
    assert result["false_by_mode"] == {"overload": 1, "phase_loss": 1}
    assert result["false_per_machine_month"] == pytest.approx(2 / (80 / 30.4375), abs=0.001)


def test_the_plan_keeps_its_word() -> None:
    failure_h = {"bearing_wear_de": 600.0, "overload": 200.0, "phase_loss": 1.0, "misalignment": 9000.0}
    plan = labelled_plan(40, 7, START, 60, failure_h)
    end = START + timedelta(days=60)
    assert len({fault.machine for fault in plan.faults}) == len(plan.faults) == 20
    assert {fault.failure_mode for fault in plan.faults} == {"bearing_wear_de", "overload", "phase_loss"}
    for fault in plan.faults:
        assert fault.grows_h is not None
        assert START + timedelta(days=5) <= fault.onset
        assert fault.onset + timedelta(hours=fault.grows_h) <= end
    assert plan == labelled_plan(40, 7, START, 60, failure_h)
    assert plan != labelled_plan(40, 8, START, 60, failure_h)


def test_every_sudden_onset_is_looked_at_soon_and_time_is_cut_without_overlap() -> None:
    failure_h = {"bearing_wear_de": 300.0, "overload": 200.0, "locked_rotor": 0.01}
    plan = labelled_plan(40, 7, START, 30, failure_h)
    spans = looks(plan, 30, 60)
    seen = [moment for span in spans for moment in span.looks]
    assert seen == sorted(set(seen))
    for before, after in pairwise(spans):
        assert before.end < after.start
    for span in spans:
        assert span.start % 60_000_000 == span.end % 60_000_000 == 0
        assert span.start + 75_000_000 <= span.looks[0] <= span.looks[-1] + 5_000_000 <= span.end
    for fault in plan.faults:
        onset = to_microseconds(fault.onset)
        soon = [moment for moment in seen if onset < moment <= onset + 30_000_000]
        assert bool(soon) == fault.is_sudden
    assert len([moment for moment in seen if moment % HOUR_US == HOUR_US - 5_000_000]) == 30 * 24


def test_a_rotor_that_is_held_for_seconds_is_found_in_them() -> None:
    specs = labelled_plan(4, 1, START, 8, {}, 0.0).specs
    onset = START + timedelta(hours=52, minutes=20, seconds=33)
    fault = InjectedFault("demo-plant", specs[2].machine, "locked_rotor", onset, grows_h=0.01)
    plan = PlantPlan(1, START, timedelta(0), specs, (fault,))
    openings = judge_plan(plan, looks(plan, 2.5, 60), range(4))
    assert [(opening.machine, opening.failure_mode) for opening in openings] == [(specs[2].machine, "locked_rotor")]
    assert openings[0].time <= to_microseconds(onset) + 36_000_000


def test_a_small_plant_end_to_end() -> None:
    result = bench_fleet(6, 9, 902, 240)
    assert result["faults"] == 3
    assert result["found_share"] >= 2 / 3
    assert result["false_findings"] <= 1
