"""Sparkplug messages, decoded to columns."""

import math
from collections.abc import Sequence

import structlog

from collectors.message_rows import MessageRows
from collectors.mqtt_packets import RETAINED, Message
from collectors.native import EARLIEST, LATEST, Reject
from collectors.refusals import printable
from collectors.sources import SparkplugSource
from collectors.sparkplug_binding import SparkplugBinding
from collectors.sparkplug_nodes import EdgeNodes, Taken, Value, parsed_topic
from collectors.sparkplug_payload import MalformedPayload, Payload, decode
from collectors.sparkplug_values import NotANumber, is_composite, number_of, quality_of, type_name
from plant import MICROSECONDS, RAW_BYTES, Batch, Quality, Rejected, SignalDirectory

log = structlog.get_logger()

_SHOWN = 10


class SparkplugDecoder:
    """Gathers messages into one batch; :meth:`finish` hands it out and begins anew.

    state_topic: messages on it are kept in ``states`` for the collector; empty for none
    """

    def __init__(self, source: SparkplugSource, state_topic: str = "") -> None:
        self.nodes = EdgeNodes(int(source.rebirth_interval_s * MICROSECONDS))
        self.binding = SparkplugBinding(source)
        self.states: list[bytes] = []
        self.skipped = 0
        self._source = source.name
        self._max_payload = source.max_payload
        self._state_topic = state_topic.encode()
        self._rows = MessageRows()
        self._rejected: list[Rejected] = []

    def begin_anew(self) -> None:
        """A new connection: what was missed before it is not known."""
        self.nodes.begin_anew()
        self.states.clear()

    def follow(self, directory: SignalDirectory) -> None:
        """Use this directory from here on, and ask for what it makes readings of: it may not change for hours."""
        for path in self.binding.follow(directory):
            self.nodes.want(path.group, path.node)

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        rejected, self._rejected = self._rejected, []
        self.binding.report()
        return self._rows.take(), rejected

    def add_all(self, messages: Sequence[Message], received_at: int, directory: SignalDirectory) -> None:
        """Decode messages, oldest first; never raises, whatever devices send.

        received_at: microseconds since the epoch; the time of readings that come without one
        """
        self.follow(directory)
        for message in messages:
            topic, payload, _, _, flags = message
            if self._state_topic and topic == self._state_topic:
                if not flags & RETAINED:  # that is what was said before we came
                    self.states.append(payload)
                continue
            first_row = len(self._rows)
            refused = _Refused()
            self._take(message, received_at, refused)
            for reason, details in refused.items():
                self._put_aside(message, reason, details, received_at)
            self._rows.end_message(first_row, topic, payload)

    def _take(self, message: Message, received_at: int, reject: Reject) -> None:
        """Take one message in, whatever it is."""
        topic_bytes, data, length, _, flags = message
        try:
            topic = parsed_topic(topic_bytes.decode())
        except UnicodeDecodeError:
            topic = None
        if topic is None:
            reject("bad_topic", "the topic is not spBv1.0/<group>/<kind>/<edge node>[/<device>]")
            return
        if length > self._max_payload or length > len(data):
            reject("too_large", f"at most {self._max_payload:,} bytes are taken")
            return
        if flags & RETAINED:
            # A birth or death of long ago would be taken for one of now (6.4.19 to 6.4.26 forbid to retain them).
            reject("retained", "births, data and deaths must not be retained: delete the message from the broker")
            return
        try:
            payload = decode(data, self._max_payload)
        except MalformedPayload as problem:
            reject("not_sparkplug", str(problem))
            return
        taken = self.nodes.take(topic, payload)
        if taken.problem:
            reject("not_sparkplug", taken.problem)
        if taken.is_end:
            self.binding.release(topic.group, topic.node, topic.device)
        self._add_all(taken, payload, received_at, reject)

    def _add_all(self, taken: Taken, payload: Payload, received_at: int, reject: Reject) -> None:
        for alias in taken.unresolved:
            reject("unknown_alias", f"alias {alias} is of no birth that is known")
        for _ in range(taken.nameless):
            reject("unnamed_metric", "a metric has no name")
        default_time = received_at if payload.time is None else payload.time
        for value in taken.values:
            signal_id = self.binding.signal_id(value.path)
            if signal_id is None:
                continue
            if is_composite(value.metric, value.datatype):
                self._skip(value)
                continue
            try:
                self._add(value, signal_id, default_time)
            except NotANumber as problem:
                reject("not_a_number", f"{value.path} {problem}")
            except _BadTime as problem:
                reject("bad_time", f"{value.path} {problem}")

    def _add(self, value: Value, signal_id: int, default_time: int) -> None:
        metric = value.metric
        number, quality = number_of(metric, value.datatype), quality_of(metric)
        if math.isnan(number) and quality is not Quality.BAD:
            raise NotANumber("is NaN and does not say that it is bad")
        time = metric.time
        if time is None:
            if metric.is_historical:
                raise _BadTime("is historical and does not say of when")
            time = default_time
        if not EARLIEST <= time <= LATEST:
            raise _BadTime(f"is of {time // 1000} ms since 1970, which no calendar has")
        self._rows.add(time, signal_id, number, int(quality))

    def _skip(self, value: Value) -> None:
        self.skipped += 1
        if self.skipped == 1:
            kind = type_name(value.datatype) if value.datatype else value.metric.field
            log.warning("metric_skipped", source=self._source, metric=str(value.path), holds=kind)

    def _put_aside(self, message: Message, reason: str, details: Sequence[str], received_at: int) -> None:
        """One entry a message and reason, however many metrics it concerns: the raw bytes are the same."""
        topic, payload, length, _, _ = message
        raw = payload[:RAW_BYTES]
        detail = "; ".join(details[:_SHOWN])
        if len(details) > _SHOWN:
            detail += f"; and {len(details) - _SHOWN:,} more metrics of this message"
        if length > len(raw):
            detail += f" ({length:,} bytes in all)"
        address = printable(topic.decode(errors="backslashreplace"))
        self._rejected.append(Rejected(self._source, address, reason, printable(detail), raw, received_at))


class _BadTime(ValueError):
    """A metric is of no time that can be stored; the message says why."""


class _Refused(dict[str, list[str]]):
    """What is not taken of a message: details by reason."""

    def __call__(self, reason: str, detail: str) -> None:
        self.setdefault(reason, []).append(detail)
