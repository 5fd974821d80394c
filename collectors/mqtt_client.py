"""paho's client, with an end that is always noticed, and messages that come in bulk.

``loop_read`` stands in for paho's own and uses what it has inside; the version is held in pyproject.toml, and tests
compare both on the same bytes.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket

from collectors.mqtt_packets import MalformedStream, Message, PacketReader, acknowledgements, message_of
from collectors.mqtt_session import SessionOptions
from collectors.targets import targets

OnMessages: TypeAlias = Callable[[list[Message]], None]
OnEnd: TypeAlias = Callable[[str], None]

_READ_BYTES = 1 << 18
_PAUSE_S = 0.02
_PUBACK = 0x40


class Client(mqtt.Client):
    """paho's client, with an end that is always noticed, and messages that come in bulk.

    ``loop_read`` stands in for paho's own and uses what it has inside; the version is held in pyproject.toml,
    and tests compare both on the same bytes.
    """

    def __init__(
        self,
        options: SessionOptions,
        protocol: MQTTProtocolVersion,
        on_messages: OnMessages | None,
        on_end: OnEnd | None,
    ) -> None:
        arguments: dict[str, Any] = {}
        if protocol is not MQTTProtocolVersion.MQTTv5:
            arguments["clean_session"] = options.session_expiry_s == 0
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=protocol,
            manual_ack=True,
            reconnect_on_failure=options.reconnect,
            **arguments,
        )
        self.ended = threading.Event()
        self.closing = threading.Event()
        self.end_reason = ""
        self._on_end = on_end
        self._on_messages = on_messages
        self._read_at = 0.0
        self._packets = PacketReader(version_5=protocol is MQTTProtocolVersion.MQTTv5, max_payload=options.max_payload)
        self._max_payload = options.max_payload
        self.on_message = self._took_in
        self.on_disconnect = self._disconnected

    def _create_socket_connection(self) -> socket.socket:
        return targets().connect(self._host, self._port, self._connect_timeout)

    def reconnect(self) -> MQTTErrorCode:
        """A new connection begins with nothing read."""
        self._packets.forget()
        return super().reconnect()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002
        """All that the socket has, at once."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        # Brokers write message by message. Under load a pause lets hundreds come together, and be read at the
        # price of one.
        pause_s = self._read_at + _PAUSE_S - time.monotonic()
        if pause_s > 0 and self._on_messages is not None:
            time.sleep(pause_s)
        self._read_at = time.monotonic()
        try:
            data = self._receive()
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError as problem:
            self.end_reason = self.end_reason or f"connection lost: {problem}"
            data = b""
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        with self._msgtime_mutex:
            self._last_bytes_received = time.monotonic()
        try:
            messages, others = self._packets.feed(data)
            if messages and self._on_messages is not None:
                self._on_messages(messages)
            for first, content in others:
                answer = self._handle(first, content)
                if answer > 0:
                    return self._loop_rc_handle(answer)
        except (MalformedStream, MalformedPacket) as problem:
            self.end_reason = f"the broker sent what is not MQTT: {problem}"
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _receive(self) -> bytes:
        """All that has come. TLS hands out one record at a time; behind it the socket may seem empty."""
        data = self._sock_recv(_READ_BYTES)
        if data and isinstance(self._sock, ssl.SSLSocket):
            parts = [data]
            with contextlib.suppress(BlockingIOError):
                while sum(map(len, parts)) < _READ_BYTES and (data := self._sock_recv(_READ_BYTES)):
                    parts.append(data)
            return b"".join(parts)
        return data

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Acknowledge in one write."""
        mids = [mid for _, _, _, mid, flags in messages if flags & 0x02]
        if mids:
            self._packet_queue(_PUBACK, acknowledgements(mids), 0, 0)
        for _, _, _, mid, flags in messages:
            if flags & 0x04:
                self.ack(mid, 2)

    def _handle(self, first: int, content: bytes) -> MQTTErrorCode:
        """Leave a packet to paho."""
        self._in_packet = {
            "command": first,
            "have_remaining": 1,
            "remaining_count": [],
            "remaining_mult": 1,
            "remaining_length": len(content),
            "packet": bytearray(content),
            "to_process": 0,
            "pos": 0,
        }
        try:
            return self._packet_handle()
        finally:
            self._in_packet["command"] = 0

    def _took_in(self, _client: Any, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        if self._on_messages is not None:
            self._on_messages([message_of(message, self._max_payload)])

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> Any:
        """The network thread's work. It also ends by an exception, which paho tells nobody."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as problem:
            self.end_reason = f"network thread failed: {type(problem).__name__}: {problem}"
            raise
        finally:
            self.end_reason = self.end_reason or "connection closed"
            self.ended.set()
            if self._on_end is not None:
                self._on_end(self.end_reason)

    def _disconnected(self, _client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self.end_reason = f"the broker ended the connection: {reason}"
        elif not self.end_reason:  # the broker's own word comes first, and says more
            self.end_reason = f"connection lost: {reason}"
