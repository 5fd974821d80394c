"""The MQTT collector: what the broker delivers is acknowledged only when the sink has made it durable.

Every connection is an object of its own: acknowledgements belong to the connection that delivered, and what
was not acknowledged the broker delivers again to the next one.
"""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import structlog

from collectors.memory import Memory
from collectors.mqtt_connection import Connection, Refused, SessionOptions, Tls, connect
from collectors.mqtt_intake import Intake
from collectors.routing import RoutingDecoder
from collectors.sources import MqttSource
from collectors.status import CollectorStatus
from plant import SignalDirectory, Sink

log = structlog.get_logger()

_GATHER_S = 0.03
_RETRY_SINK_S = 0.5
_SHORTEST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_STABLE_S = 10.0
_SUSPICIOUS = 3  # connections in a row that ended before that


class MqttCollector:
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
        self._source = source
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._memory = Memory(memory, "mqtt", source.name)
        self._decoder = RoutingDecoder(source)
        self._connected = False
        self._connections = 0
        self._readings = 0
        self._rejected = 0
        self._dropped = 0
        self._last_error = ""

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
            devices_online=self._decoder.presence.online,
            devices_offline=self._decoder.presence.offline,
            offline=self._decoder.presence.newest_offline(),
        )

    async def run(self) -> None:
        """Collect until cancelled; reconnects by itself, for ever."""
        backoff_s, short_lived = _SHORTEST_BACKOFF_S, 0
        clock = asyncio.get_running_loop().time
        while True:
            began, before = clock(), self._connections
            try:
                await self._collect()
            except OSError as problem:
                self._last_error = str(problem)
            finally:
                self._connected = False
            if self._connections > before:
                lived = clock() - began >= _STABLE_S
                short_lived = 0 if lived else short_lived + 1
                backoff_s = _SHORTEST_BACKOFF_S if short_lived < _SUSPICIOUS else backoff_s
            if short_lived >= _SUSPICIOUS:
                # Taking the session back at once would make the other one do the same. Not every broker
                # says that a session was taken over; mosquitto 2.0.11 just hangs up.
                self._last_error += f" (is another client connected as {self._source.client_id!r}?)"
            log.warning("broker_away", source=self._source.name, reason=self._last_error, again_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def _collect(self) -> None:
        """One connection, from connecting to its end; raises ``OSError`` saying how it ended."""
        intake = Intake(asyncio.get_running_loop(), self._source.receive_maximum)
        connection = await self._connect(intake)
        # Taking in begins before subscribing: a session that was kept delivers at once.
        delivering = asyncio.create_task(self._deliver(connection, intake), name=f"deliver {self._source.name}")
        try:
            await asyncio.to_thread(self._subscribe, connection)
            self._connections += 1
            self._connected = True
            self._last_error = ""
            log.info("broker_connected", source=self._source.name, session_kept=connection.session_present)
            await delivering
            raise OSError(connection.end_reason)
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            intake.close()
            await asyncio.shield(asyncio.to_thread(connection.close))

    async def _connect(self, intake: Intake) -> Connection:
        source = self._source
        given_up = threading.Event()
        options = SessionOptions(
            source.client_id,
            source.receive_maximum,
            source.max_payload,
            source.session_expiry_s,
            tls=Tls(source.ca_file, source.certificate_file, source.key_file),
        )
        connecting = asyncio.create_task(
            asyncio.to_thread(
                connect,
                source.url,
                options,
                on_messages=intake.receive,
                on_end=lambda _reason: intake.tell(),
                given_up=given_up,
            )
        )
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            given_up.set()  # the thread closes what it opens
            intake.close()
            raise

    def _subscribe(self, connection: Connection) -> None:
        """Make the session's subscriptions what the settings say. Called in a thread."""
        readings, states = list(self._source.reading_filters), list(self._source.state_filters)
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

    async def _deliver(self, connection: Connection, intake: Intake) -> None:
        """Whatever has arrived becomes one batch; then, and only then, it is acknowledged.

        Ends with the connection, but not before all that arrived is with the sink: a broker that died may
        not deliver it again.
        """
        dropped_before = self._dropped
        ended = False
        while True:
            await intake.wait(0 if ended else _GATHER_S)
            was_ended, messages = ended, intake.take()
            self._dropped = dropped_before + intake.dropped
            if was_ended and not messages:
                return
            # Looked at after taking: an end before that is seen here, one after it wakes us again.
            ended = connection.ended
            self._decoder.add_all(messages, self._clock(), self._directory())
            await self._put()
            connection.acknowledge(messages)
            if ended:
                intake.tell()

    async def _put(self) -> None:
        batch, rejected = self._decoder.finish()
        if not len(batch) and not rejected:
            return
        while True:
            try:
                await self._sink.put(batch, rejected)
                break
            except OSError as problem:
                if self._last_error != str(problem):
                    log.error("sink_takes_nothing", source=self._source.name, reason=str(problem))
                self._last_error = str(problem)
                await asyncio.sleep(_RETRY_SINK_S)
        self._readings += len(batch)
        self._rejected += len(rejected)
