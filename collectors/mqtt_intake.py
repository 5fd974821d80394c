"""Messages on their way from the network thread to the event loop; bounded."""

import asyncio
import contextlib
import queue
import threading
from dataclasses import dataclass

from paho.mqtt import client as mqtt

from collectors.native import RAW_BYTES

_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as delivered; ``payload`` is cut where the whole of ``length`` bytes is too much to take."""

    topic: str
    payload: bytes
    length: int
    mid: int
    qos: int
    retained: bool


class Intake:
    """Holds at most ``room`` messages of at most ``max_payload`` bytes.

    Under MQTT 5 the broker never has more than the receive maximum on the way. Where a broker knows no such
    limit (3.1.1), a full intake holds the network thread back, and TCP the broker. A message of QoS 0 is not
    worth that: there it is dropped, as its sender allowed, and counted.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, room: int, max_payload: int) -> None:
        self._loop = loop
        self._queue: queue.Queue[Arrival] = queue.Queue(room)
        self._room = room
        self._max_payload = max_payload
        self._closed = threading.Event()
        self._something = asyncio.Event()
        self._told = False
        self.dropped = 0

    def receive(self, message: mqtt.MQTTMessage) -> None:
        """Take a message in. Called in the network thread."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(not UTF-8)"
        length = len(message.payload)
        payload = bytes(message.payload if length <= self._max_payload else message.payload[:RAW_BYTES])
        arrival = Arrival(topic, payload, length, message.mid, message.qos, message.retain)
        while not self._closed.is_set():
            try:
                self._queue.put(arrival, timeout=_LOOK_S if message.qos else 0.001)
            except queue.Full:
                if not message.qos:
                    self.dropped += 1
                    return
            else:
                self.tell()
                return

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
        if self._queue.qsize() < self._room // 2:
            await asyncio.sleep(gather_s)

    def take(self) -> list[Arrival]:
        """Everything that is there, oldest first."""
        # Cleared before looking: what comes from here on tells anew.
        self._something.clear()
        self._told = False
        arrivals: list[Arrival] = []
        while len(arrivals) < self._room:
            try:
                arrivals.append(self._queue.get_nowait())
            except queue.Empty:
                return arrivals
        self._something.set()
        return arrivals

    def close(self) -> None:
        """Let a network thread go that is held back."""
        self._closed.set()
