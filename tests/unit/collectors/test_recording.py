"""Recorded files: any separator, and an error says which line and column."""

from pathlib import Path

import pytest

from collectors import Recording, RecordingError, read_recording


def recording(path: Path, text: str, mapping: dict[str, str] | None = None, **options: object) -> Recording:
    file = path / "recording.csv"
    file.write_bytes(text.encode())
    return read_recording(file, {"Current": "current"} if mapping is None else mapping, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_out(tmp_path: Path, separator: str) -> None:
    text = "\n".join(
        line.replace(",", separator) for line in ("time,Current,Voltage", "1970-01-01 00:00:01,1.5,230", "2,,231")
    )
    found = recording(tmp_path, text, {"Voltage": "voltage", "Current": "current"})
    assert found.signals == ("voltage", "current")
    assert found.rows == ((1_000_000, (230.0, 1.5)), (2_000_000, (231.0, None)))
    assert (found.refused, found.skipped) == (0, 0)


def test_columns_called_as_signals_need_no_mapping(tmp_path: Path) -> None:
    found = recording(tmp_path, "\ufefft,current,other\r\n1,2,3\r\n\r\n", {}, signals=["current", "voltage"])
    assert (found.signals, found.rows) == (("current",), ((1_000_000, (2.0,)),))


def test_the_time_may_be_in_any_column_and_zone(tmp_path: Path) -> None:
    found = recording(tmp_path, "Current,at\n1,1970-01-01T08:00:00+08:00\n", time_column="at")
    assert found.rows == ((0, (1.0,)),)


def test_what_cannot_be_read_is_counted_and_named(tmp_path: Path) -> None:
    found = recording(tmp_path, "time,Current\n1,1\nnever,2\n3\n4,much\n5,nan\n99999999999999,1\n6,6\n")
    assert found.rows == (
        (1_000_000, (1.0,)),
        (4_000_000, (None,)),
        (5_000_000, (None,)),
        (6_000_000, (6.0,)),
    )
    assert (found.refused, found.skipped) == (2, 3)
    assert found.problems == (
        "line 3: 'never' in column 'time' is no time (RFC 3339 or epoch seconds)",
        "line 4 has 1 cells, the header has 2",
        "line 5: 'much' in column 'Current' is no number",
        "line 6: 'nan' in column 'Current' is no number",
        "line 7: '99999999999999' in column 'time' is no time (RFC 3339 or epoch seconds)",
    )


@pytest.mark.parametrize(
    ("text", "mapping", "words"),
    [
        ("", None, "header"),
        ("time,Voltage\n1,2\n", None, "no column Current; the header has time, Voltage"),
        ("time,Current\n", {}, "no column is mapped"),
        ("time,Current\nnever,2\n", None, "line 2"),
        ("time,Current,I\n1,2,3\n", {"Current": "current", "I": "current"}, "several columns are mapped to current"),
    ],
)
def test_errors_name_what_is_wrong(tmp_path: Path, text: str, mapping: dict[str, str] | None, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        recording(tmp_path, text, mapping)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "picture.csv"
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(RecordingError, match="UTF-8"):
        read_recording(file, {"Current": "current"})
