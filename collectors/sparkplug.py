"""The Sparkplug B collector: edge nodes and devices at a broker, and our own state as a host application."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from collectors.broker_collector import BrokerCollector
from collectors.mqtt_connection import Connection
from collectors.mqtt_session import SessionOptions
from collectors.sources import SparkplugSource
from collectors.sparkplug_host import HostState
from collectors.sparkplug_nodes import NAMESPACE
from collectors.sparkplug_payload import rebirth_request
from collectors.sparkplug_rows import SparkplugDecoder
from collectors.status import CollectorStatus
from plant import SignalDirectory, Sink

log = structlog.get_logger()

_LOOK_S = 0.5
_LEAVE_S = 2.0
_AWAY_SHOWN = 20


class SparkplugCollector(BrokerCollector):
    """Collects from the edge nodes of one broker; a host application of Sparkplug where it has a host id.

    The session is a new one with every connection, as the standard wants it (5.3): what edge nodes send while we are
    away is lost unless they wait for our STATE, and their births are asked for again.
    """

    def __init__(
        self,
        source: SparkplugSource,
        directory: Callable[[], SignalDirectory],
        sink: Sink,
        clock: Callable[[], int],
    ) -> None:
        self._host = HostState(source.host_id) if source.host_id else None
        self._sparkplug = SparkplugDecoder(source, self._host.topic if self._host is not None else "")
        super().__init__(source, self._sparkplug, directory, sink, clock)
        groups = source.groups or ("+",)
        self._topics = [
            f"{NAMESPACE}/{group}/{kind}"
            for group in groups
            for kind in ("NBIRTH/+", "NDATA/+", "NDEATH/+", "DBIRTH/+/+", "DDATA/+/+", "DDEATH/+/+")
        ]
        self._connection: Connection | None = None

    def status(self) -> CollectorStatus:
        """How it is, and how its edge nodes and devices are."""
        nodes = self._sparkplug.nodes
        nodes_online, devices_online = nodes.count(online=True)
        nodes_offline, devices_offline = nodes.count(online=False)
        return CollectorStatus(
            self._source.name,
            "sparkplug",
            self._connected,
            self._readings,
            self._rejected,
            max(0, self._connections - 1),
            len(self._sparkplug.binding.unbound),
            last_error=self._last_error,
            dropped=self._dropped,
            nodes_online=nodes_online,
            nodes_offline=nodes_offline,
            devices_online=devices_online,
            devices_offline=devices_offline,
            away=tuple(nodes.offline()[:_AWAY_SHOWN]),
            rebirths=nodes.rebirths,
            skipped=self._sparkplug.skipped,
        )

    async def run(self) -> None:
        """Collect until cancelled; reconnects by itself, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(super().run())
            group.create_task(self._ask_again())

    def session(self) -> SessionOptions:
        """A clean session, with our death as its will."""
        self._sparkplug.begin_anew()
        options = super().session()
        return options if self._host is None else replace(options, will=self._host.will(self._clock()))

    def enter(self, connection: Connection) -> None:
        """Subscribe, then say that we are online: in this order, or births that follow at once are missed."""
        if self._host is None:
            connection.subscribe(self._topics)
        else:
            connection.subscribe([self._host.topic, *self._topics])
            connection.publish(self._host.topic, self._host.online(), retain=True)
        self._connection = connection

    def answer(self, connection: Connection) -> None:
        """Contradict whoever says that we are offline, and ask for the births that are missing."""
        states, self._sparkplug.states = self._sparkplug.states, []
        if self._host is not None and any(map(self._host.is_denied_by, states)) and not connection.ended:
            log.warning("host_state_denied", source=self._source.name, topic=self._host.topic)
            connection.publish(self._host.topic, self._host.online(), retain=True)
        self._ask(connection)

    def leave(self, connection: Connection) -> None:
        """Say that we go: the will is dropped with an orderly end."""
        self._connection = None
        if self._host is None:
            return
        # Where messages wait unread as the socket is closed, TCP resets it and the broker publishes the will too.
        with suppress(OSError):
            connection.unsubscribe([self._host.topic, *self._topics], _LEAVE_S)
        connection.publish(self._host.topic, self._host.offline(self._clock()), retain=True, patience_s=_LEAVE_S)

    def _ask(self, connection: Connection) -> None:
        if connection.ended:
            return
        now = self._clock()
        for group, node in self._sparkplug.nodes.due(now):
            log.info("rebirth_requested", source=self._source.name, node=f"{group}/{node}")
            connection.publish(f"{NAMESPACE}/{group}/NCMD/{node}", rebirth_request(now), qos=0)

    async def _ask_again(self) -> None:
        """Edge nodes that did not answer or were asked just before, and those of machines registered meanwhile."""
        while True:
            await asyncio.sleep(_LOOK_S)
            connection = self._connection
            if connection is not None and self._connected:
                self._sparkplug.follow(self._directory())
                self._ask(connection)
