"""What a collector says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """Counts since this process began.

    readings: rows made durable; rejected: entries sent to quarantine; unbound: variables or messages of
    machines that are not registered; recovered: rows read back from a server's history
    """

    name: str
    kind: str
    connected: bool
    readings: int
    rejected: int
    reconnects: int
    unbound: int = 0
    recovered: int = 0
    last_error: str = ""
