"""Paths lead to one value or none, and what is no path is refused when it is read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.json_path import MISSING, Frame, PathError, json_path, written

CONTENT: dict[str, Any] = {
    "a": {"b": [{"c d": 1}, {"it's": 2}]},
    "温度": 3,
    "Ia-1": 4,
    "40001": 5,
    "none": None,
    "flat.name": 6,
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.a.b[0]['c d']", 1),
        ('a.b[0]["c d"]', 1),
        (r"a.b[-1]['it\'s']", 2),
        ("温度", 3),
        ("Ia-1", 4),
        ("40001", 5),
        ("none", None),
        ("['flat.name']", 6),
        ("$", CONTENT),
        ("a.b[2]", MISSING),
        ("a.b[-3]", MISSING),
        ("a.b.c", MISSING),
        ("a[0]", MISSING),
        ("none.x", MISSING),
    ],
)
def test_a_path_leads_to_one_value(path: str, expected: Any) -> None:
    assert json_path(path).find((Frame(CONTENT),)) == expected


def test_records_around_a_record_and_its_own_name() -> None:
    frames = (Frame({"t": 1}), Frame({"id": "M1"}, "first"), Frame({"v": 2}, 0))
    found = [json_path(path).find(frames) for path in ("v", "^id", "^^t", "$.t", "^@key", "@key")]
    assert found == [2, "M1", 1, 1, "first", 0]


@pytest.mark.parametrize(
    "path", ["", "$..a", "a.*", "a[*]", "a[1:2]", "a[?@.b]", "a..b", ".a", "a.", "$a", "a b", "a['x]", "^$", "a[01]"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        json_path(path)


@given(st.text(max_size=20))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        path = json_path(text)
    except PathError:
        return
    path.find((Frame(CONTENT),) * (1 + (path.levels or 0)))


@given(st.lists(st.text(max_size=5) | st.integers(0, 9), max_size=5))
def test_what_is_written_is_read_back(location: list[str | int]) -> None:
    assert list(json_path(written(location)).steps) == location
