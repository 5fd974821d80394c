"""Sends a recording the way a device would: over MQTT, native topic, QoS 1."""

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from collectors.mqtt_connection import Connection, connect
from collectors.mqtt_session import SessionOptions
from collectors.recording import Recording
from plant import to_datetime

_IN_FLIGHT = 200
_ROWS_A_MESSAGE = 50
_PATIENCE_S = 60.0
_NOBODY_LISTENS = 0x10  # MQTT 5, 3.4.2.1: accepted, but there are no matching subscribers


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """What was sent and acknowledged: rows, and readings in them; what of the file could not be.

    refused: cells that are not numbers; skipped: lines that could not be read; problems: the first of both
    """

    rows: int
    readings: int
    refused: int
    skipped: int = 0
    problems: tuple[str, ...] = ()


async def replay_csv(
    recording: Recording,
    url: str,
    site: str,
    machine: str,
    *,
    end_at: int | None = None,
    speed: float | None = None,
) -> ReplayCounts:
    """Publish all rows, in order, and return when the broker has acknowledged them.

    end_at: microseconds since the epoch; all times are shifted alike, so that the newest row falls there
    speed: recorded seconds per second; as fast as the broker acknowledges by default

    Raises ``OSError`` where the broker refuses us, stops answering, or says that nobody has subscribed.
    """
    sender = _Sender(f"ib/v1/{site}/{machine}/readings")
    sending = asyncio.create_task(asyncio.to_thread(sender.send, recording, url, end_at, speed))
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        sender.told_to_stop.set()
        raise


class _Sender:
    """Keeps a bounded number of messages on the way."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._room = threading.Semaphore(_IN_FLIGHT)
        self._problem: str | None = None
        self.told_to_stop = threading.Event()

    def send(self, recording: Recording, url: str, end_at: int | None, speed: float | None) -> ReplayCounts:
        """Send everything; called in a thread."""
        # A name of its own: two replays at once must not take each other's connection.
        options = SessionOptions(f"replay-{uuid4().hex[:12]}", _IN_FLIGHT, reconnect=True)
        connection = connect(url, options, on_published=self._published, given_up=self.told_to_stop)
        try:
            readings = self._send_rows(connection, recording, end_at, speed)
            self._take_room(_IN_FLIGHT)
        finally:
            connection.close()
        return ReplayCounts(len(recording.rows), readings, recording.refused, recording.skipped, recording.problems)

    def _send_rows(self, connection: Connection, recording: Recording, end_at: int | None, speed: float | None) -> int:
        newest = max((moment for moment, _ in recording.rows), default=0)
        shift = 0 if end_at is None else end_at - newest
        readings = 0
        began = time.monotonic()
        for rows in _messages(recording, 1 if speed else _ROWS_A_MESSAGE):
            if speed:
                due = began + (rows[0][0] - recording.rows[0][0]) / 1e6 / speed
                if self.told_to_stop.wait(max(0.0, due - time.monotonic())):
                    return readings
            messages = []
            for moment, measured in rows:
                stamp = to_datetime(moment + shift).isoformat().replace("+00:00", "Z")
                messages.append({"time": stamp, "values": measured})
                readings += len(measured)
            self._take_room(1)
            connection.publish(self._topic, orjson.dumps(messages))
        return readings

    def _published(self, _mid: int, reason: Any) -> None:
        if reason.is_failure:
            self._problem = f"the broker refuses messages on {self._topic}: {reason}"
        elif reason.value == _NOBODY_LISTENS:
            self._problem = f"nobody has subscribed to {self._topic}: start `brain collect` first"
        self._room.release()

    def _take_room(self, places: int) -> None:
        for _ in range(places):
            waited = 0.0
            while not self._room.acquire(timeout=0.5):
                waited += 0.5
                if waited >= _PATIENCE_S:
                    raise OSError(f"the broker has acknowledged nothing for {_PATIENCE_S:.0f} s")
                if self.told_to_stop.is_set():
                    raise OSError("replay was told to stop")
            if self._problem is not None:
                raise OSError(self._problem)


def _messages(recording: Recording, rows_a_message: int) -> Iterator[list[tuple[int, dict[str, float]]]]:
    """Rows in order, some to a message, without the cells that say nothing."""
    for start in range(0, len(recording.rows), rows_a_message):
        yield [
            (
                moment,
                {
                    signal: value
                    for signal, value in zip(recording.signals, values, strict=True)
                    if value is not None and math.isfinite(value)
                },
            )
            for moment, values in recording.rows[start : start + rows_a_message]
        ]
