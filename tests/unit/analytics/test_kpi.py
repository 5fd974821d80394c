"""KPIs against an example worked by hand, and against a slow second computation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.kpi import DEFINITIONS, evaluate, mtbf_lower_bound, period_of
from historian import KpiMachine

H = 3600.0


def machine(code, seconds, stops=(), cost_per_h=0.0, maintenance=0.0, currency="CNY"):
    return KpiMachine(1, code, "l", "motor", "s", currency, cost_per_h, seconds, tuple(stops), maintenance, 0)


def values(machines, hours):
    period = period_of(machines, hours)
    return {definition.key: evaluate(definition, period) for definition in DEFINITIONS}


def test_worked_example():
    # One day of three machines.
    # A: 20 h running, 4 h down in one failure that began today; 1,000 CNY an hour.
    # B: 18 h running, 2 h maintenance (planned), 1 h down left over from a failure of yesterday, 3 h link lost.
    # C: no data at all; 600 CNY of work was closed on it.
    machines = [
        machine("A", {"running": 20 * H, "down": 4 * H}, [(False, 4 * H, True)], 1000),
        machine(
            "B",
            {"running": 18 * H, "maintenance": 2 * H, "down": 1 * H, "off_line": 3 * H},
            [(True, 2 * H, True), (False, 1 * H, False)],
            500,
        ),
        machine("C", {}, maintenance=600),
    ]
    found = values(machines, 24)
    # Seen: 24 + 21 = 45 h of 72 h. Planned busy: 45 - 2 = 43 h. Unplanned: 4 + 1 = 5 h.
    assert found["availability"].value == pytest.approx(1 - 5 / 43)
    assert found["availability"].coverage == pytest.approx(45 / 72)
    # Operating 38 h, one failure began in the period.
    assert (found["mtbf"].value, found["mtbf"].bound) == (38, False)
    assert found["mttr"].value == pytest.approx(4)
    assert found["unplanned_downtime_h"].value == 5
    assert found["planned_downtime_h"].value == 2
    # 4 h at 1,000 and 1 h at 500.
    assert (found["unplanned_downtime_cost"].value, found["unplanned_downtime_cost"].unit) == (4500, "CNY")
    assert found["maintenance_cost"].value == 600
    assert found["networked_share"].value == pytest.approx(2 / 3)


def test_without_failures_mtbf_is_a_lower_bound():
    found = values([machine("A", {"running": 2996 * H})], 2996)
    assert found["mtbf"].bound
    assert found["mtbf"].value == pytest.approx(1000, rel=1e-3)  # T / 2.996
    assert mtbf_lower_bound(1000, 2) < 1000 / 2
    assert found["mttr"].value is None


def test_too_little_data_is_said():
    found = values([machine("A", {"running": 0.5 * H, "off_line": 23.5 * H})], 24)
    assert found["availability"].value is None
    assert "0.5 of 24.0" in (found["availability"].reason or "")
    assert found["maintenance_cost"].value == 0


def test_costs_in_different_currencies_are_not_added_silently():
    machines = [machine("A", {"running": 24 * H}), machine("B", {"running": 24 * H}, currency="EUR")]
    assert values(machines, 24)["unplanned_downtime_cost"].unit == "mixed"


hours = st.lists(st.sampled_from(["running", "down", "maintenance", "off_line", "idle"]), min_size=24, max_size=24)


@given(st.lists(hours, min_size=1, max_size=4))
def test_equals_a_slow_count_of_hours(days):
    machines = []
    for number, day in enumerate(days):
        seconds = {state: day.count(state) * H for state in set(day)}
        stops = [(state == "maintenance", H, True) for state in day if state in ("down", "maintenance")]
        machines.append(machine(str(number), seconds, stops, 10))
    found = values(machines, 24)
    flat = [state for day in days for state in day]
    seen = [state for state in flat if state != "off_line"]
    busy = [state for state in seen if state != "maintenance"]
    assert found["unplanned_downtime_h"].coverage == pytest.approx(len(seen) / len(flat))
    if found["availability"].value is not None:
        assert found["availability"].value == pytest.approx(1 - busy.count("down") / len(busy))
        assert found["unplanned_downtime_cost"].value == pytest.approx(10 * flat.count("down"))


@given(hours, st.sets(st.integers(0, 23)))
def test_losing_sight_of_good_hours_never_raises_availability(day, hidden):
    def availability(states):
        seconds = {state: states.count(state) * H for state in set(states)}
        stops = [(False, H, True) for state in states if state == "down"]
        return values([machine("A", seconds, stops)], 24)["availability"].value

    blurred = ["off_line" if number in hidden and state != "down" else state for number, state in enumerate(day)]
    before, after = availability(day), availability(blurred)
    if before is not None and after is not None:
        assert after <= before + 1e-12
