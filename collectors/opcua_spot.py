"""A spot reading of everything an OPC UA server shows, for the person who stands at the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from collectors.opcua_browse import Browser
from collectors.opcua_certificates import CertificateStore
from collectors.opcua_client import visiting
from collectors.opcua_limits import limits_of
from collectors.sources import OpcUaSource
from plant import Quality

_MOST_NODES = 100_000


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
class Variable:
    """A variable and its browse path below Objects."""

    node_id: Any
    path: str


async def read_spot(source: OpcUaSource, certificates: CertificateStore) -> SpotReport:
    """Browse a server and read every variable once. Raises ``OSError`` where the server cannot be reached."""
    async with visiting(source, certificates, "Industry Brain spot reading") as client:
        namespaces = await client.get_namespace_array()
        browser = Browser(client, await limits_of(client))
        variables = await all_variables(browser)
        nodes = [variable.node_id for variable in variables]
        values, descriptions = await browser.data_values(nodes), await browser.describe(nodes)
        readings = [
            _reading(variable, data, description.unit, namespaces)
            for variable, data, description in zip(variables, values, descriptions, strict=True)
        ]
        return SpotReport(
            sorted(readings, key=lambda reading: reading.name),
            sum(reading.kind in {"array", "structure"} for reading in readings),
        )


async def all_variables(browser: Browser) -> list[Variable]:
    """Every variable below Objects, once, whatever loops the references make; not the standard's own."""
    found: list[Variable] = []
    seen: set[Any] = set()
    level: list[tuple[Any, str]] = [(ua.NodeId(ua.ObjectIds.ObjectsFolder), "")]
    while level and len(seen) < _MOST_NODES:
        following: list[tuple[Any, str]] = []
        children = await browser.children([node_id for node_id, _ in level])
        for (_, path), below in zip(level, children, strict=True):
            for child in below:
                if child.node_id.NamespaceIndex == 0 or child.is_property or child.node_id in seen:
                    continue
                if child.node_class not in {ua.NodeClass.Object, ua.NodeClass.Variable}:
                    continue
                seen.add(child.node_id)
                name = f"{path}/{child.name}".lstrip("/")
                following.append((child.node_id, name))
                if child.node_class == ua.NodeClass.Variable:
                    found.append(Variable(child.node_id, name))
        level = following
    return found


def _reading(variable: Variable, data: ua.DataValue, unit: str, namespaces: Sequence[str]) -> SpotReading:
    status = data.StatusCode.value if data.StatusCode is not None else 0
    quality = Quality(min(status >> 30, Quality.BAD)).name.lower()
    value, kind = plain_value(data.Value.Value if data.Value is not None else None)
    moment = data.SourceTimestamp
    if moment is not None and moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    node = by_uri(variable.node_id, namespaces)
    return SpotReading(variable.path, node, value, kind, unit, quality, moment)


def by_uri(node_id: Any, namespaces: Sequence[str]) -> str:
    """A node id that stays right when the server's namespaces move."""
    index = node_id.NamespaceIndex
    uri = namespaces[index] if index < len(namespaces) else str(index)
    text: str = node_id.to_string().replace(f"ns={index};", f"nsu={uri};")
    return text


def plain_value(value: Any) -> tuple[float | bool | str | None, str]:
    """A value that a person can read, and what kind it is."""
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
