"""A spot reading of everything an OPC UA server shows, for the person who stands at the machine."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, Node, ua

from collectors.opcua_client import leave
from plant import Quality

_MOST_NODES = 100_000
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class SpotReading:
    """One variable as it is now.

    name: browse path below Objects; node: node id with its namespace's URI
    value: None where there is none, or where it is an array or structure (``kind`` says which)
    """

    name: str
    node: str
    value: float | bool | str | None
    kind: str
    unit: str
    quality: str
    source_time: datetime | None


@dataclass(frozen=True, slots=True)
class SpotReport:
    """All variables by path; ``skipped`` is how many of them hold arrays or structures, whose values are left out."""

    readings: Sequence[SpotReading]
    skipped: int


@dataclass(frozen=True, slots=True)
class _Variable:
    node: Node
    path: str


async def read_spot(url: str, timeout_s: float = 10.0) -> SpotReport:
    """Browse a server and read every variable once. Raises ``OSError`` where the server cannot be reached."""
    client = Client(url, timeout=timeout_s)
    client.name = "Industry Brain spot reading"
    try:
        try:
            async with asyncio.timeout(timeout_s * 2):
                await client.connect()
        except (OSError, TimeoutError, ua.UaError) as problem:
            raise OSError(f"{url} does not take us: {type(problem).__name__}: {problem}".rstrip(": ")) from problem
        namespaces = await client.get_namespace_array()
        variables = await _variables(client)
        readings: list[SpotReading] = []
        for start in range(0, len(variables), _AT_ONCE):
            readings += await _read(client, variables[start : start + _AT_ONCE], namespaces)
        return SpotReport(
            sorted(readings, key=lambda reading: reading.name),
            sum(reading.kind in {"array", "structure"} for reading in readings),
        )
    finally:
        await leave(client)


async def _variables(client: Client) -> list[_Variable]:
    """Every variable below Objects, once, whatever loops the references make; not the standard's own."""
    found: list[_Variable] = []
    seen: set[ua.NodeId] = set()
    level: list[tuple[Node, str]] = [(client.nodes.objects, "")]
    while level and len(seen) < _MOST_NODES:
        following: list[tuple[Node, str]] = []
        for node, path in level:
            for child in await node.get_children_descriptions(
                refs=ua.ObjectIds.HierarchicalReferences,
                nodeclassmask=ua.NodeClass.Object | ua.NodeClass.Variable,
            ):
                if child.NodeId.NamespaceIndex == 0 or child.NodeId in seen:
                    continue
                if child.ReferenceTypeId.Identifier == ua.ObjectIds.HasProperty:
                    continue  # says something of its node: unit, range
                seen.add(child.NodeId)
                known, name = client.get_node(child.NodeId), f"{path}/{child.BrowseName.Name}".lstrip("/")
                following.append((known, name))
                if child.NodeClass == ua.NodeClass.Variable:
                    found.append(_Variable(known, name))
        level = following
    return found


async def _read(client: Client, variables: Sequence[_Variable], namespaces: Sequence[str]) -> list[SpotReading]:
    values = await client.uaclient.read_attributes(
        [variable.node.nodeid for variable in variables], ua.AttributeIds.Value
    )
    units = await asyncio.gather(*(_unit(variable.node) for variable in variables))
    return [
        _reading(variable, data, unit, namespaces)
        for variable, data, unit in zip(variables, values, units, strict=True)
    ]


async def _unit(node: Node) -> str:
    """The display name of EngineeringUnits (OPC UA Part 8, 5.6.3); empty where the variable has none."""
    with contextlib.suppress(ua.UaError):
        for child in await node.get_children_descriptions(refs=ua.ObjectIds.HasProperty):
            if child.BrowseName.Name == "EngineeringUnits":
                value = await Node(node.session, child.NodeId).read_value()
                text = getattr(getattr(value, "DisplayName", None), "Text", None)
                return str(text or "")
    return ""


def _reading(variable: _Variable, data: ua.DataValue, unit: str, namespaces: Sequence[str]) -> SpotReading:
    status = data.StatusCode.value if data.StatusCode is not None else 0
    quality = Quality(min(status >> 30, Quality.BAD)).name.lower()
    value, kind = _plain(data.Value.Value if data.Value is not None else None)
    moment = data.SourceTimestamp
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    node_id = variable.node.nodeid
    index = node_id.NamespaceIndex
    uri = namespaces[index] if index < len(namespaces) else str(index)
    node = node_id.to_string().replace(f"ns={index};", f"nsu={uri};")
    return SpotReading(variable.path, node, value, kind, unit, quality, moment)


def _plain(value: Any) -> tuple[float | bool | str | None, str]:
    match value:
        case None:
            return None, "none"
        case bool():
            return value, "bool"
        case int() | float():
            return value, "number"
        case str():
            return value, "text"
        case datetime():
            return value.isoformat(), "time"
        case list() | tuple():
            return None, "array"
        case ua.LocalizedText():
            return value.Text or "", "text"
        case _:
            return None, "structure"
