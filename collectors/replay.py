"""Sends a recording the way a device would: over MQTT, native topic, QoS 1."""

import asyncio
import math
import threading
from dataclasses import dataclass
from typing import Any

import orjson
from paho.mqtt import client as mqtt

from collectors.mqtt_connection import PROTOCOLS, Refused, close, connect
from collectors.recording import Recording
from plant import to_datetime

_IN_FLIGHT = 200
_ROWS_A_MESSAGE = 50
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class ReplayCounts:
    """What was sent and acknowledged: rows, and readings in them; refused cells were not numbers."""

    rows: int
    readings: int
    refused: int


async def replay_csv(recording: Recording, url: str, site: str, machine: str) -> ReplayCounts:
    """Publish all rows, in order, and return when the broker has acknowledged them.

    Raises ``OSError`` where the broker refuses us or stops answering.
    """
    return await asyncio.to_thread(_replay, recording, url, site, machine)


def _replay(recording: Recording, url: str, site: str, machine: str) -> ReplayCounts:
    room = threading.Semaphore(_IN_FLIGHT)

    def prepare(client: mqtt.Client) -> None:
        def on_publish(*_: Any) -> None:
            room.release()

        client.on_publish = on_publish

    client = _connect_any(url, f"replay-{site}-{machine}", prepare)
    try:
        readings = 0
        for start in range(0, len(recording.rows), _ROWS_A_MESSAGE):
            messages = []
            for time, values in recording.rows[start : start + _ROWS_A_MESSAGE]:
                measured = {
                    signal: value
                    for signal, value in zip(recording.signals, values, strict=True)
                    if value is not None and math.isfinite(value)
                }
                messages.append({"time": to_datetime(time).isoformat().replace("+00:00", "Z"), "values": measured})
                readings += len(measured)
            _take(room, 1)
            client.publish(f"ib/v1/{site}/{machine}/readings", orjson.dumps(messages), qos=1)
        _take(room, _IN_FLIGHT)
    finally:
        close(client)
    return ReplayCounts(len(recording.rows), readings, recording.refused)


def _connect_any(url: str, client_id: str, prepare: Any) -> mqtt.Client:
    refused: Refused | None = None
    for protocol in PROTOCOLS:
        try:
            return connect(url, client_id, protocol, prepare=prepare)[0]
        except Refused as problem:
            refused = problem
    assert refused is not None
    raise refused


def _take(room: threading.Semaphore, places: int) -> None:
    for _ in range(places):
        if not room.acquire(timeout=_PATIENCE_S):
            raise OSError(f"the broker has acknowledged nothing for {_PATIENCE_S:.0f} s")
