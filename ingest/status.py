"""How much waits in the spool, without decoding it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.reader import Place
from ingest.segment_reader import behind
from ingest.segments import lane_directory, lanes, segment_numbers

if TYPE_CHECKING:
    from historian import Position


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """What lies behind the committed positions of all lanes."""

    waiting_bytes: int
    waiting_readings: int
    segments: int


def spool_status(root: Path, positions: "Mapping[str, Position | Place]") -> SpoolStatus:
    """What waits below a spool root, given how far each lane is in the historian."""
    waiting_bytes = waiting_readings = segments = 0
    for lane in lanes(root):
        position = positions.get(lane, Place(0, 0))
        directory = lane_directory(root, lane)
        for number in segment_numbers(directory):
            segments += 1
            if number < position.segment:
                continue
            start = position.byte_offset if number == position.segment else 0
            readings, size = behind(directory, number, start)
            waiting_readings += readings
            waiting_bytes += size
    return SpoolStatus(waiting_bytes, waiting_readings, segments)
