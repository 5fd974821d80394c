"""What is wrong with a message, on its way to quarantine."""

from dataclasses import dataclass
from typing import Any

from plant import RAW_BYTES, Rejected

# A message of nothing but wrong values must not grow a thousandfold in quarantine.
_MOST_A_MESSAGE = 50


@dataclass(frozen=True, slots=True)
class OtherMessage:
    """A message that is looked at on its own.

    payload: bytes, cut where the message is longer than what is taken
    length: bytes of the message as it came
    received_at: microseconds since the epoch
    retained: the broker kept the message and sends it again
    """

    topic: str
    payload: bytes
    length: int
    received_at: int
    retained: bool = False


class Refusals:
    """Entries for the quarantine of one message, at most 50; :meth:`close` says how many more there were."""

    def __init__(
        self, source: str, topic: str, payload: bytes, length: int, received_at: int, entries: list[Rejected]
    ) -> None:
        """``length``: bytes of the message as it came; ``entries``: where they are added to."""
        self._source = source
        self._topic = topic
        self._raw = payload[:RAW_BYTES]
        self._length = length
        self._received_at = received_at
        self._entries = entries
        self.count = 0

    def add(self, reason: str, detail: str) -> None:
        """One thing that is wrong."""
        self.count += 1
        if self.count <= _MOST_A_MESSAGE:
            if self._length > len(self._raw):
                detail = f"{detail} ({self._length:,} bytes in all)"
            self._entries.append(
                Rejected(self._source, printable(self._topic), reason, detail, self._raw, self._received_at)
            )

    def close(self) -> None:
        """Nothing more is wrong."""
        if self.count > _MOST_A_MESSAGE:
            last = self._entries[-1]
            more = f"{last.detail}; and {self.count - _MOST_A_MESSAGE:,} more values of this message"
            self._entries[-1] = Rejected(last.source, last.address, last.reason, more, last.raw, last.received_at)


def printable(text: str) -> str:
    """Text that every database and log takes: NUL and lone surrogates are shown as escapes."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def shortened(value: Any) -> str:
    """The beginning of a value, as a person may read it; repr escapes what a database could not hold."""
    try:
        return repr(value[:60] if isinstance(value, str) else value)[:80]
    except RecursionError:
        return "(nested too deeply to show)"
