"""Empties a gateway's spool into a broker: in order, at least once, whatever breaks on the way.

The place in the spool moves on when the broker has acknowledged, and some seconds after that for good: mosquitto
acknowledges what it has in memory and writes to disk every so often, and a broker killed in between has forgotten
it. What is sent twice by that is one reading in the historian, by its key (signal, time).
"""

import asyncio
import errno
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from brain.edge.link import WINDOW, Link
from brain.edge.messages import Message, Messages
from brain.edge.settings import EdgeSettings
from collectors import Connection, Memory
from ingest import LaneReader, Packer, Place, drop_oldest, lane_bytes

log = structlog.get_logger()

_SHORTEST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_STABLE_S = 10.0
_SAVE_S = 1.0
_ROOM_S = 0.25
_PACK_AGAIN_S = 30.0
# MQTT 5, 3.4.2.1: taken, and thrown away because nobody wants it.
_NOBODY_LISTENS = 0x10


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the link is, with counts since this process began except ``dropped``, which is since ever.

    forwarded: readings that the broker has acknowledged, repeats included; sent_bytes: payload of their messages
    waiting_bytes: of the spool, not acknowledged yet; dropped: readings given up for want of room
    skipped_bytes: of damaged records in the spool that were passed over
    last_forwarded_us: when the broker last acknowledged [us since the epoch]; None before the first time
    """

    url: str
    gateway: str
    format: str
    connected: bool
    forwarded: int
    messages: int
    sent_bytes: int
    waiting_bytes: int
    dropped: int
    skipped_bytes: int
    reconnects: int
    last_forwarded_us: int | None
    last_error: str


@dataclass(frozen=True, slots=True)
class _Portion:
    """Messages of a stretch of the spool; everything before ``ended`` is in them or in earlier ones."""

    messages: Sequence[Message]
    readings: int
    ended: Place


@dataclass(slots=True)
class _OnWay:
    portion: _Portion
    missing: set[int]


class Forwarder:
    """Forwards one lane. Run :meth:`run`; :meth:`status` says how it is."""

    def __init__(
        self, directory: Path, link: Link, messages: Messages, memory: Memory, settings: EdgeSettings, max_bytes: int
    ) -> None:
        """``directory``: of the lane; ``max_bytes``: what it may take on disk, see ``drop_oldest``."""
        self._directory = directory
        self._link = link
        self._messages = messages
        self._memory = memory
        self._settings = settings
        self._max_bytes = max_bytes
        known = memory.load()
        self._safe = Place(int(known.get("segment", 0)), int(known.get("byte_offset", 0)))
        self._dropped = int(known.get("dropped", 0))
        self._acknowledged: deque[tuple[float, Place]] = deque()
        self._reached = self._safe
        self._reader = LaneReader(directory, self._safe)
        self._saved, self._saved_at = self._safe, 0.0
        self._saving = threading.Lock()
        self._connected = False
        self._connections = self._forwarded = self._sent = self._sent_bytes = 0
        self._last_forwarded_us: int | None = None
        self._last_error = ""

    def status(self) -> LinkStatus:
        """How it is."""
        return LinkStatus(
            self._link.shown,
            self._link.gateway,
            self._settings.format,
            self._connected,
            self._forwarded,
            self._sent,
            self._sent_bytes,
            lane_bytes(self._directory, self._reached),
            self._dropped,
            self._reader.skipped_bytes,
            max(0, self._connections - 1),
            self._last_forwarded_us,
            self._last_error,
        )

    async def run(self) -> None:
        """Forward until cancelled; connects again by itself, for ever."""
        clock = asyncio.get_running_loop().time
        backoff_s = _SHORTEST_BACKOFF_S
        keeping_small = asyncio.create_task(self._keep_small())
        try:
            while True:
                began = clock()
                try:
                    await self._forward()
                except OSError as problem:
                    self._last_error = str(problem)
                finally:
                    self._connected = False
                if clock() - began > _STABLE_S:
                    backoff_s = _SHORTEST_BACKOFF_S
                log.warning("link_away", url=self._link.shown, reason=self._last_error, again_in_s=backoff_s)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)
        finally:
            keeping_small.cancel()
            await asyncio.gather(keeping_small, return_exceptions=True)
            self._advance()
            with suppress(OSError):
                self._save()

    async def _forward(self) -> None:
        """One connection, from connecting to its end; raises ``OSError`` saying how it ended."""
        answers = _Answers(asyncio.get_running_loop())
        async with self._link.opened(answers.published, answers.ended) as connection:
            self._connections += 1
            self._connected = True
            self._last_error = ""
            log.info("link_connected", url=self._link.shown)
            # The broker of this connection may have forgotten what the one before had only in memory.
            self._acknowledged.clear()
            self._reader.go_to(self._safe)
            on_way: deque[_OnWay] = deque()
            while True:
                self._take(answers, on_way)
                if connection.ended:
                    raise OSError(connection.end_reason)
                await self._settle()
                if sum(len(portion.missing) for portion in on_way) >= WINDOW:
                    await answers.wait(self._settings.settle_s or _SAVE_S)
                    continue
                portion = await asyncio.to_thread(self._prepare)
                if portion is not None:
                    on_way.append(self._publish(connection, portion))
                if portion is None or portion.readings < self._settings.batch_readings:
                    await self._gather(answers, on_way)

    def _prepare(self) -> _Portion | None:
        """The next stretch of the spool; None where nothing waits. Called in a thread."""
        began = self._reader.place
        records = self._reader.take(self._settings.batch_readings)
        # A newer segment with nothing in it yet is worth noting: the one before can go then, and makes room.
        if not records and self._reader.place.segment == began.segment:
            return None
        readings = sum(len(record.batch) for record in records)
        return _Portion(self._messages.of(records), readings, self._reader.place)

    def _publish(self, connection: Connection, portion: _Portion) -> _OnWay:
        mids = {connection.publish(message.topic, message.payload) for message in portion.messages}
        self._sent += len(portion.messages)
        self._sent_bytes += sum(len(message.payload) for message in portion.messages)
        return _OnWay(portion, mids)

    async def _gather(self, answers: "_Answers", on_way: deque[_OnWay]) -> None:
        """Let readings come together; acknowledgements are taken meanwhile."""
        clock = asyncio.get_running_loop().time
        until = clock() + max(self._settings.gather_s, 0.02)
        while not answers.has_ended and (left := until - clock()) > 0:
            await answers.wait(left)
            self._take(answers, on_way)

    def _take(self, answers: "_Answers", on_way: deque[_OnWay]) -> None:
        """Move on behind everything that has been acknowledged. Raises ``OSError`` for what was not taken."""
        for mid, reason in answers.take():
            value = getattr(reason, "value", 0)
            if value == _NOBODY_LISTENS:
                raise OSError("nobody collects there what we send: does `brain collect` run on that broker?")
            if value >= 0x80:
                raise OSError(f"the broker does not let {self._link.gateway!r} publish ({reason}): was it revoked?")
            for each in on_way:
                each.missing.discard(mid)
        while on_way and not on_way[0].missing:
            portion = on_way.popleft().portion
            self._forwarded += portion.readings
            self._last_forwarded_us = time.time_ns() // 1000
            self._reached = max(self._reached, portion.ended)
            self._acknowledged.append((time.monotonic(), portion.ended))

    async def _settle(self) -> None:
        self._advance()
        if self._safe != self._saved and time.monotonic() - self._saved_at > _SAVE_S:
            await asyncio.to_thread(self._save)

    def _advance(self) -> None:
        """What was acknowledged long enough ago need never be sent again."""
        settled = time.monotonic() - self._settings.settle_s
        while self._acknowledged and self._acknowledged[0][0] <= settled:
            self._safe = max(self._safe, self._acknowledged.popleft()[1])

    def _save(self) -> None:
        """The place first, then what lies before it may go."""
        with self._saving:
            safe = self._safe
            place = {"segment": safe.segment, "byte_offset": safe.byte_offset, "dropped": self._dropped}
            try:
                self._memory.save(place)
            except OSError as problem:
                if problem.errno != errno.ENOSPC:
                    raise
                # The note needs room that only what lies before it can make; that was taken, noted or not.
                self._reader.drop_finished(safe)
                self._memory.save(place)
            self._saved, self._saved_at = safe, time.monotonic()
            self._reader.drop_finished(safe)

    async def _keep_small(self) -> None:
        """Pack what waits; where that does not do, and it is allowed, give up the oldest before collectors are held."""
        packer = Packer(self._directory)
        most = self._max_bytes - 2 * segment_bytes(self._max_bytes)
        pack_at = 0.0
        try:
            while True:
                began = time.monotonic()
                if began >= pack_at:
                    try:
                        await asyncio.to_thread(packer.pack_next, self._reader.place)
                    except OSError as problem:
                        self._last_error = f"the spool could not be made smaller: {problem}"
                        pack_at = began + _PACK_AGAIN_S
                if self._settings.drop_oldest:
                    await self._drop_oldest(most)
                # Half of a core at most, where a full spool of an earlier version is packed.
                await asyncio.sleep(max(_ROOM_S, time.monotonic() - began))
        finally:
            packer.stop()

    async def _drop_oldest(self, most: int) -> None:
        try:
            dropped = await asyncio.to_thread(drop_oldest, self._directory, most, self._reached)
            if dropped.segments:
                self._dropped += dropped.readings
                log.warning("readings_dropped", segments=dropped.segments, readings=dropped.readings)
                await asyncio.to_thread(self._save)
        except OSError as problem:
            self._last_error = f"no room could be made in the spool: {problem}"


def segment_bytes(max_bytes: int) -> int:
    """Segments of a lane of so many bytes: small enough that giving one up gives up little."""
    return max(1 << 16, min(64 << 20, max_bytes // 16))


class _Answers:
    """Acknowledgements on their way from the network thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._something = asyncio.Event()
        self._waiting: deque[tuple[int, Any]] = deque()
        self.has_ended = False

    def published(self, mid: int, reason: Any) -> None:
        """Called in the network thread."""
        self._waiting.append((mid, reason))
        self._tell(self._something.set)

    def ended(self, _reason: str) -> None:
        """Called in the network thread."""
        self.has_ended = True
        self._tell(self._something.set)

    def take(self) -> list[tuple[int, Any]]:
        """All there are."""
        self._something.clear()
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    async def wait(self, patience_s: float) -> None:
        """Until something is there, or patience ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._something.wait()

    def _tell(self, what: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is closed, nobody is there to be told
            self._loop.call_soon_threadsafe(what)
