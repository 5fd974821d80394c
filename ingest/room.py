"""Room in a lane whose other end is away: what it takes, and the oldest segments given up where somebody wants that."""

from dataclasses import dataclass
from pathlib import Path

from ingest.reader import Place
from ingest.records import HEADER, rows_at
from ingest.segments import segment_numbers, segment_path


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was given up; readings before the place that had been reached are not counted."""

    segments: int = 0
    readings: int = 0


def lane_bytes(directory: Path, place: Place | None = None) -> int:
    """Bytes of a lane on disk; with a place, those behind it."""
    total = 0
    for number in segment_numbers(directory):
        if place is not None and number < place.segment:
            continue
        try:
            size = segment_path(directory, number).stat().st_size
        except FileNotFoundError:
            continue  # finished while we looked
        done = len(HEADER) if place is None or number != place.segment else max(place.byte_offset, len(HEADER))
        total += max(0, size - done) if place is not None else size
    return total


def drop_oldest(directory: Path, most_bytes: int, reached: Place) -> Dropped:
    """Delete the oldest segments until the lane takes ``most_bytes`` or less; the newest always stays.

    reached: everything before it has got through
    """
    segments = readings = 0
    numbers = segment_numbers(directory)
    for number in numbers[:-1]:
        if lane_bytes(directory) <= most_bytes:
            break
        path = segment_path(directory, number)
        readings += _rows_behind(path, number, reached)
        path.unlink(missing_ok=True)
        segments += 1
    return Dropped(segments, readings)


def _rows_behind(path: Path, number: int, reached: Place) -> int:
    if number < reached.segment:
        return 0
    data = path.read_bytes()
    offset = max(reached.byte_offset if number == reached.segment else 0, len(HEADER))
    rows = 0
    while (entry := rows_at(data, offset)) is not None:
        rows += entry[0]
        offset = entry[1]
    return rows
