"""A recorded CSV file as rows of readings."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from collectors.native import EARLIEST, LATEST
from plant import to_microseconds

_SNIFF_BYTES = 65_536
_SEPARATORS = ",;\t|"
_MAX_PROBLEMS = 20


class RecordingError(ValueError):
    """A recording cannot be read; the message names the row or column and what is expected."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Rows in file order: time in microseconds, then a value a signal, None where the cell says nothing.

    refused: cells that hold something, but not a finite number
    skipped: lines of which nothing could be taken: no time, or another number of cells than the header
    problems: the first of both, by line and column
    """

    signals: tuple[str, ...]
    rows: tuple[tuple[int, tuple[float | None, ...]], ...]
    refused: int
    skipped: int = 0
    problems: tuple[str, ...] = ()


def read_recording(
    path: Path, mapping: Mapping[str, str], *, time_column: str | None = None, signals: Sequence[str] = ()
) -> Recording:
    """Read a CSV with a header; the separator (comma, semicolon, tab or bar) is found out.

    mapping: column -> signal; where it is empty, columns that are called as one of ``signals`` are taken
    time_column: RFC 3339 (UTC where no zone is given) or epoch seconds; the first column by default

    Raises :class:`RecordingError` naming the column, or the lines where none can be taken.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.read(_SNIFF_BYTES).partition("\n")[0]
            if not header.strip():
                raise RecordingError("the first line is empty; a header with the names of the columns is expected")
            file.seek(0)
            reader = csv.reader(file, delimiter=max(_SEPARATORS, key=header.count))
            return _Reading(reader, mapping, time_column, signals).read()
    except UnicodeDecodeError as problem:
        raise RecordingError(f"not UTF-8 text: {problem}") from problem
    except csv.Error as problem:
        raise RecordingError(f"not a CSV file: {problem}") from problem


class _Reading:
    """A file on its way into a recording."""

    def __init__(
        self,
        lines: Iterator[list[str]],
        mapping: Mapping[str, str],
        time_column: str | None,
        signals: Sequence[str],
    ) -> None:
        self._lines = lines
        self._header = [name.strip() for name in next(lines)]
        chosen = dict(mapping) or {name: name for name in self._header if name in signals}
        asked = [*chosen, *([time_column] if time_column else [])]
        missing = [name for name in asked if name not in self._header]
        has = f"the header has {', '.join(self._header)}"
        if missing:
            raise RecordingError(f"no column {', '.join(missing)}; {has}")
        if not chosen:
            raise RecordingError(f"no column is mapped to a signal; {has}: use --map")
        twice = sorted({signal for signal in chosen.values() if list(chosen.values()).count(signal) > 1})
        if twice:
            raise RecordingError(f"several columns are mapped to {', '.join(twice)}")
        self._time_at = self._header.index(time_column) if time_column else 0
        self._columns = [(self._header.index(name), signal) for name, signal in chosen.items()]
        self._refused = 0
        self._skipped = 0
        self._problems: list[str] = []

    def read(self) -> Recording:
        rows = []
        for number, line in enumerate(self._lines, start=2):
            if not any(cell.strip() for cell in line):
                continue
            time = self._time(number, line)
            if time is None:
                self._skipped += 1
                continue
            rows.append((time, tuple(self._value(number, line[at], at) for at, _ in self._columns)))
        if self._skipped and not rows:
            raise RecordingError(f"no line can be read: {self._problems[0]}")
        return Recording(
            tuple(signal for _, signal in self._columns),
            tuple(rows),
            self._refused,
            self._skipped,
            tuple(self._problems),
        )

    def _time(self, number: int, line: list[str]) -> int | None:
        if len(line) != len(self._header):
            self._note(f"line {number} has {len(line)} cells, the header has {len(self._header)}")
            return None
        time = _parsed_time(line[self._time_at])
        if time is None:
            self._note(
                f"line {number}: {line[self._time_at]!r} in column {self._header[self._time_at]!r} "
                "is no time (RFC 3339 or epoch seconds)"
            )
        return time

    def _value(self, number: int, cell: str, at: int) -> float | None:
        if not cell.strip():
            return None
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if math.isfinite(value):
            return value
        self._refused += 1
        self._note(f"line {number}: {cell!r} in column {self._header[at]!r} is no number")
        return None

    def _note(self, problem: str) -> None:
        if len(self._problems) < _MAX_PROBLEMS:
            self._problems.append(problem)


def _parsed_time(text: str) -> int | None:
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        try:
            time = round(float(text) * 1_000_000)
        except (ValueError, OverflowError):
            return None
    else:
        time = to_microseconds(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
    return time if EARLIEST <= time <= LATEST else None
