"""A connection to a broker: MQTT 5, falling back to 3.1.1 where the broker refuses it. One connection, one object."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from collectors.mqtt_packets import MalformedStream, Message, PacketReader, acknowledgements, message_of
from collectors.targets import targets

OnMessages: TypeAlias = Callable[[list[Message]], None]
OnPublished: TypeAlias = Callable[[int, Any], None]
OnEnd: TypeAlias = Callable[[str], None]

_CONNECT_S = 8.0
_CONFIRM_S = 10.0
_CLOSE_S = 2.0
_KEEPALIVE_S = 20
_READ_BYTES = 1 << 18
_PAUSE_S = 0.02
_PUBACK = 0x40
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Refused(OSError):
    """The broker does not take us; the message says why."""


class _UnsupportedProtocol(Refused):
    """The broker speaks an older MQTT."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM format.

    ca_file: certificates to trust; None: those of the system
    certificate_file, key_file: our own certificate, where the broker asks for one
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, the broker's name checked. Raises :class:`Refused` naming a file that is of no use."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise Refused(f"ca_file {self.ca_file} holds no certificates that can be read: {problem}") from problem
        if self.certificate_file is not None and self.key_file is not None:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file)
            except (OSError, ssl.SSLError) as problem:
                files = f"certificate_file {self.certificate_file} and key_file {self.key_file}"
                raise Refused(f"{files} are no certificate and its key: {problem}") from problem
        return context


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us, retained and with QoS 1, should we end without saying so."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to connect.

    receive_maximum: messages on their way to us before one is acknowledged (the broker's limit under 3.1.1)
    max_payload: of longer messages only the beginning is handed on [bytes]
    session_expiry_s: how long the broker keeps the session; 0 for none
    reconnect: whether the client connects again by itself and sends unacknowledged messages again
    tls: whom to trust and who we are, for URLs that begin with mqtts://
    will: what others are told if we end without a word
    """

    client_id: str
    receive_maximum: int = 500
    max_payload: int = 262_144
    session_expiry_s: int = 0
    reconnect: bool = False
    tls: Tls = field(default_factory=Tls)
    will: Will | None = None


class Connection:
    """A connected client and its network thread.

    It does not connect again (unless asked to): message identifiers belong to the connection that delivered
    them, so an acknowledgement can never reach the broker over another one.
    """

    def __init__(self, client: "_Client") -> None:
        self._client = client
        self.session_present = False
        self.protocol = client.protocol
        client.on_subscribe = self._confirmed
        client.on_unsubscribe = self._confirmed
        self._confirmations: dict[int, list[Any]] = {}
        self._changed = threading.Condition()

    @property
    def ended(self) -> bool:
        """Whether it is over, for whatever reason."""
        return self._client.ended.is_set()

    @property
    def end_reason(self) -> str:
        """Why it is over."""
        return self._client.end_reason

    def subscribe(self, topics: Sequence[str], *, qos: int = 1, retained_again: bool = False) -> None:
        """Subscribe and wait; raises :class:`Refused` naming the topics that are not allowed.

        retained_again: retained messages are told with every connection (under 3.1.1 they always are)
        """
        if self.protocol is MQTTProtocolVersion.MQTTv5:
            # A retained reading was taken when the subscription began; not again with every connection.
            handling = (
                SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained_again else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
            )
            options = SubscribeOptions(qos=qos, retainHandling=handling)
            _, mid = self._client.subscribe([(topic, options) for topic in topics])
        else:
            _, mid = self._client.subscribe([(topic, qos) for topic in topics])
        reasons = self._confirmation(mid, "subscription")
        refused = [f"{topic} ({reason})" for topic, reason in zip(topics, reasons, strict=False) if reason.is_failure]
        if refused:
            raise Refused(f"the broker refuses to subscribe {', '.join(refused)}: check its access list")

    def unsubscribe(self, topics: Sequence[str], patience_s: float = _CONFIRM_S) -> None:
        """Give subscriptions up and wait until the broker has said so; ``OSError`` where it does not."""
        _, mid = self._client.unsubscribe(list(topics))
        self._confirmation(mid, "end of subscription", patience_s)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Tell the broker that messages are safe, oldest first; without effect once the connection is over."""
        if not self.ended:
            self._client.acknowledge(messages)

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, patience_s: float = 0.0
    ) -> int:
        """Send, with QoS 1 unless told otherwise; the message identifier.

        patience_s: how long to wait until the broker has it
        """
        sent = self._client.publish(topic, payload, qos=qos, retain=retain)
        if patience_s:
            with contextlib.suppress(RuntimeError, ValueError):  # the connection is over, or nothing more fits
                sent.wait_for_publish(patience_s)
        return sent.mid

    def close(self) -> None:
        """End it, within seconds even where the network is cut: its thread stops, nothing of it is used again."""
        client = self._client
        client.closing.set()
        with contextlib.suppress(OSError, ValueError):
            client.disconnect()
        if not client.ended.wait(_CLOSE_S):
            # What cannot be sent would be waited for; a closed socket ends the thread.
            with contextlib.suppress(OSError, AttributeError):
                client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        client.loop_stop()

    def _confirmed(self, _client: Any, _userdata: Any, mid: int, reasons: Any, _properties: Any) -> None:
        with self._changed:
            self._confirmations[mid] = list(reasons)
            self._changed.notify_all()

    def _confirmation(self, mid: int | None, what: str, patience_s: float = _CONFIRM_S) -> list[Any]:
        remaining = int(patience_s / 0.5)
        with self._changed:
            while mid not in self._confirmations and remaining and not self.ended:
                self._changed.wait(0.5)
                remaining -= 1
            if mid is None or mid not in self._confirmations:
                raise OSError(self.end_reason or f"the broker does not confirm our {what}")
            return self._confirmations.pop(mid)


