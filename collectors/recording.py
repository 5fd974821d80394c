"""A recorded CSV file as rows of readings."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from plant import to_microseconds

_SNIFF_BYTES = 65_536


class RecordingError(ValueError):
    """A recording cannot be read; the message names the row or column and what is expected."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Rows in file order: time in microseconds, then a value a signal, None where the cell says nothing.

    refused: cells that hold something, but not a number
    """

    signals: tuple[str, ...]
    rows: tuple[tuple[int, tuple[float | None, ...]], ...]
    refused: int


def read_recording(
    path: Path, mapping: Mapping[str, str], *, time_column: str | None = None, signals: Sequence[str] = ()
) -> Recording:
    """Read a CSV with a header; separator ``,``, ``;`` or tab is found out.

    mapping: column -> signal; where it is empty, columns that are called as one of ``signals`` are taken
    time_column: RFC 3339 (UTC where no zone is given) or epoch seconds; the first column by default

    Raises :class:`RecordingError` naming the column or line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            sample = file.read(_SNIFF_BYTES).splitlines()
            if not sample:
                raise RecordingError("the file is empty")
            separator = max(",;\t", key=sample[0].count)
            file.seek(0)
            return _read(csv.reader(file, delimiter=separator), mapping, time_column, signals)
    except UnicodeDecodeError as problem:
        raise RecordingError(f"not UTF-8 text: {problem}") from problem


def _read(
    lines: Iterator[list[str]], mapping: Mapping[str, str], time_column: str | None, signals: Sequence[str]
) -> Recording:
    header = [name.strip() for name in next(lines)]
    chosen = dict(mapping) or {name: name for name in header if name in signals}
    missing = [name for name in [*chosen, *([time_column] if time_column else [])] if name not in header]
    if missing:
        raise RecordingError(f"no column {', '.join(missing)}; the header has {', '.join(header)}")
    if not chosen:
        raise RecordingError(f"no column is mapped to a signal; the header has {', '.join(header)}: use --map")
    time_at = header.index(time_column) if time_column else 0
    columns = [(header.index(name), signal) for name, signal in chosen.items()]
    rows = []
    refused = 0
    for number, line in enumerate(lines, start=2):
        if not any(cell.strip() for cell in line):
            continue
        if len(line) != len(header):
            raise RecordingError(f"line {number} has {len(line)} cells, the header has {len(header)}")
        time = _time(line[time_at])
        if time is None:
            raise RecordingError(
                f"line {number}: {line[time_at]!r} in column {header[time_at]!r} is no time (RFC 3339 or epoch seconds)"
            )
        values: list[float | None] = []
        for at, _ in columns:
            cell = line[at].strip()
            try:
                values.append(float(cell) if cell else None)
            except ValueError:
                values.append(None)
                refused += 1
        rows.append((time, tuple(values)))
    return Recording(tuple(signal for _, signal in columns), tuple(rows), refused)


def _time(text: str) -> int | None:
    text = text.strip()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return round(float(text) * 1_000_000)
        except (ValueError, OverflowError):
            return None
    return to_microseconds(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
