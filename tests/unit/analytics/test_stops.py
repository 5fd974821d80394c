"""A stop falls into its phases without gap or overlap, and a Pareto loses nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from analytics.stops import PHASES, pareto, phases
from historian import StopShare
from plant import fault_library, reason_of, reason_tree

START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.none() | st.integers(0, 600), min_size=4, max_size=4), st.integers(0, 600))
def test_phases_are_the_whole_stop(minutes, length):
    known = sorted(minute for minute in minutes if minute is not None)
    marks = [None if minute is None else START + timedelta(minutes=known.pop(0)) for minute in minutes]
    parts = phases(START, START + timedelta(minutes=length), marks)
    assert sum(part.seconds for part in parts) == length * 60
    assert all(part.seconds >= 0 for part in parts)
    assert [name for part in parts for name in part.names] == list(PHASES)


shares = st.lists(
    st.builds(
        StopShare,
        st.sampled_from([*reason_tree(), "unexplained", "micro_stop"]),
        st.integers(1, 9),
        st.floats(0.1, 99),
        st.floats(0, 1e6),
    ),
    unique_by=lambda share: share.reason,
)


@given(shares)
def test_pareto_is_in_order_and_complete(found):
    rows = pareto(found)
    assert [row.hours for row in rows] == sorted((share.hours for share in found), reverse=True)
    assert {row.reason for row in rows} == {share.reason for share in found}
    if rows:
        assert abs(rows[-1].running - 1) < 1e-9


def test_findings_of_every_failure_mode_propose_at_most_one_reason():
    for fault in fault_library().values():
        key = reason_of(fault.key)
        assert key is not None or fault.kind == "departure", fault.key
        assert key is None or not reason_tree()[key].planned
