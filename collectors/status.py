"""What a collector says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OfflineDevice:
    """A machine whose device has said, or whose last will says, that it is gone.

    since: microseconds since the epoch; None where the broker kept the message and it does not say
    """

    site: str
    machine: str
    since: int | None


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """How a collector is, with counts since this process began.

    readings: rows made durable
    rejected: entries sent to quarantine
    reconnects: connections made after the first
    unbound: variables or metrics of machines or signals that are not registered, or that the server refuses
    recovered: rows read back from a server's history, repeats included
    dropped: messages of QoS 0 that came while there was no room; their sender asked for no guarantee
    gaps: signals whose missing period is not read back yet
    clock_skew_s: how far the server's clock is ahead of ours; None where it does not tell
    warnings: what will go wrong unless somebody acts: certificates about to expire
    devices_online, devices_offline: machines whose device says whether it is there, as last heard; of Sparkplug devices
    offline: the newest 20 that went, newest first
    nodes_online, nodes_offline: Sparkplug edge nodes that were born, and that have died, as far as is known
    away: some of the Sparkplug edge nodes and devices that have died, as group/node or group/node/device
    rebirths: births asked for, because something was missing
    skipped: values of types that hold no single number, for signals that want one
    last_error: what went wrong last; empty while all is well
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
    dropped: int = 0
    gaps: int = 0
    clock_skew_s: float | None = None
    warnings: tuple[str, ...] = ()
    devices_online: int = 0
    devices_offline: int = 0
    offline: tuple[OfflineDevice, ...] = ()
    nodes_online: int = 0
    nodes_offline: int = 0
    away: tuple[str, ...] = ()
    rebirths: int = 0
    skipped: int = 0
