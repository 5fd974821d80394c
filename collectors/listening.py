"""Listens to a broker for a while and leaves nothing behind: no session, no acknowledgement, no subscription."""

import asyncio
import secrets
import threading
import time
from collections.abc import Sequence

from collectors.mqtt_connection import Connection, connect
from collectors.mqtt_packets import Message
from collectors.mqtt_session import SessionOptions, Tls

_MOST_BYTES = 16 << 20


async def listen(
    url: str,
    topics: Sequence[str],
    seconds: float,
    *,
    most: int = 500,
    max_payload: int = 262_144,
    tls: Tls | None = None,
) -> list[Message]:
    """What comes on the topics within so many seconds, retained messages first; ends early after ``most`` messages.

    Has a client id of its own and asks for QoS 0 in a clean session, so that nobody else's messages are touched.
    Raises ``OSError``.
    """
    heard: list[Message] = []
    enough = threading.Event()

    room = _MOST_BYTES

    def take(messages: list[Message]) -> None:
        nonlocal room
        for message in messages:
            if len(heard) >= most or room <= 0:
                enough.set()
                return
            heard.append(message)
            room -= len(message[1])

    options = SessionOptions(f"brain-try-{secrets.token_hex(6)}", max_payload=max_payload, tls=tls or Tls())
    given_up = threading.Event()

    def body() -> None:
        connection: Connection = connect(url, options, on_messages=take, given_up=given_up)
        try:
            connection.subscribe(topics, qos=0)
            end = time.monotonic() + seconds
            while not (enough.wait(0.1) or given_up.is_set() or time.monotonic() > end):
                if connection.ended:
                    raise OSError(connection.end_reason)
        finally:
            connection.close()

    listening = asyncio.create_task(asyncio.to_thread(body))
    try:
        await asyncio.shield(listening)
    except asyncio.CancelledError:
        given_up.set()  # the thread closes what it opened
        raise
    return heard
