"""Reads a spool lane on from a position, never more than asked for."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.records import Record
from ingest.segment_reader import ForeignSegment, SegmentReader
from ingest.segments import segment_numbers, segment_path

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a lane: everything before it has been dealt with. Places compare in reading order.

    byte_offset: in the segment as the collector wrote it, also where that has been packed meanwhile
    """

    segment: int
    byte_offset: int


class LaneReader:
    """A moving look into a lane; it holds a few megabytes, whatever waits behind.

    torn: segments whose end was no whole record
    """

    def __init__(self, directory: Path, place: Place) -> None:
        self._directory = directory
        self.torn = 0
        self._foreign = -1
        self._damage: dict[tuple[int, int], int] = {}
        self.place = place
        self._segment = SegmentReader(directory, place.segment, place.byte_offset)

    @property
    def skipped_bytes(self) -> int:
        """Of damaged records with whole ones behind them, each counted once."""
        self._note_damage()
        return sum(self._damage.values())

    def go_to(self, place: Place) -> None:
        """Read on from elsewhere."""
        self._note_damage()
        self.place = place
        self._segment = SegmentReader(self._directory, place.segment, place.byte_offset)

    def take(self, max_rows: int) -> list[Record]:
        """The next records, until ``max_rows`` readings are reached or nothing more is there."""
        taken: list[Record] = []
        rows = 0
        while rows < max_rows:
            record = self._next()
            if record is None:
                break
            taken.append(record)
            rows += len(record.batch) + len(record.rejected)
        return taken

    def drop_finished(self, committed: Place) -> None:
        """Delete segments that lie wholly before a committed place; the newest always stays."""
        for number in segment_numbers(self._directory)[:-1]:
            if number < committed.segment:
                segment_path(self._directory, number).unlink(missing_ok=True)

    def _next(self) -> Record | None:
        while True:
            try:
                record = self._segment.record(is_finished=False)
                if record is None:
                    following = [number for number in segment_numbers(self._directory) if number > self.place.segment]
                    if not following:
                        return None
                    # A newer segment exists, so this one is finished; but bytes may have come since we looked.
                    record = self._segment.record(is_finished=True)
                    if record is None:
                        self._note_torn_tail()
                        self.go_to(Place(following[0], 0))
                        continue
            except ForeignSegment as problem:
                self._note_foreign(problem)
                return None
            self.place = Place(record.segment, record.end)
            return record

    def _note_damage(self) -> None:
        self._damage |= {(self._segment.number, at): size for at, size in self._segment.damage.items()}

    def _note_foreign(self, problem: ForeignSegment) -> None:
        """Nothing is skipped: a person must look."""
        if self._foreign == self.place.segment:
            return
        self._foreign = self.place.segment
        log.error(
            "spool_segment_foreign",
            directory=str(self._directory),
            segment=self.place.segment,
            begins=problem.header.hex(),
            what_to_do="write it with the version it came from, or move it away",
        )

    def _note_torn_tail(self) -> None:
        size = self._segment.torn_bytes()
        if size:
            self.torn += 1
            log.warning(
                "spool_tail_skipped",
                directory=str(self._directory),
                segment=self.place.segment,
                from_byte=self._segment.offset,
                bytes=size,
            )
