"""A look into the spool that trusts nothing: every record is read and its checksum compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.reader import Place
from ingest.segment_reader import ForeignSegment, SegmentReader
from ingest.segments import lane_directory, lanes, segment_numbers

if TYPE_CHECKING:
    from historian import Position


@dataclass(frozen=True, slots=True)
class LaneReport:
    """What lies in a lane.

    packed: of the segments, those that waited long; records, readings: whole ones, committed or not
    waiting_readings: of those, behind the committed position
    torn: segments whose end is no whole record, as a crash leaves it; what was torn was never acknowledged
    skipped_bytes: of damaged records with whole ones behind them
    foreign: segments that are not of our format and version; oldest_us: when the oldest waiting record came
    """

    lane: str
    segments: int
    packed: int
    records: int
    readings: int
    waiting_readings: int
    bytes: int
    torn: tuple[int, ...]
    skipped_bytes: int
    foreign: tuple[int, ...]
    oldest_us: int | None


def inspect_spool(root: Path, positions: "Mapping[str, Position | Place]") -> list[LaneReport]:
    """Every lane below a spool root, given how far each is in the historian."""
    return [_inspect_lane(root, lane, positions.get(lane, Place(0, 0))) for lane in lanes(root)]


def _inspect_lane(root: Path, lane: str, position: "Position | Place") -> LaneReport:
    directory = lane_directory(root, lane)
    records = readings = waiting = size = packed = skipped = 0
    torn, foreign = [], []
    oldest: int | None = None
    numbers = segment_numbers(directory)
    for number in numbers:
        reader = SegmentReader(directory, number)
        try:
            size += reader.path.stat().st_size
            while (frame := reader.frame(is_finished=number != numbers[-1])) is not None:
                records += 1
                readings += frame.readings
                if (number, reader.offset) > (position.segment, position.byte_offset):
                    waiting += frame.readings
                    oldest = min(frame.received_at, oldest or frame.received_at)
        except FileNotFoundError:
            continue  # the writer has just finished with it
        except ForeignSegment:
            foreign.append(number)
            continue
        packed += reader.is_packed
        skipped += sum(reader.damage.values())
        # The newest may be growing at this moment.
        if number != numbers[-1] and reader.torn_bytes():
            torn.append(number)
    return LaneReport(
        lane, len(numbers), packed, records, readings, waiting, size, tuple(torn), skipped, tuple(foreign), oldest
    )
