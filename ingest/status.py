"""How much waits in the spool, without decoding it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.reader import Place
from ingest.records import HEADER, rows_at
from ingest.segments import lane_directory, lanes, segment_numbers, segment_path

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
            try:
                with segment_path(directory, number).open("rb") as file:
                    file.seek(max(start, len(HEADER)))
                    data = file.read()
            except FileNotFoundError:
                continue  # finished while we looked
            offset = 0
            while (entry := rows_at(data, offset)) is not None:
                waiting_readings += entry[0]
                offset = entry[1]
            waiting_bytes += offset
    return SpoolStatus(waiting_bytes, waiting_readings, segments)
