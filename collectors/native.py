"""The native MQTT topic and payload, decoded to columns.

Topic ``ib/v1/<site>/<machine>/readings``; payload a JSON object or an array of them:
``{"time": RFC 3339 | epoch milliseconds, "values": {signal: number | bool}, "quality": {signal: word}}``.
``time`` and ``quality`` may be left out. Whatever is wrong is rejected singly; the rest is kept.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

from collectors.mqtt_packets import RETAINED, Message
from collectors.refusals import OtherMessage, Refusals, shortened
from plant import Batch, MachineEntry, Origins, Quality, Rejected, SignalDirectory, to_microseconds

Reject: TypeAlias = Callable[[str, str], None]

_QUALITIES = {"good": int(Quality.GOOD), "uncertain": int(Quality.UNCERTAIN), "bad": int(Quality.BAD)}
_NUMBERS = frozenset({int, float, bool})
# What a timestamp of the historian can hold with room to spare: years 1900 to 9999.
EARLIEST = to_microseconds(datetime(1900, 1, 1, tzinfo=UTC))
LATEST = to_microseconds(datetime(9999, 1, 1, tzinfo=UTC))
_LATEST_MS = LATEST // 1000
# Ways to order or choose its signals that are remembered of a topic.
_ORDERS_A_TOPIC = 64


class NativeDecoder:
    """Gathers messages into one batch; :meth:`finish` hands it out and begins anew.

    A message as almost all are costs a few look-ups and list appends done in C, whatever it carries; only what
    is unusual is looked at value by value.
    """

    def __init__(
        self,
        source: str,
        max_payload: int,
        other_topic: Callable[[OtherMessage, SignalDirectory], bool] | None = None,
    ) -> None:
        """``other_topic`` is offered what comes on a topic that is not native, and says whether it took it."""
        self._source = source
        self._other_topic = other_topic
        self._max_payload = max_payload
        self._directory: SignalDirectory | None = None
        self._routes: dict[bytes, _Route] = {}
        self._start()

    def _start(self) -> None:
        # One entry an object: its time, and how many rows it made.
        self._times: list[int] = []
        self._counts: list[int] = []
        # Signal ids by object, values by row.
        self._ids: list[NDArray[np.int32]] = []
        self._values: list[float] = []
        # The few rows that are not good: where, and what they are.
        self._doubtful: list[tuple[int, int]] = []
        # One entry a message that made rows.
        self._first_rows: list[int] = []
        self._addresses: list[bytes] = []
        self._payloads: list[bytes] = []
        self._rejected: list[Rejected] = []

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        rows = len(self._values)
        if not rows:
            rejected = self._rejected
            self._start()
            return Batch.empty(), rejected
        qualities = np.zeros(rows, np.int16)
        for row, quality in self._doubtful:
            qualities[row] = quality
        batch = Batch(
            np.repeat(np.asarray(self._times, np.int64), np.asarray(self._counts, np.int64)),
            np.concatenate(self._ids),
            np.fromiter(self._values, np.float64, rows),
            qualities,
            Origins(np.asarray(self._first_rows, np.int64), self._addresses, self._payloads),
        )
        rejected = self._rejected
        self._start()
        return batch, rejected

    def add_all(self, messages: Sequence[Message], received_at: int, directory: SignalDirectory) -> None:
        """Decode messages, oldest first; never raises, whatever devices send.

        received_at: microseconds since the epoch; the time of readings that come without one
        """
        if directory is not self._directory:
            self._directory = directory
            self._routes = {}
        routes, loads = self._routes, orjson.loads
        for topic, payload, length, _, flags in messages:
            route = routes.get(topic)
            if route is not None and length <= self._max_payload:
                try:
                    content = loads(payload)
                except orjson.JSONDecodeError:
                    content = None
                first_row, first_object = len(self._values), len(self._times)
                if content and self._add_usual(content if type(content) is list else (content,), route):
                    self._first_rows.append(first_row)
                    self._addresses.append(topic)
                    self._payloads.append(payload)
                    continue
                del self._values[first_row:], self._times[first_object:]
                del self._counts[first_object:], self._ids[first_object:]
            self._add_carefully(topic, payload, received_at, directory, length, retained=bool(flags & RETAINED))

    def _add_usual(self, objects: Sequence[Any], route: "_Route") -> bool:
        """Take objects in that have a time, known signals and numbers only, and say nothing of quality."""
        for message in objects:
            if type(message) is not dict or len(message) != 2:
                return False
            time, values = message.get("time"), message.get("values")
            if type(time) is int and 0 < time < _LATEST_MS:
                time *= 1000
            elif type(time) is str:
                time = time_of(time)
            else:
                return False
            if type(values) is not dict or not values or time is None:
                return False
            numbers = values.values()
            if not _NUMBERS.issuperset(map(type, numbers)):
                return False
            ids = route.ids(tuple(values))
            if ids is None:
                return False
            self._ids.append(ids)
            self._values.extend(numbers)
            self._times.append(time)
            self._counts.append(len(ids))
        return True

    def _add_carefully(
        self,
        topic_bytes: bytes,
        payload: bytes,
        received_at: int,
        directory: SignalDirectory,
        length: int,
        *,
        retained: bool,
    ) -> None:
        """Decode one message, whatever it is.

        length: bytes of the message as it came, where ``payload`` holds only its beginning
        retained: the broker kept the message and sends it again; then it must say when it was measured
        """
        topic = topic_bytes.decode(errors="backslashreplace")
        refusals = Refusals(self._source, topic, payload, length, received_at, self._rejected)
        reject = refusals.add
        parts = topic.split("/")
        if len(parts) != 5 or parts[0] != "ib" or parts[1] != "v1" or parts[4] != "readings":
            if self._other_topic is not None and self._other_topic(
                OtherMessage(topic, payload, length, received_at, retained), directory
            ):
                return
            reject("bad_topic", "the topic is not ib/v1/<site>/<machine>/readings")
            return
        if length > self._max_payload or length > len(payload):
            reject("too_large", f"at most {self._max_payload:,} bytes are taken")
            return
        entry = directory.machine(parts[2], parts[3])
        if entry is None:
            reject("unknown_machine", f"machine {parts[3]!r} of site {parts[2]!r} is not registered")
            return
        self._routes.setdefault(topic_bytes, _Route(entry))
        try:
            content = parsed(payload)
        except (ValueError, RecursionError) as problem:
            reject("not_json", f"not JSON: {str(problem)[:200]}")
            return
        before = len(self._values)
        default_time = None if retained else received_at
        for message in content if isinstance(content, list) else (content,):
            self._add_object(message, entry, default_time, reject)
        if len(self._values) > before:
            self._first_rows.append(before)
            self._addresses.append(topic_bytes)
            self._payloads.append(payload)
        refusals.close()

    def _add_object(self, message: Any, entry: MachineEntry, default_time: int | None, reject: Reject) -> None:
        values = message.get("values") if isinstance(message, dict) else None
        if not isinstance(values, dict):
            reject("bad_shape", 'a message must be an object with "values": {signal: number}')
            return
        time = time_of(message["time"]) if "time" in message else default_time
        if time is None:
            said = shortened(message["time"]) if "time" in message else "of a retained message is missing, and"
            reject("bad_time", f"time {said} is neither RFC 3339 with zone nor epoch milliseconds")
            return
        qualities = message.get("quality")
        if qualities and not isinstance(qualities, dict):
            reject("bad_quality", '"quality" must be an object {signal: "good", "uncertain" or "bad"}')
            return
        self._add_singly(time, values, qualities or {}, entry, reject)

    def _add_singly(
        self, time: int, values: Mapping[str, Any], qualities: Mapping[str, Any], entry: MachineEntry, reject: Reject
    ) -> None:
        ids: list[int] = []
        for key, value in values.items():
            signal_id = entry.signal_ids.get(key)
            if signal_id is None:
                reject("unknown_signal", f"signal {shortened(key)} is not one of template {entry.template}")
                continue
            word = qualities.get(key, "good")
            quality = _QUALITIES.get(word) if isinstance(word, str) else None
            if quality is None:
                reject("bad_quality", f"quality {shortened(word)} of {key!r} is not good, uncertain or bad")
                continue
            number = _number(value, quality)
            if number is None:
                reject("not_a_number", f"signal {key!r} has the value {shortened(value)}")
                continue
            if quality:
                self._doubtful.append((len(self._values), quality))
            ids.append(signal_id)
            self._values.append(number)
        if ids:
            self._ids.append(np.asarray(ids, np.int32))
            self._times.append(time)
            self._counts.append(len(ids))


class _Route:
    """Where the values of a known topic go."""

    def __init__(self, entry: MachineEntry) -> None:
        self._entry = entry
        self._known: dict[tuple[str, ...], NDArray[np.int32]] = {}

    def ids(self, names: tuple[str, ...]) -> NDArray[np.int32] | None:
        """Signal ids of names in this order; None where one is not known."""
        known = self._known.get(names)
        if known is None:
            found = [self._entry.signal_ids.get(name) for name in names]
            if None in found:
                return None
            known = np.asarray(found, np.int32)
            if len(self._known) < _ORDERS_A_TOPIC:
                self._known[names] = known
        return known


def parsed(payload: bytes) -> Any:
    """JSON; NaN and Infinity in it, which JSON does not know, should not cost the other values."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError as problem:
        try:
            return json.loads(payload)
        except (ValueError, RecursionError):
            raise problem from None


def _number(value: Any, quality: int) -> float | None:
    """A JSON value as a finite number: booleans are 0 and 1, and a bad value may be missing (NaN)."""
    if value is None and quality == Quality.BAD:
        return math.nan
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) or (quality == Quality.BAD and math.isnan(number)) else None


def time_of(value: Any) -> int | None:
    """Microseconds of RFC 3339 text with zone or epoch milliseconds; None for anything else."""
    if isinstance(value, str):
        try:
            # RFC 3339, 5.6: "t" and "z" may be written small.
            time = to_microseconds(datetime.fromisoformat(value.upper()))
        except (ValueError, OverflowError):
            return None
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) < 1e15:
            return None
        time = round(value * 1000)
    else:
        return None
    return time if EARLIEST <= time <= LATEST else None
