"""The MQTT collector: devices that speak the native topic and payload."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from collectors.broker_collector import BrokerCollector
from collectors.memory import Memory
from collectors.mqtt_connection import Connection, SessionOptions
from collectors.native import NativeDecoder
from collectors.sources import MqttSource
from collectors.status import CollectorStatus
from plant import SignalDirectory, Sink


class MqttCollector(BrokerCollector):
    """Collects from one broker."""

    def __init__(
        self,
        source: MqttSource,
        directory: Callable[[], SignalDirectory],
        sink: Sink,
        clock: Callable[[], int],
        memory: Path | None = None,
    ) -> None:
        """``memory`` is a folder; what we are subscribed to is noted there, to take back what is no longer wanted."""
        super().__init__(source, NativeDecoder(source.name, source.max_payload), directory, sink, clock)
        self._topics = source.topics
        self._session_expiry_s = source.session_expiry_s
        self._memory = Memory(memory, "mqtt", source.name)

    def status(self) -> CollectorStatus:
        """How it is."""
        return CollectorStatus(
            self._source.name,
            "mqtt",
            self._connected,
            self._readings,
            self._rejected,
            max(0, self._connections - 1),
            last_error=self._last_error,
            dropped=self._dropped,
        )

    def session(self) -> SessionOptions:
        """A session that the broker keeps while we are away."""
        return replace(super().session(), session_expiry_s=self._session_expiry_s)

    def enter(self, connection: Connection) -> None:
        """See :meth:`BrokerCollector.enter`; takes back what is no longer wanted."""
        wanted = list(self._topics)
        before = [str(topic) for topic in self._memory.load().get("topics", ())]
        gone = sorted(set(before) - set(wanted))
        # Noted before it is done: a crash in between must not leave a subscription that nobody knows of.
        self._memory.save({"topics": [*wanted, *gone]})
        if gone and connection.session_present:
            connection.unsubscribe(gone)
        if wanted:
            connection.subscribe(wanted)
        self._memory.save({"topics": wanted})
