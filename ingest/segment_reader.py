"""Reads one segment on, while it may grow, be packed, or go away: whole records, and what lies between them counted."""

from pathlib import Path

import structlog

from ingest.records import HEADER, PACKED_HEADER, CorruptRecord, Frame, Record, content_of, frame_at, frame_behind
from ingest.segments import segment_path

log = structlog.get_logger()

_READ_BYTES = 4 << 20


class ForeignSegment(ValueError):
    """The segment is not of our format and version."""

    def __init__(self, path: Path, header: bytes) -> None:
        super().__init__(f"{path} begins with {header.hex()}: it was written by another version")
        self.header = header


class SegmentReader:
    """A moving look into a segment; it holds a few megabytes.

    offset: how far it is, in bytes of the segment as the collector wrote it. The same in both forms of a segment, so
        that one which is packed meanwhile, or between two runs, is read on from where we were. A packed record holds
        many: it comes whole where a part of it is behind the offset, some of it perhaps once more.
    damage: bytes that were passed over, by the place in the file where they begin
    is_packed: known once something has been read
    compare: records with their checksums; without, what they say of themselves is believed
    """

    def __init__(self, directory: Path, number: int, offset: int = 0, *, compare: bool = True) -> None:
        self.number = number
        self.path = segment_path(directory, number)
        self.offset = max(offset, len(HEADER))
        self.damage: dict[int, int] = {}
        self._compare = compare
        self.is_packed = False
        self._at = self.offset  # place in the file
        self._buffer = b""
        self._buffer_at = self._at

    def record(self, *, is_finished: bool) -> Record | None:
        """The next whole record; None where there is none (yet).

        is_finished: nothing will be added to the segment. Raises :class:`ForeignSegment`.
        """
        while (frame := self.frame(is_finished=is_finished)) is not None:
            try:
                return content_of(self._buffer, frame, self.offset, self.number)
            except CorruptRecord as problem:
                self._pass_over(self._buffer_at + frame.begin, frame.end - frame.begin, str(problem))
        return None

    def frame(self, *, is_finished: bool) -> Frame | None:
        """The same without its content; the frame's places are in a buffer of ours."""
        while True:
            try:
                frame = self._frame_here()
            except CorruptRecord as problem:
                frame = self._frame_behind_damage(str(problem))
            else:
                if frame is None and is_finished:
                    # Torn; or its length is damaged and there are whole ones behind it.
                    frame = self._frame_behind_damage("it does not end in this segment")
            if frame is None:
                return None
            self._at = self._buffer_at + frame.end
            end = self._at if frame.unpacked_end is None else frame.unpacked_end
            if end > self.offset:
                self.offset = end
                return frame

    def torn_bytes(self) -> int:
        """Bytes of the file behind what has been handed out: of a torn record, once there are no more whole ones."""
        try:
            return max(0, self.path.stat().st_size - self._at)
        except FileNotFoundError:
            return 0

    def _frame_here(self) -> Frame | None:
        """Raises :class:`CorruptRecord`."""
        wanted = _READ_BYTES
        has_been_read = False
        while True:
            if self._buffer_at <= self._at < self._buffer_at + len(self._buffer):
                frame = frame_at(self._buffer, self._at - self._buffer_at, compare=self._compare)
                if frame is not None:
                    return frame
                if has_been_read:
                    if len(self._buffer) < wanted:
                        return None  # all there is
                    wanted *= 2  # a record larger than the buffer
            elif has_been_read:
                return None
            # What an earlier look has left may have been the beginning of a record that is whole by now.
            self._read(wanted)
            has_been_read = True

    def _frame_behind_damage(self, reason: str) -> Frame | None:
        """The next whole record of the segment."""
        self._read(-1)
        frame = frame_behind(self._buffer, may_be_torn=not self.is_packed)
        if frame is not None and frame.begin:
            self._pass_over(self._at, frame.begin, reason)
        return frame

    def _pass_over(self, at: int, size: int, reason: str) -> None:
        self.damage[at] = size
        log.error("spool_bytes_skipped", segment=str(self.path), from_byte=at, bytes=size, reason=reason)

    def _read(self, wanted: int) -> None:
        try:
            with self.path.open("rb") as file:
                header = file.read(len(HEADER))
                if not (HEADER.startswith(header) or header == PACKED_HEADER):
                    raise ForeignSegment(self.path, header)
                if header == PACKED_HEADER and not self.is_packed:
                    self.is_packed = True
                    self._at = len(HEADER)
                file.seek(self._at)
                self._buffer_at, self._buffer = self._at, file.read(wanted)
        except FileNotFoundError:
            self._buffer_at, self._buffer = self._at, b""


def behind(directory: Path, number: int, offset: int) -> tuple[int, int]:
    """(readings, bytes) of a segment behind an offset, as its records say: nothing is unpacked or compared."""
    reader = SegmentReader(directory, number, offset, compare=False)
    readings = size = 0
    try:
        while (frame := reader.frame(is_finished=False)) is not None:
            readings += frame.readings
            size += frame.end - frame.begin
    except ForeignSegment:
        pass  # what is in it is for the version that it came from
    return readings, size


def bytes_behind(directory: Path, number: int, offset: int) -> int:
    """The bytes alone, a torn end with them; read through only where the segment is packed."""
    path = segment_path(directory, number)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return 0
    return behind(directory, number, offset)[1] if is_packed(path) else max(0, size - max(offset, len(HEADER)))


def is_packed(path: Path) -> bool:
    """Whether a segment has been packed; False too where it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(len(PACKED_HEADER)) == PACKED_HEADER
    except FileNotFoundError:
        return False
