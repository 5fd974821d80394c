"""What every collector at a broker does: what is delivered is acknowledged only when the sink has made it durable.

Every connection is an object of its own: acknowledgements belong to the connection that delivered, and what
was not acknowledged the broker delivers again to the next one.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from collectors.handover import hand_over
from collectors.mqtt_connection import Connection, connect
from collectors.mqtt_intake import Intake
from collectors.mqtt_packets import Message
from collectors.mqtt_session import SessionOptions, Tls
from collectors.sources import BrokerSource
from plant import Batch, Rejected, SignalDirectory, Sink

log = structlog.get_logger()

_GATHER_S = 0.03
_SHORTEST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_STABLE_S = 10.0
_SUSPICIOUS = 3  # connections in a row that ended before that


class Decoder(Protocol):
    """Gathers messages into one batch."""

    def add_all(self, messages: Sequence[Message], received_at: int, directory: SignalDirectory) -> None:
        """Decode messages, oldest first; never raises, whatever devices send."""
        ...

    def finish(self) -> tuple[Batch, list[Rejected]]:
        """Everything added since the last call: the batch, with origins, and what was rejected, oldest first."""
        ...


class BrokerCollector(ABC):
    """Connects, takes in, hands on and acknowledges, for ever; how messages are read is the subclass's business."""

    def __init__(
        self,
        source: BrokerSource,
        decoder: Decoder,
        directory: Callable[[], SignalDirectory],
        sink: Sink,
        clock: Callable[[], int],
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._connected = False
        self._connections = 0
        self._readings = 0
        self._rejected = 0
        self._dropped = 0
        self._last_error = ""

    def session(self) -> SessionOptions:
        """How to connect this time: with a session that ends with the connection."""
        source = self._source
        tls = Tls(source.ca_file, source.certificate_file, source.key_file)
        return SessionOptions(source.client_id, source.receive_maximum, source.max_payload, tls=tls)

    @abstractmethod
    def enter(self, connection: Connection) -> None:
        """Make the session's subscriptions what the settings say. Called in a thread."""

    def answer(self, connection: Connection) -> None:  # noqa: B027
        """Send what messages that are safe now ask for; must not wait."""

    def leave(self, connection: Connection) -> None:  # noqa: B027
        """Say what is to be said before the end. Called in a thread."""

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
            await asyncio.to_thread(self.enter, connection)
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
            await asyncio.shield(asyncio.to_thread(self._close, connection))

    def _close(self, connection: Connection) -> None:
        try:
            if not connection.ended:
                self.leave(connection)
        finally:
            connection.close()

    async def _connect(self, intake: Intake) -> Connection:
        given_up = threading.Event()
        connecting = asyncio.create_task(
            asyncio.to_thread(
                connect,
                self._source.url,
                self.session(),
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
            self.answer(connection)
            if ended:
                intake.tell()

    def _note_refusal(self, reason: str) -> None:
        self._last_error = reason

    async def _put(self) -> None:
        batch, rejected = self._decoder.finish()
        if not len(batch) and not rejected:
            return
        await hand_over(self._sink, batch, rejected, self._source.name, self._note_refusal)
        self._readings += len(batch)
        self._rejected += len(rejected)
