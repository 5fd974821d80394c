"""A connection to a broker: MQTT 5, falling back to 3.1.1 where the broker refuses it. One connection, one object."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from collectors.mqtt_client import Client, OnEnd, OnMessages
from collectors.mqtt_packets import Message
from collectors.mqtt_session import PORTS, Refused, SessionOptions, url_without_password

OnPublished: TypeAlias = Callable[[int, Any], None]

_CONNECT_S = 8.0
_CONFIRM_S = 10.0
_CLOSE_S = 2.0
_KEEPALIVE_S = 20


class _UnsupportedProtocol(Refused):
    """The broker speaks an older MQTT."""


class Connection:
    """A connected client and its network thread.

    It does not connect again (unless asked to): message identifiers belong to the connection that delivered
    them, so an acknowledgement can never reach the broker over another one.
    """

    def __init__(self, client: Client) -> None:
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
    client = Client(options, protocol, on_messages, on_end)
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
        client.connect(parts.hostname or "", parts.port or PORTS[parts.scheme], **arguments)
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
