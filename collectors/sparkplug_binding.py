"""Which metric of an edge node or device is which signal: by patterns over their names."""

from collections.abc import Mapping, Sequence

import structlog

from collectors.pattern import matches
from collectors.sources import SparkplugSource
from collectors.sparkplug_nodes import MetricPath
from plant import SignalDirectory

log = structlog.get_logger()

_MAX_KNOWN = 200_000
_EXAMPLES = 5
# What the protocol itself defines; never a reading (Sparkplug 3.0, 5.17 and 6.4.19).
_PROTOCOL = ("bdSeq", "Node Control/", "Device Control/")


class SparkplugBinding:
    """Looks signals up by metric, and remembers; a signal is fed by one metric, the first."""

    def __init__(self, source: SparkplugSource) -> None:
        self._source = source
        self._patterns = [pattern.split("/") for pattern in source.patterns]
        self._directory: SignalDirectory | None = None
        self._known: dict[MetricPath, int | None] = {}
        self._fed: dict[int, MetricPath] = {}
        self.unbound: dict[MetricPath, str] = {}
        self._told: set[MetricPath] = set()
        self._news: list[MetricPath] = []

    def follow(self, directory: SignalDirectory) -> list[MetricPath]:
        """Use this directory from here on; metrics that feed a signal now and did not before."""
        if directory is self._directory:
            return []
        self._directory = directory
        fed, before = self._fed.values(), self.unbound
        self._known, self._fed, self.unbound = {}, {}, {}
        for path in fed:  # first, so that who feeds a signal goes on with it
            self.signal_id(path)
        return [path for path in before if self.signal_id(path) is not None]

    def signal_id(self, path: MetricPath) -> int | None:
        """The signal that a metric feeds; None for one that is left alone."""
        try:
            return self._known[path]
        except KeyError:
            pass
        found = None if path.name.startswith(_PROTOCOL) else self._bound(path)
        if isinstance(found, str):
            self._leave(path, found)
            found = None
        if len(self._known) < _MAX_KNOWN:
            self._known[path] = found
        return found

    def release(self, group: str, node: str, device: str) -> None:
        """An edge node or device has ended: another may feed its signals now."""
        self._fed = {
            signal_id: path
            for signal_id, path in self._fed.items()
            if path[:2] != (group, node) or device not in ("", path.device)
        }
        self._known, self.unbound = {}, {}

    def report(self) -> None:
        """Log what has turned out to be unbound since the last time, once."""
        if self._news:
            examples = [f"{path}: {self.unbound.get(path)}" for path in self._news[:_EXAMPLES]]
            self._news.clear()
            log.warning("metrics_not_bound", source=self._source.name, count=len(self.unbound), examples=examples)

    def _bound(self, path: MetricPath) -> int | str:
        """The signal of a metric, or why it has none."""
        place = self._place([part for part in path[:3] if part] + path.name.split("/"))
        if place is None:
            return f"no pattern fits ({', '.join(self._source.patterns)})"
        site, machine = place.get("site", self._source.site), place.get("machine", self._source.machine)
        signals = self._source.signals
        signal = signals.get(path.name) or signals.get(place["signal"], place["signal"])
        entry = self._directory.machine(site, machine) if self._directory is not None else None
        if entry is None:
            return f"machine {site}/{machine} is not registered"
        signal_id = entry.signal_ids.get(signal)
        if signal_id is None:
            return f"{signal} is no signal of template {entry.template}"
        first = self._fed.setdefault(signal_id, path)
        return signal_id if first == path else f"{site}/{machine}/{signal} is fed by {first} already"

    def _place(self, parts: Sequence[str]) -> Mapping[str, str] | None:
        """What the first pattern that fits makes of a path."""
        for pattern in self._patterns:
            if len(pattern) != len(parts):
                continue
            place: Mapping[str, str] | None = {}
            for part, name in zip(pattern, parts, strict=True):
                place = matches(part, name, place) if place is not None else None
            if place is not None:
                return place
        return None

    def _leave(self, path: MetricPath, reason: str) -> None:
        if len(self.unbound) < _MAX_KNOWN:
            self.unbound[path] = reason
        if path not in self._told and len(self._told) < _MAX_KNOWN:
            self._told.add(path)
            self._news.append(path)
