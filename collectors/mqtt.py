"""The MQTT collector: what the broker delivers is acknowledged only when the sink has made it durable.

Every connection is a client object of its own: acknowledgements belong to the connection that delivered,
and what was not acknowledged the broker delivers again to the next one.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from paho.mqtt import client as mqtt
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from collectors.mqtt_connection import PROTOCOLS, Refused, close, connect
from collectors.native import NativeDecoder
from collectors.sources import MqttSource
from collectors.status import CollectorStatus
from plant import SignalDirectory, Sink

log = structlog.get_logger()

_GATHER_S = 0.02
_RETRY_SINK_S = 1.0
_LONGEST_BACKOFF_S = 10.0


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
        """``memory`` is a file that remembers the subscribed topics, to take back those no longer wanted."""
        self._source = source
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._memory = memory
        self._decoder = NativeDecoder(source.name, source.max_payload)
        self._connected = False
        self._readings = 0
        self._rejected = 0
        self._reconnects = -1
        self._last_error = ""
        self._protocol: MQTTProtocolVersion | None = None

    def status(self) -> CollectorStatus:
        """How it is."""
        return CollectorStatus(
            self._source.name,
            "mqtt",
            self._connected,
            self._readings,
            self._rejected,
            max(0, self._reconnects),
            last_error=self._last_error,
        )

    async def run(self) -> None:
        """Collect until cancelled; reconnects by itself."""
        backoff_s = 0.5
        while True:
            try:
                await self._collect()
                backoff_s = 0.5
            except OSError as problem:
                self._last_error = str(problem)
                log.warning("broker_away", source=self._source.name, reason=str(problem), again_in_s=backoff_s)
            finally:
                self._connected = False
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def _collect(self) -> None:
        """One connection, from connecting to its end."""
        loop = asyncio.get_running_loop()
        arrived: queue.SimpleQueue[mqtt.MQTTMessage] = queue.SimpleQueue()
        wake = asyncio.Event()
        ended = asyncio.Event()

        def prepare(client: mqtt.Client) -> None:
            def on_message(_client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
                arrived.put(message)
                with contextlib.suppress(RuntimeError):  # the loop is closing
                    loop.call_soon_threadsafe(wake.set)

            client.on_message = on_message

        client, session_present = await self._connect(prepare)

        def on_disconnect(_client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
            self._last_error = f"connection lost: {reason}"
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(ended.set)
                loop.call_soon_threadsafe(wake.set)

        client.on_disconnect = on_disconnect
        try:
            await self._subscribe(client, session_present)
            self._connected = True
            self._reconnects += 1
            self._last_error = ""
            while not ended.is_set() and client.is_connected():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), 1.0)
                wake.clear()
                await self._deliver(client, arrived)
                await asyncio.sleep(_GATHER_S)
        finally:
            # paho would reconnect by itself with this object; a new connection is a new object.
            await asyncio.shield(asyncio.to_thread(close, client))

    async def _connect(self, prepare: Callable[[mqtt.Client], None]) -> tuple[mqtt.Client, bool]:
        refused: Refused | None = None
        for protocol in [self._protocol] if self._protocol else PROTOCOLS:
            try:
                connected = await asyncio.to_thread(
                    connect,
                    self._source.url,
                    self._source.client_id,
                    protocol,
                    prepare=prepare,
                    receive_maximum=self._source.receive_maximum,
                    session_expiry_s=self._source.session_expiry_s,
                )
            except Refused as problem:
                refused = problem
                continue
            self._protocol = protocol
            return connected
        self._protocol = None
        assert refused is not None
        raise refused

    async def _subscribe(self, client: mqtt.Client, session_present: bool) -> None:
        wanted = list(self._source.topics)
        before = self._memory.read_text().splitlines() if self._memory is not None and self._memory.is_file() else []
        gone = sorted(set(before) - set(wanted))
        if session_present and gone:
            client.unsubscribe(gone)
        confirmed = threading.Event()
        failed: list[str] = []

        def on_subscribe(_client: Any, _userdata: Any, _mid: Any, reasons: Any, _properties: Any) -> None:
            failed.extend(
                f"{topic}: {reason}" for topic, reason in zip(wanted, reasons, strict=False) if reason.is_failure
            )
            confirmed.set()

        client.on_subscribe = on_subscribe
        client.subscribe([(topic, 1) for topic in wanted])
        if not await asyncio.to_thread(confirmed.wait, 10):
            raise OSError("the broker does not confirm our subscription")
        if failed:
            raise OSError(f"the broker refuses to subscribe {'; '.join(failed)}: check its access list")
        if self._memory is not None:
            self._memory.write_text("\n".join(wanted))

    async def _deliver(self, client: mqtt.Client, arrived: "queue.SimpleQueue[mqtt.MQTTMessage]") -> None:
        """Everything that has arrived becomes one batch; then, and only then, it is acknowledged."""
        messages: list[mqtt.MQTTMessage] = []
        while len(messages) < self._source.receive_maximum:
            try:
                messages.append(arrived.get_nowait())
            except queue.Empty:
                break
        if not messages:
            return
        directory, now = self._directory(), self._clock()
        for message in messages:
            self._decoder.add(message.topic, bytes(message.payload), now, directory)
        batch, rejected = self._decoder.finish()
        while True:
            try:
                await self._sink.put(batch, rejected)
                break
            except OSError as problem:
                self._last_error = str(problem)
                log.error("sink_takes_nothing", source=self._source.name, reason=str(problem))
                await asyncio.sleep(_RETRY_SINK_S)
        self._readings += len(batch)
        self._rejected += len(rejected)
        for message in messages:
            if message.qos and client.ack(message.mid, message.qos) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return  # the connection is gone; the broker delivers the rest again
