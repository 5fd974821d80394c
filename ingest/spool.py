"""The spool: append-only segments on disk. What :meth:`Spool.put` has returned for survives anything but the disk."""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from ingest.records import HEADER, encode_readings, encode_rejected
from ingest.segments import lane_directory, segment_numbers, segment_path, segment_sizes, sync_directory
from plant import Batch, Rejected

log = structlog.get_logger()

_RETRY_S = 0.5
_FULL_POLL_S = 0.25


class SpoolLocked(OSError):
    """Another process writes this lane."""


class Spool:
    """One lane of the spool, written by one process; a :class:`plant.Sink`.

    Many puts share one write and one fsync: whatever came while the last fsync ran goes with the next.
    A restart never appends to an old segment, so a torn tail stays where it is and a position behind it
    cannot swallow new data. While the lane holds ``max_bytes`` or the disk is full, put waits: nothing is
    acknowledged, nothing is dropped.
    """

    def __init__(self, directory: Path, segment_bytes: int, max_bytes: int) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._number = 0
        self._begun: int | None = None
        self._file: int | None = None
        self._written = 0
        self._lane_bytes = max_bytes  # not known yet
        self._pending: list[bytes] = []
        self._durable: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._lock_file: int | None = None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, root: Path, lane: str, *, segment_bytes: int = 64 << 20, max_bytes: int = 20 << 30
    ) -> "AsyncIterator[Spool]":
        """Open a lane for writing.

        Raises :class:`SpoolLocked` where another process has it, ``OSError`` where it cannot be made.
        """
        directory = lane_directory(root, lane)
        directory.mkdir(parents=True, exist_ok=True)
        spool = cls(directory, segment_bytes, max_bytes)
        spool._lock()
        flusher = asyncio.create_task(spool._flush_forever(), name=f"spool {lane}")
        try:
            yield spool
        finally:
            if spool._durable is not None:
                await asyncio.wait([spool._durable], timeout=5)
            flusher.cancel()
            await asyncio.gather(flusher, return_exceptions=True)
            spool._close_segment()
            spool._unlock()

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """Return when batch and rejected messages are on disk."""
        if not len(batch) and not rejected:
            return
        received_at = time.time_ns() // 1000
        if len(batch):
            self._pending.append(encode_readings(batch, received_at))
        if rejected:
            self._pending.append(encode_rejected(rejected, received_at))
        if self._durable is None:
            self._durable = asyncio.get_running_loop().create_future()
        durable = self._durable
        self._wake.set()
        # A cancelled caller must not cancel the fsync that others wait for.
        await asyncio.shield(durable)

    async def _flush_forever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            pending, self._pending = self._pending, []
            durable, self._durable = self._durable, None
            if durable is None:
                continue
            data = b"".join(pending)
            try:
                await self._write_durably(data)
            except asyncio.CancelledError:
                durable.cancel()
                raise
            if not durable.done():
                durable.set_result(None)

    async def _write_durably(self, data: bytes) -> None:
        # Others only ever make the lane smaller: it is measured again when by our own count it would be full.
        while self._lane_bytes + len(data) > self._max_bytes:
            self._lane_bytes = sum(size for _, size in segment_sizes(self._directory))
            if self._lane_bytes + len(data) <= self._max_bytes:
                break
            await asyncio.sleep(_FULL_POLL_S)
        said = False
        while True:
            try:
                await asyncio.to_thread(self._append, data)
            except OSError as problem:
                if not said:
                    log.error("spool_cannot_write", directory=str(self._directory), reason=str(problem))
                    said = True
                await asyncio.sleep(_RETRY_S)
            else:
                if said:
                    log.warning("spool_writes_again", directory=str(self._directory))
                return

    def _append(self, data: bytes) -> None:
        """Write and fsync; after any error the segment is abandoned, so no half record has a successor."""
        try:
            if self._file is None or self._written >= self._segment_bytes:
                self._next_segment()
            assert self._file is not None
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]
            os.fdatasync(self._file)
            self._written += len(data)
            self._lane_bytes += len(data)
        except OSError:
            self._abandon_segment()
            raise

    def _next_segment(self) -> None:
        self._close_segment()
        if self._begun is None:
            # Later than every segment there is, and later than the clock of any that was there: a position in
            # the historian must never be ahead of new data, even where somebody has emptied the spool.
            self._begun = max(max(segment_numbers(self._directory), default=0) + 1, time.time_ns() // 1000)
        # On a full disk there is often room for a name and none for a byte. The empty segment stays and is tried
        # again; it tells the writer that the one before is finished and may be deleted, which makes room.
        path = segment_path(self._directory, self._begun)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o640)
        self._number, self._written = self._begun, 0
        os.write(self._file, HEADER)
        sync_directory(self._directory)
        self._lane_bytes += len(HEADER)
        self._written, self._begun = len(HEADER), None

    def _abandon_segment(self) -> None:
        if self._file is None:
            return
        # What was not promised is cut off where that can be done; else the reader stops at the torn record.
        try:
            os.ftruncate(self._file, self._written)
        except OSError as problem:
            log.warning("spool_tail_not_cut", segment=self._number, reason=str(problem))
        if self._written <= len(HEADER):
            self._begun = self._number  # nothing has come into it: it is tried again, or a full disk fills with names
        os.close(self._file)
        self._file = None

    def _close_segment(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self) -> None:
        handle = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise SpoolLocked(
                f"spool lane {self._directory} is written by another process: stop that one first"
            ) from None
        self._lock_file = handle

    def _unlock(self) -> None:
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
