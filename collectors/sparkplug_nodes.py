"""Edge nodes and their devices as their messages tell of them: births, deaths, sequence numbers and aliases.

A state machine without input or output (Sparkplug 3.0, chapters 4 to 6): messages go in, values with their names
come out, and which edge nodes must be asked for a rebirth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from collectors.sparkplug_payload import Metric, Payload
from plant import MICROSECONDS

NAMESPACE = "spBv1.0"

_NODE_KINDS = frozenset({"NBIRTH", "NDATA", "NDEATH"})
_DEVICE_KINDS = frozenset({"DBIRTH", "DDATA", "DDEATH"})
_SEQUENCE = 256
_LONGEST_WAIT_US = 60 * MICROSECONDS
_MAX_NODES = 10_000
_MAX_DEVICES = 10_000
# More at once would bring all births at once, and an overflow with them.
_AT_ONCE = 50


class Topic(NamedTuple):
    """Where a message of an edge node or device came from; ``device`` is empty for the node itself."""

    kind: str
    group: str
    node: str
    device: str


class MetricPath(NamedTuple):
    """What names a metric everywhere; ``device`` is empty for a metric of the node itself."""

    group: str
    node: str
    device: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


class Value(NamedTuple):
    """A metric whose name is certain; ``datatype`` is 0 where neither it nor its birth says it."""

    path: MetricPath
    datatype: int
    metric: Metric


@dataclass(slots=True)
class Taken:
    """What a message brought.

    unresolved: aliases whose metric is not known for certain
    nameless: metrics with neither name nor alias, or in a birth without a name
    problem: why the whole message was not taken
    is_end: from here on the edge node or device is away
    """

    values: list[Value] = field(default_factory=list)
    unresolved: list[int] = field(default_factory=list)
    nameless: int = 0
    problem: str = ""
    is_end: bool = False


def parsed_topic(topic: str) -> Topic | None:
    """The parts of ``spBv1.0/group/kind/node[/device]`` (4.1), None for anything else.

    >>> parsed_topic("spBv1.0/works/DDATA/gateway-1/M1")
    Topic(kind='DDATA', group='works', node='gateway-1', device='M1')
    """
    parts = topic.split("/")
    if parts[0] != NAMESPACE or not all(parts) or not {"+", "#"}.isdisjoint(topic):
        return None
    if len(parts) == 4 and parts[2] in _NODE_KINDS:
        return Topic(parts[2], parts[1], parts[3], "")
    if len(parts) == 5 and parts[2] in _DEVICE_KINDS:
        return Topic(parts[2], parts[1], parts[3], parts[4])
    return None


class _Definition(NamedTuple):
    """What a birth said of an alias."""

    device: str
    name: str
    datatype: int


# Two metrics of a birth have this alias: it names neither.
_AMBIGUOUS = _Definition("", "", 0)


class _Node:
    """One edge node."""

    def __init__(self) -> None:
        self.is_online: bool | None = None  # None: nothing heard of it since we connected
        self.devices: dict[str, bool] = {}
        self.bd_seq: int | None = None
        # Its births are known and no message is missing since: aliases are certain.
        self.is_followed = False
        self.seq = 0
        self.aliases: dict[int, _Definition] = {}
        # By device: type codes by name.
        self.datatypes: dict[str, dict[str, int]] = {}
        self.asked_at: int | None = None
        self.asked = 0

    def lose(self) -> None:
        """Forget what only an unbroken row of messages makes certain.

        Among what is missing may be a birth with a new bdSeq, so that any death counts from here on.
        """
        self.is_followed = False
        self.bd_seq = None
        self.aliases.clear()
        self.datatypes.clear()

    def follows(self, seq: int) -> bool:
        """Whether this is the message after the last one (6.4.5)."""
        expected = (self.seq + 1) % _SEQUENCE
        self.seq = seq
        return self.is_followed and seq == expected

    def learn(self, device: str, metrics: Sequence[Metric]) -> None:
        """Take names, types and aliases out of a birth; what the device had before is over (6.4.6, 6.4.20)."""
        if device in self.datatypes:
            self.aliases = {alias: known for alias, known in self.aliases.items() if known.device != device}
        datatypes = self.datatypes[device] = {}
        for metric in metrics:
            if not metric.name:
                continue
            datatypes[metric.name] = metric.datatype
            if metric.alias is not None:
                definition = _Definition(device, metric.name, metric.datatype)
                known = self.aliases.setdefault(metric.alias, definition)
                if known != definition:
                    self.aliases[metric.alias] = _AMBIGUOUS


class EdgeNodes:
    """All edge nodes of a broker.

    rebirth_interval_us: least time between two requests to one edge node; it doubles, up to a minute, while the
        node does not answer
    """

    def __init__(self, rebirth_interval_us: int) -> None:
        self._interval_us = rebirth_interval_us
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._wanted: set[tuple[str, str]] = set()
        self.rebirths = 0
        self.stale_deaths = 0

    def begin_anew(self) -> None:
        """We were away and may have missed anything: who was there is asked, of the others nothing is known."""
        for key, node in self._nodes.items():
            node.lose()
            if node.is_online:
                self._wanted.add(key)
            node.is_online = None
            node.devices.clear()
            node.asked_at, node.asked = None, 0

    def take(self, topic: Topic, payload: Payload) -> Taken:
        """Follow a message, in the order of arrival; never raises, whatever it says."""
        key = (topic.group, topic.node)
        node = self._nodes.get(key)
        if node is None:
            if len(self._nodes) >= _MAX_NODES:
                return Taken(problem=f"is of one more than {_MAX_NODES:,} edge nodes")
            node = self._nodes[key] = _Node()
        if topic.kind == "NDEATH":
            if payload.bd_seq is None and node.bd_seq is not None:
                return Taken(problem="is a death without the bdSeq that the birth had")
            return Taken(is_end=self._die(key, node, payload.bd_seq))
        if payload.seq is None:
            return Taken(problem="has no sequence number")
        if topic.device and topic.device not in node.devices and len(node.devices) >= _MAX_DEVICES:
            return Taken(problem=f"is of one more than {_MAX_DEVICES:,} devices of an edge node")
        node.is_online = True
        if topic.kind == "NBIRTH":
            self._be_born(key, node, payload)
        elif not node.follows(payload.seq):
            node.lose()
            self._wanted.add(key)
        if topic.kind == "DDEATH":
            node.devices[topic.device] = False
            return Taken(is_end=True)
        is_birth = topic.kind in {"NBIRTH", "DBIRTH"}
        if topic.kind == "DBIRTH":
            node.devices[topic.device] = True
            if node.is_followed:
                node.learn(topic.device, payload.metrics)
        elif topic.device and not node.devices.get(topic.device):
            self._wanted.add(key)  # data of a device without a birth
        return self._resolved(key, node, topic, payload, is_birth=is_birth)

    def want(self, group: str, node: str) -> None:
        """Ask an edge node for its births, if it is there."""
        known = self._nodes.get((group, node))
        if known is not None and known.is_online:
            self._wanted.add((group, node))

    def due(self, now: int) -> list[tuple[str, str]]:
        """Group and name of edge nodes to ask for a rebirth now; they count as asked."""
        asked: list[tuple[str, str]] = []
        for key in sorted(self._wanted):
            node = self._nodes[key]
            wait_us = min(self._interval_us << min(max(node.asked - 1, 0), 8), max(self._interval_us, _LONGEST_WAIT_US))
            # A clock that was set back must not silence us.
            if node.asked_at is not None and 0 <= now - node.asked_at < wait_us:
                continue
            if len(asked) == _AT_ONCE:
                break
            node.asked_at, node.asked = now, node.asked + 1
            asked.append(key)
        self.rebirths += len(asked)
        return asked

    def count(self, *, online: bool) -> tuple[int, int]:
        """How many edge nodes, and how many devices, are known to be there or to be away."""
        nodes = sum(node.is_online is online for node in self._nodes.values())
        return nodes, sum(link is online for node in self._nodes.values() for link in node.devices.values())

    def offline(self) -> list[str]:
        """Edge nodes as ``group/node`` and devices as ``group/node/device`` that are known to be away."""
        return sorted(
            "/".join(parts)
            for (group, name), node in self._nodes.items()
            for parts, link in [
                ((group, name), node.is_online),
                *(((group, name, device), link) for device, link in node.devices.items()),
            ]
            if link is False
        )

    def _be_born(self, key: tuple[str, str], node: _Node, payload: Payload) -> None:
        node.lose()
        node.is_followed = True
        node.seq = payload.seq or 0
        node.bd_seq = payload.bd_seq
        node.devices = dict.fromkeys(node.devices, False)  # until their own births follow (6.4.20)
        node.learn("", payload.metrics)
        node.asked = 0
        self._wanted.discard(key)

    def _die(self, key: tuple[str, str], node: _Node, bd_seq: int | None) -> bool:
        if node.bd_seq is not None and bd_seq is not None and bd_seq != node.bd_seq:
            self.stale_deaths += 1  # the will of a connection before this one (6.4.25)
            return False
        node.lose()
        node.is_online = False
        node.devices = dict.fromkeys(node.devices, False)
        self._wanted.discard(key)
        return True

    def _resolved(self, key: tuple[str, str], node: _Node, topic: Topic, payload: Payload, *, is_birth: bool) -> Taken:
        taken = Taken()
        for metric in payload.metrics:
            name, datatype = metric.name, metric.datatype
            if name:
                datatype = datatype or node.datatypes.get(topic.device, {}).get(name, 0)
            elif metric.alias is None or is_birth:
                taken.nameless += 1
                continue
            else:
                known = node.aliases.get(metric.alias)
                if known is None or known.device != topic.device or not known.name:
                    taken.unresolved.append(metric.alias)
                    if known is not _AMBIGUOUS:  # asked again, it would say the same
                        self._wanted.add(key)
                    continue
                name, datatype = known.name, datatype or known.datatype
            taken.values.append(Value(MetricPath(topic.group, topic.node, topic.device, name), datatype, metric))
        return taken
