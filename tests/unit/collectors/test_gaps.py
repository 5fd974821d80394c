"""The gap ledger: what is opened and not closed is missing, and nothing else."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from collectors.gaps import Gaps
from collectors.memory import Memory

_MOMENT = st.integers(0, 60)
_STEPS = st.lists(st.tuples(st.booleans(), _MOMENT, _MOMENT), max_size=30)


@given(_STEPS)
def test_it_is_a_set_of_moments(steps: list[tuple[bool, int, int]]) -> None:
    gaps, missing = Gaps(Memory(None, "opcua", "press")), set[int]()
    for is_missing, one, other in steps:
        start, end = min(one, other), max(one, other)
        if is_missing:
            gaps.open({"a": (start, end)})
            missing |= set(range(start, end + 1))
        else:
            gaps.close("a", start, end)
            missing -= set(range(start, end + 1))
        intervals = gaps.of("a")
        assert {moment for start, end in intervals for moment in range(start, end + 1)} == missing
        assert list(intervals) == sorted(intervals)
        assert all(left[1] + 1 < right[0] for left, right in pairwise(intervals))
        assert gaps.newest(["a", "b"]) == max(missing, default=None)
        assert len(gaps) == bool(missing)


def test_what_was_not_closed_is_known_after_a_crash(tmp_path: Path) -> None:
    gaps = Gaps(Memory(tmp_path, "opcua", "press"))
    gaps.open({"a": (100, 200), "b": (5, 6)})
    gaps.close("a", 150, 200)
    gaps.close_all("b")
    assert list(Gaps(Memory(tmp_path, "opcua", "press")).of("a")) == [(100, 200)], "not saved yet: read again"
    gaps.save()
    again = Gaps(Memory(tmp_path, "opcua", "press"))
    assert (list(again.of("a")), list(again.of("b"))) == ([(100, 149)], [])
