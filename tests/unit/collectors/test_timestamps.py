"""Times as devices write them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.timestamps import FormatError, number_of_text, time_reader

MOMENT = 1_795_161_600_000_000  # 2026-11-20T08:00:00Z


@pytest.mark.parametrize(
    ("time_format", "zone", "value", "expected"),
    [
        ("rfc3339", "", "2026-11-20T16:00:00+08:00", MOMENT),
        ("rfc3339", "", "2026-11-20t08:00:00.5z", MOMENT + 500_000),
        ("rfc3339", "", "2026-11-20T08:00:00", None),
        ("rfc3339", "Asia/Shanghai", "2026-11-20T16:00:00", MOMENT),
        ("rfc3339", "Asia/Shanghai", "2026-11-20T08:00:00Z", MOMENT),
        ("epoch_s", "", 1_795_161_600, MOMENT),
        ("epoch_s", "", 1_795_161_600.25, MOMENT + 250_000),
        ("epoch_ms", "", 1_795_161_600_000, MOMENT),
        ("epoch_us", "", MOMENT + 1, MOMENT + 1),
        ("epoch_s", "", "1795161600", None),
        ("epoch_s", "", True, None),
        ("epoch_s", "", float("nan"), None),
        ("epoch_s", "", 10**400, None),
        ("%d.%m.%Y %H:%M:%S", "Europe/Berlin", "20.11.2026 09:00:00", MOMENT),
        ("%Y-%m-%d %H:%M:%S", "Asia/Shanghai", " 2026-11-20 16:00:00 ", MOMENT),
        ("%Y-%m-%d %H:%M:%S %z", "", "2026-11-20 16:00:00 +0800", MOMENT),
        ("%Y-%m-%d %H:%M", "Asia/Shanghai", "yesterday", None),
        # Clocks go back at 03:00 on 25 October 2026 in Berlin: half past two is twice, and without telling which.
        ("%Y-%m-%d %H:%M", "Europe/Berlin", "2026-10-25 02:30", None),
        ("%Y-%m-%d %H:%M", "Europe/Berlin", "2026-10-25 01:59", 1_792_886_340_000_000),
        ("%Y-%m-%d %H:%M", "Europe/Berlin", "2026-10-25 03:00", 1_792_893_600_000_000),
        ("%Y-%m-%d %H:%M%z", "Europe/Berlin", "2026-10-25 02:30+0200", 1_792_888_200_000_000),
        # They go forward at 02:00 on 29 March: half past two is never.
        ("%Y-%m-%d %H:%M", "Europe/Berlin", "2026-03-29 02:30", None),
    ],
)
def test_times(time_format: str, zone: str, value: Any, expected: int | None) -> None:
    assert time_reader(time_format, zone)(value) == expected


def test_seconds_as_text_where_numbers_may_be_text() -> None:
    assert time_reader("epoch_s", text_numbers=True)("1795161600") == MOMENT


@pytest.mark.parametrize(
    ("time_format", "zone", "words"),
    [
        ("iso", "", "rfc3339"),
        ("%Y-%m-%d", "Asia/Shanghai", "hour and minute"),
        ("%H:%M:%S", "Asia/Shanghai", "year, month"),
        ("%Y-%m-%d %H:%M", "", "time_zone"),
        ("%Y-%m-%d %H:%M %Z", "Europe/Berlin", "%z"),
        ("%Q %Y-%m-%d %H:%M", "Europe/Berlin", "no pattern"),
        ("rfc3339", "Atlantis", "Atlantis"),
        ("rfc3339", "../etc", "not known"),
        ("rfc3339", "Asia", "not known"),
        ("epoch_s", "Asia/Shanghai", "UTC"),
    ],
)
def test_a_format_of_no_use_is_refused_when_it_is_read(time_format: str, zone: str, words: str) -> None:
    with pytest.raises(FormatError, match=words):
        time_reader(time_format, zone)


@pytest.mark.parametrize(("text", "number"), [("12.3", 12.3), (" -1e3 ", -1000.0), ("7", 7), (".5", 0.5), ("+4", 4)])
def test_numbers_as_text(text: str, number: float) -> None:
    assert number_of_text(text) == number


@pytest.mark.parametrize("text", ["", "12,3", "1_000", "nan", "inf", "0x10", "1e999", "１２", "--1", "9" * 50, "e"])
def test_what_is_no_number(text: str) -> None:
    assert number_of_text(text) is None


@given(
    st.sampled_from(["rfc3339", "epoch_s", "epoch_ms", "epoch_us", "%Y-%m-%d %H:%M:%S.%f"]),
    st.text(max_size=30) | st.floats() | st.integers() | st.none() | st.lists(st.integers(), max_size=2),
)
def test_any_value_is_a_time_or_none(time_format: str, value: Any) -> None:
    zone = "" if time_format.startswith("epoch") else "America/New_York"
    time = time_reader(time_format, zone, text_numbers=True)(value)
    assert time is None or isinstance(time, int)
