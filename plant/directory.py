"""Which signal id belongs to which name: the table collectors map names with."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """One machine as collectors know it.

    signal_ids: signal key -> id in the historian
    last_times: signal key -> microseconds of its newest stored reading, where there is one
        (a collector asks a server's history from there on)
    """

    site: str
    line: str
    machine: str
    template: str
    signal_ids: Mapping[str, int]
    last_times: Mapping[str, int] = field(default_factory=dict)


class SignalDirectory:
    """Machines of one tenant by (site, machine), with the ids of their signals.

    gateways: key of each gateway that may send for the tenant -> its site
    """

    def __init__(self, entries: Iterable[MachineEntry] = (), gateways: Mapping[str, str] | None = None) -> None:
        self._entries = {(entry.site, entry.machine): entry for entry in entries}
        self.gateways: Mapping[str, str] = dict(gateways or {})

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[MachineEntry]:
        return iter(self._entries.values())

    def machine(self, site: str, machine: str) -> MachineEntry | None:
        """The entry of a machine, or None where it is not known."""
        return self._entries.get((site, machine))

    def signal_id(self, site: str, machine: str, signal: str) -> int | None:
        """The id of a signal, or None where machine or signal is not known."""
        entry = self._entries.get((site, machine))
        return None if entry is None else entry.signal_ids.get(signal)

    def to_json(self) -> bytes:
        """The directory as JSON, for a cache on disk (collectors start while the database is down)."""
        return msgspec.json.encode(_Cached(list(self._entries.values()), dict(self.gateways)))

    @classmethod
    def from_json(cls, data: bytes) -> "SignalDirectory":
        """The directory that :meth:`to_json` wrote; raises ``msgspec.DecodeError`` on anything else."""
        content = msgspec.json.decode(data, type=list[MachineEntry] | _Cached)
        # A list is what the version before gateways wrote.
        return cls(content) if isinstance(content, list) else cls(content.machines, content.gateways)


class _Cached(msgspec.Struct):
    machines: list[MachineEntry]
    gateways: dict[str, str]
