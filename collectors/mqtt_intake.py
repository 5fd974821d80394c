"""Messages on their way from the network thread to the event loop; bounded."""

import asyncio
import contextlib
import threading

from collectors.mqtt_packets import QOS, Message

_LOOK_S = 0.2


class Intake:
    """Holds messages until the event loop takes them.

    room: messages, and max_bytes: bytes of payload, from which on no more is read from the network. Under MQTT 5
    the broker never has more than the receive maximum on the way; where a broker knows no such limit (3.1.1), or
    messages are large, a full intake holds the network thread back, and TCP the broker. A message of QoS 0 is not
    worth that: there it is dropped, as its sender allowed, and counted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int, max_bytes: int = 64 << 20) -> None:
        self._loop = loop
        self._room = room
        self._max_bytes = max_bytes
        self._waiting: list[Message] = []
        self._bytes = 0
        self._changed = threading.Condition()
        self._is_closed = False
        self._something = asyncio.Event()
        self._told = False
        self.dropped = 0

    def receive(self, messages: list[Message]) -> None:
        """Take messages in. Called in the network thread."""
        with self._changed:
            if self._is_full():
                kept = [message for message in messages if message[4] & QOS]
                self.dropped += len(messages) - len(kept)
                messages = kept
            while messages and self._is_full() and not self._is_closed:
                self._changed.wait(_LOOK_S)
            self._waiting += messages
            self._bytes += sum([len(message[1]) for message in messages])
        self.tell()

    def tell(self) -> None:
        """Wake the event loop's side; once until it has looked. Called in the network thread."""
        if self._told:
            return
        self._told = True
        with contextlib.suppress(RuntimeError):  # the loop is closed, nobody is there to be woken
            self._loop.call_soon_threadsafe(self._something.set)

    async def wait(self, gather_s: float) -> None:
        """Until something is there; then a little longer, so that what comes together travels together."""
        await self._something.wait()
        if len(self._waiting) < self._room // 4:
            await asyncio.sleep(gather_s)

    def take(self) -> list[Message]:
        """Everything that is there, oldest first."""
        # Cleared before looking: what comes from here on tells anew.
        self._something.clear()
        self._told = False
        with self._changed:
            messages, self._waiting = self._waiting, []
            self._bytes = 0
            self._changed.notify_all()
        return messages

    def close(self) -> None:
        """Let a network thread go that is held back."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _is_full(self) -> bool:
        return len(self._waiting) >= self._room or self._bytes >= self._max_bytes
