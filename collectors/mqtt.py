"""The MQTT collector: devices that speak the native topic and payload, or JSON that mappings explain."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import structlog

from collectors.broker_collector import BrokerCollector
from collectors.memory import Memory
from collectors.mqtt_connection import Connection
from collectors.mqtt_session import Refused, SessionOptions
from collectors.routing import RoutingDecoder
from collectors.sources import MqttSource
from collectors.status import CollectorStatus
from plant import SignalDirectory, Sink

log = structlog.get_logger()


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
        self._mqtt = source
        self._routing = RoutingDecoder(source)
        super().__init__(source, self._routing, directory, sink, clock)
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
            devices_online=self._routing.presence.online,
            devices_offline=self._routing.presence.offline,
            offline=self._routing.presence.newest_offline(),
        )

    def session(self) -> SessionOptions:
        """A session that the broker keeps while we are away."""
        return replace(super().session(), session_expiry_s=self._mqtt.session_expiry_s)

    def enter(self, connection: Connection) -> None:
        """See :meth:`BrokerCollector.enter`; takes back what is no longer wanted."""
        readings, states = list(self._mqtt.reading_filters), list(self._mqtt.state_filters)
        wanted = [*readings, *states]
        before = [str(topic) for topic in self._memory.load().get("topics", ())]
        gone = sorted(set(before) - set(wanted))
        # Noted before it is done: a crash in between must not leave a subscription that nobody knows of.
        self._memory.save({"topics": [*wanted, *gone]})
        if gone and connection.session_present:
            connection.unsubscribe(gone)
        if readings:
            connection.subscribe(readings)
        if states:
            try:
                connection.subscribe(states, retained_again=True)
            except Refused as problem:
                # Readings matter more than knowing who is there.
                log.warning("states_not_subscribed", source=self._source.name, reason=str(problem))
        self._memory.save({"topics": wanted})
