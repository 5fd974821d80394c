"""A connection to a broker: MQTT 5, falling back to 3.1.1 where the broker refuses it."""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PROTOCOLS = (MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311)
_CONNECT_S = 8.0


class Refused(OSError):
    """The broker does not take us; the message says why."""


def connect(
    url: str,
    client_id: str,
    protocol: MQTTProtocolVersion,
    *,
    prepare: Callable[[mqtt.Client], None],
    receive_maximum: int = 500,
    session_expiry_s: int = 0,
) -> tuple[mqtt.Client, bool]:
    """Connect and start the network thread; the client and whether the broker kept our session.

    ``session_expiry_s`` above zero asks for a persistent session. ``prepare`` sets callbacks before the
    first packet can come. Blocks up to some seconds. Raises :class:`Refused` or another ``OSError``.
    """
    parts = urlsplit(url)
    persistent = session_expiry_s > 0
    properties = None
    if protocol is MQTTProtocolVersion.MQTTv5:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol, manual_ack=True)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = session_expiry_s
        properties.ReceiveMaximum = receive_maximum
    else:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            clean_session=not persistent,
            manual_ack=True,
        )
    if parts.username:
        client.username_pw_set(unquote(parts.username), unquote(parts.password or ""))
    answered = threading.Event()
    answer: list[tuple[bool, str, bool]] = []

    def on_connect(_client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        answer.append((not reason.is_failure, str(reason), bool(flags.session_present)))
        answered.set()

    def on_early_end(_client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not answered.is_set():
            answer.append((False, f"connection closed: {reason}", False))
            answered.set()

    client.on_connect = on_connect
    client.on_disconnect = on_early_end
    client.max_inflight_messages_set(receive_maximum)
    prepare(client)
    arguments: dict[str, Any] = {"keepalive": 20}
    if protocol is MQTTProtocolVersion.MQTTv5:
        arguments |= {"clean_start": not persistent, "properties": properties}
    client.connect(parts.hostname or "", parts.port or 1883, **arguments)
    client.loop_start()
    if not answered.wait(_CONNECT_S):
        answer.append((False, f"no answer within {_CONNECT_S:.0f} s", False))
    accepted, reason, session_present = answer[0]
    if not accepted:
        close(client)
        raise Refused(f"{url_without_password(url)} refused {client_id!r}: {reason}")
    return client, session_present


def close(client: mqtt.Client) -> None:
    """End a connection for good: its thread stops, nothing of it is used again."""
    client.on_disconnect = None
    client.disconnect()
    client.loop_stop()


def url_without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}"
