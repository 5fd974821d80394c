"""Makes finished segments small: for a gateway, whose spool may have to hold weeks.

A packed segment takes the place of the one it was made of in one step, under the same name, once it is on the disk and
has been read back. Whoever reads the segment meanwhile goes on where he was (ingest/segment_reader.py). A segment with
damage in it stays as it is, for a person to look at.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from ingest.reader import Place
from ingest.records import PACKED_HEADER, Record, pack_records
from ingest.segment_reader import ForeignSegment, SegmentReader
from ingest.segments import segment_numbers, sync_directory

log = structlog.get_logger()

# More readings a record make it smaller, and more to send once more where a place lies within it.
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Packed:
    """A segment that was packed, and its bytes."""

    number: int
    before: int
    after: int


class Packer:
    """Packs the segments of one lane, each once, in order."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._done = -1
        self._told_to_stop = False

    def stop(self) -> None:
        """Leave the segment that is being packed as it is, soon; from another thread."""
        self._told_to_stop = True

    def pack_next(self, reached: Place) -> Packed | None:
        """Pack the oldest segment that is finished and lies wholly behind a place; None where there is none.

        reached: what is there is being read already, and will go soon. Raises ``OSError`` where the disk is full.
        """
        for number in segment_numbers(self._directory)[:-1]:
            if number <= max(reached.segment, self._done):
                continue
            packed = self._pack(number)
            self._done = number
            if packed is not None:
                log.info("segment_packed", segment=number, bytes_before=packed.before, bytes_after=packed.after)
                return packed
        return None

    def _pack(self, number: int) -> Packed | None:
        reader = SegmentReader(self._directory, number)
        scratch = self._directory / "packing"
        try:
            before = reader.path.stat().st_size
            with scratch.open("wb") as file:
                file.write(PACKED_HEADER)
                for records in _together(reader):
                    if self._told_to_stop:
                        return None
                    file.write(pack_records(records))
                file.flush()
                os.fsync(file.fileno())
                after = file.tell()
            if reader.is_packed:
                return None
            if reader.damage or reader.torn_bytes():
                log.warning("segment_not_packed", segment=number, reason="it is damaged or has a torn end")
                return None
            if after >= before or not reader.path.exists():
                return None
            scratch.replace(reader.path)
            sync_directory(self._directory)
        except (ForeignSegment, FileNotFoundError):
            return None
        except ValueError as problem:
            log.error("segment_not_packed", segment=number, reason=str(problem))
            return None
        finally:
            scratch.unlink(missing_ok=True)
        return Packed(number, before, after)


def _together(reader: SegmentReader) -> Iterator[list[Record]]:
    """The records of a segment, as many together as one packed record takes."""
    records: list[Record] = []
    rows = 0
    while (record := reader.record(is_finished=True)) is not None:
        if reader.is_packed:
            return
        more = len(record.batch) + len(record.rejected)
        if records and rows + more > _ROWS:
            yield records
            records, rows = [], 0
        records.append(record)
        rows += more
    if records:
        yield records
