"""Room in a lane whose other end is away: what it takes, and the oldest segments given up where somebody wants that."""

from dataclasses import dataclass
from pathlib import Path

from ingest.reader import Place
from ingest.records import HEADER
from ingest.segment_reader import behind, bytes_behind
from ingest.segments import segment_numbers, segment_path, segment_sizes


@dataclass(frozen=True, slots=True)
class Dropped:
    """What was given up; readings before the place that had been reached are not counted."""

    segments: int = 0
    readings: int = 0


def lane_bytes(directory: Path, place: Place | None = None) -> int:
    """Bytes of a lane on disk; with a place, those behind it."""
    sizes = segment_sizes(directory)
    if place is None:
        return sum(size for _, size in sizes)
    whole = sum(max(0, size - len(HEADER)) for number, size in sizes if number > place.segment)
    return whole + bytes_behind(directory, place.segment, place.byte_offset)


def drop_oldest(directory: Path, most_bytes: int, reached: Place) -> Dropped:
    """Delete the oldest segments until the lane takes ``most_bytes`` or less; the newest always stays.

    reached: everything before it has got through
    """
    segments = readings = 0
    numbers = segment_numbers(directory)
    for number in numbers[:-1]:
        if lane_bytes(directory) <= most_bytes:
            break
        if number >= reached.segment:
            readings += behind(directory, number, reached.byte_offset if number == reached.segment else 0)[0]
        segment_path(directory, number).unlink(missing_ok=True)
        segments += 1
    return Dropped(segments, readings)