def connect(
    url: str,
    options: SessionOptions,
    *,
    on_messages: OnMessages | None = None,
    on_published: OnPublished | None = None,
    on_end: OnEnd | None = None,
    given_up: threading.Event | None = None,
) -> Connection:
    """Connect with the newest protocol that the broker takes. Blocks up to some seconds: call it in a thread.

    The callbacks are called in the network thread; ``on_end`` exactly once, however the connection ends.
    ``given_up`` tells that nobody waits for the connection any more. Raises :class:`Refused` or another ``OSError``.
    """
    # Asked first, with nothing in the question: amqtt 0.12 refuses a bare CONNECT of MQTT 5 at once, but waits
    # for ever over one with properties, because it reads them as the client's name.
    question = SessionOptions(f"{options.client_id}-asks", tls=options.tls)
    protocol = MQTTProtocolVersion.MQTTv5
    try:
        _connect(url, question, protocol, (None, None, None), given_up, bare=True).close()
    except _UnsupportedProtocol:
        protocol = MQTTProtocolVersion.MQTTv311
    except Refused:
        pass  # not because of the protocol; the real attempt says why
    return _connect(url, options, protocol, (on_messages, on_published, on_end), given_up)


def url_without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or _PORTS[parts.scheme]}"


class _Client(mqtt.Client):
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


def _connect(
    url: str,
    options: SessionOptions,
    protocol: MQTTProtocolVersion,
    callbacks: tuple[OnMessages | None, OnPublished | None, OnEnd | None],
    given_up: threading.Event | None,
    *,
    bare: bool = False,
) -> Connection:
    on_messages, on_published, on_end = callbacks
    parts = urlsplit(url)
    client = _Client(options, protocol, on_messages, on_end)
    connection = Connection(client)
    if parts.scheme == "mqtts":
        client.tls_set_context(options.tls.context())
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    if options.will is not None:
        client.will_set(options.will.topic, options.will.payload, qos=1, retain=True)
    answer: list[tuple[Any, bool]] = []
    answered = threading.Event()

    def connected(_client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        answer.append((reason, bool(flags.session_present)))
        answered.set()

    client.on_connect = connected
    if on_published is not None:
        client.on_publish = lambda _client, _userdata, mid, reason, _properties: on_published(mid, reason)
    client.max_inflight_messages_set(options.receive_maximum)
    arguments: dict[str, Any] = {"keepalive": _KEEPALIVE_S}
    if protocol is MQTTProtocolVersion.MQTTv5 and not bare:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = options.session_expiry_s
        properties.ReceiveMaximum = options.receive_maximum
        arguments |= {"clean_start": options.session_expiry_s == 0, "properties": properties}
    try:
        client.connect(parts.hostname or "", parts.port or _PORTS[parts.scheme], **arguments)
    except ssl.SSLCertVerificationError as problem:
        raise Refused(
            f"{url_without_password(url)} shows a certificate that is not trusted ({problem.verify_message}): "
            "give the certificate of who signed it as ca_file, and the name that stands in it as address"
        ) from problem
    client.loop_start()
    for _ in range(int(_CONNECT_S / 0.1)):
        if answered.wait(0.1) or client.ended.is_set() or (given_up is not None and given_up.is_set()):
            break
    if answer and not answer[0][0].is_failure and not (given_up is not None and given_up.is_set()):
        connection.session_present = answer[0][1]
        return connection
    connection.close()
    where = f"{url_without_password(url)} refuses {options.client_id!r}"
    if not answer:
        # With TLS 1.3 a broker says so after we believe to be connected, and its word is often cut off.
        wanted = parts.scheme == "mqtts" and options.tls.certificate_file is None
        hint = " (does it ask for a certificate? give certificate_file and key_file)" if wanted else ""
        raise Refused(f"{where}: {client.end_reason or f'no answer within {_CONNECT_S:.0f} s'}{hint}")
    reason = answer[0][0]
    # MQTT 5, 3.2.2.2: 0x84; a broker of 3.1.1 says 0x01, which paho translates.
    kind = _UnsupportedProtocol if reason.value == 0x84 else Refused
    raise kind(f"{where}: {reason}")
