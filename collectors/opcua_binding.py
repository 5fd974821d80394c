"""Which variable of a server is which signal: by browsing a pattern, or by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import Client, Node, ua

from collectors.pattern import matches
from collectors.sources import OpcUaSource
from plant import SignalDirectory

_MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Binding:
    """A variable and the signal it feeds.

    last_time: microseconds of the signal's newest stored reading, where there is one
    """

    node_id: Any
    address: str
    name: str
    signal_id: int
    last_time: int | None


@dataclass(slots=True)
class Bindings:
    """What was found: variables that feed signals, and why others do not."""

    bound: list[Binding] = field(default_factory=list)
    unbound: list[str] = field(default_factory=list)


_Place = tuple[Any, str, Mapping[str, str]]


async def bind(client: Client, source: OpcUaSource, directory: SignalDirectory) -> Bindings:
    """All variables that feed registered signals; a signal is fed by one variable, the first.

    Raises ``asyncua.ua.UaError`` where the server does not answer, ``LookupError`` where ``root`` is not there.
    """
    found = Bindings()
    places = await _named(client, source, found) if source.nodes else await _browsed(client, source)
    fed: dict[int, str] = {}
    for node_id, address, place in places:
        site, machine = place.get("site", source.site), place.get("machine", source.machine)
        signal = source.signals.get(place["signal"], place["signal"])
        entry = directory.machine(site, machine)
        signal_id = entry.signal_ids.get(signal) if entry is not None else None
        if entry is None:
            found.unbound.append(f"{address}: machine {site}/{machine} is not registered")
        elif signal_id is None:
            found.unbound.append(f"{address}: {signal} is no signal of template {entry.template}")
        elif signal_id in fed:
            found.unbound.append(f"{address}: {site}/{machine}/{signal} is fed by {fed[signal_id]} already")
        else:
            fed[signal_id] = address
            name = f"{site}/{machine}/{signal}"
            found.bound.append(Binding(node_id, address, name, signal_id, entry.last_times.get(signal)))
    return found


async def _named(client: Client, source: OpcUaSource, found: Bindings) -> list[_Place]:
    uris = await client.get_namespace_array()
    places: list[_Place] = []
    for node in source.nodes:
        text = node.node
        if text.startswith("nsu="):
            uri, _, rest = text[4:].partition(";")
            if uri not in uris:
                found.unbound.append(f"{node.node}: the server has no namespace {uri}")
                continue
            text = f"ns={uris.index(uri)};{rest}"
        try:
            node_id = ua.NodeId.from_string(text)
        except (ua.UaError, ValueError) as problem:
            found.unbound.append(f"{node.node}: not a node id: {problem}")
            continue
        places.append((node_id, node.node, {"site": node.site, "machine": node.machine, "signal": node.signal}))
    return places


async def _browsed(client: Client, source: OpcUaSource) -> list[_Place]:
    level: list[tuple[Node, str, dict[str, str]]] = [(await _root(client, source.root), "", {})]
    parts = source.pattern.split("/")
    for depth, part in enumerate(parts):
        following: list[tuple[Node, str, dict[str, str]]] = []
        last = depth == len(parts) - 1
        for node, path, place in level:
            children = await node.get_children_descriptions(
                refs=ua.ObjectIds.HierarchicalReferences,
                nodeclassmask=ua.NodeClass.Variable if last else ua.NodeClass.Object,
            )
            for child in children:
                if child.NodeId.NamespaceIndex == 0:
                    continue  # the standard's own nodes: Server and its diagnostics
                name = child.BrowseName.Name or ""
                known = matches(part, name, place)
                if known is not None:
                    following.append((client.get_node(child.NodeId), f"{path}/{name}", known))
            if len(following) > _MAX_NODES:
                raise LookupError(f"more than {_MAX_NODES:,} nodes below {source.root}: name a deeper root")
        level = following
    return [(node.nodeid, path.lstrip("/"), place) for node, path, place in level]


async def _root(client: Client, path: str) -> Node:
    names: Sequence[str] = [name for name in path.split("/") if name]
    node = client.nodes.objects
    for name in names[1:] if names and names[0] == "Objects" else names:
        for child in await node.get_children_descriptions(refs=ua.ObjectIds.HierarchicalReferences):
            if child.BrowseName.Name == name:
                node = client.get_node(child.NodeId)
                break
        else:
            raise LookupError(f"folder {name!r} of root {path!r} is not on the server")
    return node
