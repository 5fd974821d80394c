"""The seam between a collector and whatever makes its readings durable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from plant.batch import Batch

RAW_BYTES = 4096
"""How much of a rejected message is kept."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """What could not be taken as a reading, kept for a person to look at.

    source: the collector's name in the settings, e.g. ``mqtt`` or ``opcua:press-shop``
    address: MQTT topic or OPC UA node
    reason: a word for machines, e.g. ``not_json``, ``unknown_machine``, ``unknown_signal``,
        ``not_a_number``, ``time_in_future``, ``time_too_old``, ``too_large``
    detail: one sentence for people
    raw: the bytes as they came (cut to 4,096, ``detail`` then gives the full length)
    received_at: microseconds since the epoch
    """

    source: str
    address: str
    reason: str
    detail: str
    raw: bytes
    received_at: int


class Sink(Protocol):
    """Takes batches in and says when they are safe."""

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """Return when every row and every rejected message is durable; only then acknowledge upstream.

        Waits while the sink is full (back-pressure); raises ``OSError`` when it cannot take data at
        all: then do not acknowledge, and offer the same data again later.
        """
        ...
