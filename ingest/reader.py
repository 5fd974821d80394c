"""Reads a spool lane on from a position, never more than asked for."""

from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from ingest.records import HEADER, CorruptRecord, Record, record_at
from ingest.segments import segment_numbers, segment_path

log = structlog.get_logger()

_READ_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a lane: everything before it has been dealt with. Places compare in reading order."""

    segment: int
    byte_offset: int


class LaneReader:
    """A moving look into a lane; it holds a few megabytes, whatever waits behind."""

    def __init__(self, directory: Path, place: Place) -> None:
        self._directory = directory
        self.place = place
        self.torn = 0
        self._foreign = -1
        self._buffer = b""
        self._buffer_at = 0
        self._buffer_segment = -1

    def go_to(self, place: Place) -> None:
        """Read on from elsewhere."""
        self.place = place
        self._buffer_segment = -1

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
            if self.place.byte_offset == 0 and self._is_foreign():
                return None
            record = self._record_here()
            if record is None:
                following = [number for number in segment_numbers(self._directory) if number > self.place.segment]
                if not following:
                    return None
                # A newer segment exists, so this one is finished; but bytes may have come since we looked.
                record = self._record_here()
                if record is None:
                    self._note_torn_tail()
                    self.place = Place(following[0], 0)
                    continue
            self.place = Place(self.place.segment, record.end)
            return record

    def _record_here(self) -> Record | None:
        """The record at our place; None where the file does not hold the whole of it at this moment."""
        segment = self.place.segment
        offset = self.place.byte_offset or len(HEADER)
        wanted = _READ_BYTES
        has_been_read = False
        if segment != self._buffer_segment or not self._buffer_at <= offset < self._buffer_at + len(self._buffer):
            self._read(segment, offset, wanted)
            has_been_read = True
        while True:
            try:
                record = record_at(self._buffer, offset - self._buffer_at)
            except CorruptRecord as problem:
                log.error("spool_record_corrupt", directory=str(self._directory), segment=segment, reason=str(problem))
                return None
            if record is not None:
                return replace(record, end=record.end + self._buffer_at, segment=segment)
            if has_been_read:
                if len(self._buffer) < wanted:
                    return None  # all there is
                wanted *= 2  # a record larger than the buffer
            # What an earlier look has left may have been the beginning of a record that is whole by now.
            self._read(segment, offset, wanted)
            has_been_read = True

    def _read(self, segment: int, offset: int, wanted: int) -> None:
        self._buffer_segment, self._buffer_at = segment, offset
        try:
            with segment_path(self._directory, segment).open("rb") as file:
                file.seek(offset)
                self._buffer = file.read(wanted)
        except FileNotFoundError:
            self._buffer = b""

    def _is_foreign(self) -> bool:
        """Whether our segment was written by another version: then nothing is skipped, a person must look."""
        try:
            with segment_path(self._directory, self.place.segment).open("rb") as file:
                header = file.read(len(HEADER))
        except FileNotFoundError:
            return False
        if HEADER.startswith(header):
            return False
        if self._foreign != self.place.segment:
            self._foreign = self.place.segment
            log.error(
                "spool_segment_foreign",
                directory=str(self._directory),
                segment=self.place.segment,
                begins=header.hex(),
                what_to_do="write it with the version it came from, or move it away",
            )
        return True

    def _note_torn_tail(self) -> None:
        try:
            size = segment_path(self._directory, self.place.segment).stat().st_size
        except FileNotFoundError:
            return
        if size > max(self.place.byte_offset, len(HEADER)):
            self.torn += 1
            log.warning(
                "spool_tail_skipped",
                directory=str(self._directory),
                segment=self.place.segment,
                from_byte=self.place.byte_offset,
                bytes=size - self.place.byte_offset,
            )
