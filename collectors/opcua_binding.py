"""Which variable of a server is which signal: by browsing a pattern, or by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asyncua import ua

from collectors.opcua_browse import Browser
from collectors.pattern import matches
from collectors.sources import OpcUaSource
from plant import Conversion, SignalDirectory

_MAX_NODES = 100_000
_AS_IT_IS = Conversion()
_NO_READINGS = {"array": "an array", "structure": "a structure", "other": "no number"}


@dataclass(frozen=True, slots=True)
class Binding:
    """A variable and the signal it feeds.

    last_time: microseconds of the signal's newest stored reading, where there is one
    keeps_history: whether the server's access level allows its history to be read
    to_signal: from the variable's value to the signal's unit
    """

    node_id: Any
    address: str
    site: str
    machine: str
    signal: str
    signal_id: int
    last_time: int | None
    keeps_history: bool = True
    to_signal: Conversion = _AS_IT_IS

    @property
    def name(self) -> str:
        """The signal's address in the plant, by which its gaps are remembered."""
        return f"{self.site}/{self.machine}/{self.signal}"


@dataclass(slots=True)
class Bindings:
    """What was found: variables that feed signals, and why others do not."""

    bound: list[Binding] = field(default_factory=list)
    unbound: list[str] = field(default_factory=list)


_Place = tuple[Any, str, Mapping[str, str], Conversion]


async def bind(
    browser: Browser, namespaces: Sequence[str], source: OpcUaSource, directory: SignalDirectory
) -> Bindings:
    """All variables that feed registered signals; a signal is fed by one variable, the first.

    Raises ``asyncua.ua.UaError`` where the server does not answer, ``LookupError`` where ``root`` is not there.
    """
    found = Bindings()
    if source.nodes:
        places = _named(namespaces, source, found)
    else:
        places = await _browsed(browser, source)
    fed: dict[int, str] = {}
    chosen: list[Binding] = []
    for node_id, address, place, to_signal in places:
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
            last_time = entry.last_times.get(signal)
            chosen.append(Binding(node_id, address, site, machine, signal, signal_id, last_time, to_signal=to_signal))
    for binding, description in zip(chosen, await browser.describe([one.node_id for one in chosen]), strict=True):
        if description.kind in _NO_READINGS:
            found.unbound.append(f"{binding.address}: holds {_NO_READINGS[description.kind]}")
        else:
            found.bound.append(replace(binding, keeps_history=description.keeps_history))
    return found


def _named(namespaces: Sequence[str], source: OpcUaSource, found: Bindings) -> list[_Place]:
    places: list[_Place] = []
    for node in source.nodes:
        text = node.node
        if text.startswith("nsu="):
            uri, _, rest = text[4:].partition(";")
            if uri not in namespaces:
                found.unbound.append(f"{node.node}: the server has no namespace {uri}")
                continue
            text = f"ns={namespaces.index(uri)};{rest}"
        try:
            node_id = ua.NodeId.from_string(text)
        except (ua.UaError, ValueError) as problem:
            found.unbound.append(f"{node.node}: not a node id: {problem}")
            continue
        place = {"site": node.site, "machine": node.machine, "signal": node.signal}
        places.append((node_id, node.node, place, Conversion(node.factor, node.offset)))
    return places


async def _browsed(browser: Browser, source: OpcUaSource) -> list[_Place]:
    level: list[_Place] = [(await _root(browser, source.root), "", {}, _AS_IT_IS)]
    parts = source.pattern.split("/")
    for depth, part in enumerate(parts):
        following: list[_Place] = []
        # A variable may have others below it: that is how PLCs show their structures.
        classes = {ua.NodeClass.Variable} if depth == len(parts) - 1 else {ua.NodeClass.Object, ua.NodeClass.Variable}
        children = await browser.children([node_id for node_id, *_ in level])
        for (_, path, place, _), below in zip(level, children, strict=True):
            for child in below:
                if child.node_id.NamespaceIndex == 0 or child.is_property or child.node_class not in classes:
                    continue  # the standard's own nodes: Server and its diagnostics; units and ranges
                known = matches(part, child.name, place)
                if known is not None:
                    following.append((child.node_id, f"{path}/{child.name}".lstrip("/"), known, _AS_IT_IS))
            if len(following) > _MAX_NODES:
                raise LookupError(f"more than {_MAX_NODES:,} nodes below {source.root}: name a deeper root")
        level = following
    return level


async def _root(browser: Browser, path: str) -> Any:
    names: Sequence[str] = [name for name in path.split("/") if name]
    node_id = ua.NodeId(ua.ObjectIds.ObjectsFolder)
    for name in names[1:] if names and names[0] == "Objects" else names:
        for child in (await browser.children([node_id]))[0]:
            if child.name == name:
                node_id = child.node_id
                break
        else:
            raise LookupError(f"folder {name!r} of root {path!r} is not on the server")
    return node_id
