"""The native MQTT topic and payload, decoded to columns.

Topic ``ib/v1/<site>/<machine>/readings``; payload a JSON object or an array of them:
``{"time": RFC 3339 | epoch milliseconds, "values": {signal: number | bool}, "quality": {signal: word}}``.
``time`` and ``quality`` may be left out. Whatever is wrong is rejected singly; the rest is kept.
"""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from plant import Batch, MachineEntry, Origins, Quality, Rejected, SignalDirectory, to_microseconds

_QUALITIES = {"good": int(Quality.GOOD), "uncertain": int(Quality.UNCERTAIN), "bad": int(Quality.BAD)}
_RAW_BYTES = 4096
# What a timestamp of the historian can hold with room to spare: years 1900 to 9999.
_EARLIEST = to_microseconds(datetime(1900, 1, 1, tzinfo=UTC))
_LATEST = to_microseconds(datetime(9999, 1, 1, tzinfo=UTC))


class NativeDecoder:
    """Gathers messages into one batch; :meth:`finish` hands it out and begins anew."""

    def __init__(self, source: str, max_payload: int) -> None:
        self._source = source
        self._max_payload = max_payload
        self._start()

    def _start(self) -> None:
        self._times: list[int] = []
        self._ids: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        self._first_rows: list[int] = []
        self._addresses: list[str] = []
        self._payloads: list[bytes] = []
        self._rejected: list[Rejected] = []

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call."""
        origins = Origins(np.asarray(self._first_rows, np.int64), self._addresses, self._payloads)
        batch = Batch.of_lists(self._times, self._ids, self._values, self._qualities, origins if self._times else None)
        rejected = self._rejected
        self._start()
        return batch, rejected

    def add(self, topic: str, payload: bytes, received_at: int, directory: SignalDirectory) -> None:
        """Decode one message; never raises for anything a device can send."""

        def reject(reason: str, detail: str) -> None:
            self._rejected.append(Rejected(self._source, topic, reason, detail, payload[:_RAW_BYTES], received_at))

        parts = topic.split("/")
        if len(parts) != 5 or parts[:2] != ["ib", "v1"] or parts[4] != "readings":
            reject("bad_topic", "the topic is not ib/v1/<site>/<machine>/readings")
            return
        if len(payload) > self._max_payload:
            reject("too_large", f"{len(payload):,} bytes, at most {self._max_payload:,} are taken")
            return
        entry = directory.machine(parts[2], parts[3])
        if entry is None:
            reject("unknown_machine", f"machine {parts[2]}/{parts[3]} is not registered")
            return
        try:
            content = orjson.loads(payload)
        except orjson.JSONDecodeError as problem:
            reject("not_json", f"not JSON: {problem}")
            return
        before = len(self._times)
        for message in content if isinstance(content, list) else (content,):
            self._add_message(message, entry, received_at, reject)
        if len(self._times) > before:
            self._first_rows.append(before)
            self._addresses.append(topic)
            self._payloads.append(payload)

    def _add_message(self, message: Any, entry: MachineEntry, received_at: int, reject: Any) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("values"), dict):
            reject("bad_shape", 'a message must be an object with "values": {signal: number}')
            return
        time = received_at if "time" not in message else _time(message["time"])
        if time is None:
            reject(
                "bad_time", f"time {str(message['time'])[:60]!r} is neither RFC 3339 with zone nor epoch milliseconds"
            )
            return
        qualities = message.get("quality")
        if qualities is not None and not isinstance(qualities, dict):
            reject("bad_quality", '"quality" must be an object {signal: "good", "uncertain" or "bad"}')
            return
        ids = entry.signal_ids
        for key, value in message["values"].items():
            signal_id = ids.get(key)
            if signal_id is None:
                reject("unknown_signal", f"signal {key[:60]!r} is not one of template {entry.template}")
                continue
            quality = 0
            if qualities and key in qualities:
                word = qualities[key]
                known = _QUALITIES.get(word) if isinstance(word, str) else None
                if known is None:
                    reject("bad_quality", f"quality {str(word)[:60]!r} of {key!r} is not good, uncertain or bad")
                    continue
                quality = known
            number = _number(value, quality)
            if number is None:
                reject("not_a_number", f"signal {key!r} has the value {str(value)[:60]!r}")
                continue
            self._times.append(time)
            self._ids.append(signal_id)
            self._values.append(number)
            self._qualities.append(quality)


def _number(value: Any, quality: int) -> float | None:
    """A JSON value as a number: booleans are 0 and 1, and a bad value may be missing (NaN)."""
    if value is None and quality == Quality.BAD:
        return float("nan")
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _time(value: Any) -> int | None:
    """Microseconds of RFC 3339 text with zone or epoch milliseconds; None for anything else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            time = to_microseconds(moment)
        except (ValueError, OverflowError):
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < 1e15:
            return None
        time = round(value * 1000)
    else:
        return None
    return time if _EARLIEST <= time <= _LATEST else None
