"""A look into the spool that trusts nothing: every record is read and its checksum compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.reader import Place
from ingest.records import HEADER, CorruptRecord, record_at
from ingest.segments import lane_directory, lanes, segment_numbers, segment_path

if TYPE_CHECKING:
    from historian import Position

_READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What lies in a lane.

    records, readings: whole ones, committed or not; waiting_readings: of those, behind the committed position
    torn: segments whose end is no whole record, as a crash leaves it; what was torn was never acknowledged
    foreign: segments that are not of our format and version; oldest_us: when the oldest waiting record came
    """

    lane: str
    segments: int
    records: int
    readings: int
    waiting_readings: int
    bytes: int
    torn: tuple[int, ...]
    foreign: tuple[int, ...]
    oldest_us: int | None


def inspect_spool(root: Path, positions: "Mapping[str, Position | Place]") -> list[LaneReport]:
    """Every lane below a spool root, given how far each is in the historian."""
    return [_inspect_lane(root, lane, positions.get(lane, Place(0, 0))) for lane in lanes(root)]


def _inspect_lane(root: Path, lane: str, position: "Position | Place") -> LaneReport:
    directory = lane_directory(root, lane)
    records = readings = waiting = size = 0
    torn, foreign = [], []
    oldest: int | None = None
    numbers = segment_numbers(directory)
    for number in numbers:
        path = segment_path(directory, number)
        try:
            size += path.stat().st_size
            with path.open("rb") as file:
                header = file.read(len(HEADER))
                if header != HEADER:
                    if header and not HEADER.startswith(header):
                        foreign.append(number)
                    continue
                buffer, place, read_to = b"", 0, len(HEADER)
                while True:
                    try:
                        record = record_at(buffer, place)
                    except CorruptRecord:
                        torn.append(number)
                        break
                    if record is None:
                        more = file.read(_READ_BYTES)
                        if not more:
                            if place < len(buffer) and number != numbers[-1]:
                                torn.append(number)  # the newest may be growing at this moment
                            break
                        buffer, place = buffer[place:] + more, 0
                        read_to += len(more)
                        continue
                    place = record.end
                    records += 1
                    readings += len(record.batch)
                    if (number, read_to - len(buffer) + place) > (position.segment, position.byte_offset):
                        waiting += len(record.batch)
                        oldest = min(record.received_at, oldest or record.received_at)
        except FileNotFoundError:
            continue  # the writer has just finished with it
    return LaneReport(lane, len(numbers), records, readings, waiting, size, tuple(torn), tuple(foreign), oldest)
