"""What a server or broker has to offer: every tag with its unit, range and some values. Stores nothing."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from asyncua import ua

from collectors.json_path import written
from collectors.listening import listen
from collectors.mqtt_session import Tls
from collectors.opcua_browse import Browser, Description
from collectors.opcua_certificates import CertificateStore
from collectors.opcua_client import visiting
from collectors.opcua_limits import limits_of
from collectors.opcua_spot import Variable, all_variables, by_uri, plain_value
from collectors.sources import OpcUaSource

_EVERY_S = 0.5
_MOST_SAMPLES = 20
_MOST_TAGS = 20_000
_MOST_MESSAGES = 20_000
_MOST_DEPTH = 20
_KINDS = {"number", "bool", "text"}


@dataclass(frozen=True, slots=True)
class DiscoveredTag:
    """A tag as the device has it.

    name: browse path, or topic and path in the payload
    data_type: number, bool, text or empty
    low, high: its EURange [unit]
    samples: values it had, oldest first [unit]
    node: OPC UA node id by namespace URI; topic, path: MQTT topic and where in its payload
    """

    name: str
    unit: str = ""
    description: str = ""
    data_type: str = ""
    low: float | None = None
    high: float | None = None
    samples: tuple[float, ...] = ()
    node: str = ""
    topic: str = ""
    path: str = ""


async def discover_opcua(source: OpcUaSource, certificates: CertificateStore, seconds: float) -> list[DiscoveredTag]:
    """Browse a server and watch its variables for a while. Raises ``OSError`` where it cannot be reached."""
    try:
        async with visiting(source, certificates, "Industry Brain discovery") as client:
            namespaces = await client.get_namespace_array()
            browser = Browser(client, await limits_of(client))
            variables = (await all_variables(browser))[:_MOST_TAGS]
            nodes = [variable.node_id for variable in variables]
            descriptions = await browser.describe(nodes)
            texts = await browser.read(nodes, ua.AttributeIds.Description)
            samples: list[list[Any]] = [[] for _ in nodes]
            end = time.monotonic() + seconds
            while nodes:
                for known, data in zip(samples, await browser.data_values(nodes), strict=True):
                    known.append(data.Value.Value if data.Value is not None else None)
                if time.monotonic() + _EVERY_S > end or len(samples[0]) >= _MOST_SAMPLES:
                    break
                await asyncio.sleep(max(_EVERY_S, seconds / _MOST_SAMPLES))
            tags = [
                _variable(*entry, namespaces)
                for entry in zip(variables, descriptions, texts, samples, strict=True)
                if entry[1].kind not in {"array", "structure"}
            ]
            return sorted(tags, key=lambda tag: tag.name)
    except ua.UaError as problem:
        raise OSError(f"{source.url} cannot be browsed: {type(problem).__name__}: {problem}") from problem


def _variable(
    variable: Variable, about: Description, text: Any, samples: Sequence[Any], namespaces: Sequence[str]
) -> DiscoveredTag:
    kinds = [kind for _, kind in map(plain_value, samples) if kind in _KINDS]
    described = getattr(text, "Text", None) or ""
    return DiscoveredTag(
        variable.path,
        about.unit,
        described if described != variable.path.rpartition("/")[2] else "",
        kinds[-1] if kinds else about.kind if about.kind in _KINDS else "",
        about.low,
        about.high,
        _numbers(samples),
        node=by_uri(variable.node_id, namespaces),
    )


async def discover_mqtt(url: str, topics: Sequence[str], seconds: float, tls: Tls | None = None) -> list[DiscoveredTag]:
    """Listen for a while; each value of each JSON payload is a tag. Raises ``OSError``."""
    heard = await listen(url, topics, seconds, most=_MOST_MESSAGES, tls=tls)
    found: dict[tuple[str, str], list[Any]] = {}
    for topic, payload, length, *_ in heard:
        if len(payload) < length:
            continue  # too large to be taken whole
        try:
            content = msgspec.json.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        for location, value in _leaves(content, ()):
            key = (topic.decode(errors="backslashreplace"), written(location))
            if key in found or len(found) < _MOST_TAGS:
                found.setdefault(key, []).append(value)
    tags = []
    for (name, path), values in found.items():
        kinds = [kind for _, kind in map(plain_value, values) if kind in _KINDS]
        shown = path.removeprefix("$").lstrip(".")
        tags.append(
            DiscoveredTag(
                f"{name}/{shown}" if shown else name,
                data_type=kinds[-1] if kinds else "",
                samples=_numbers(values),
                topic=name,
                path=path,
            )
        )
    return sorted(tags, key=lambda tag: tag.name)


def _leaves(content: Any, location: tuple[str | int, ...]) -> list[tuple[tuple[str | int, ...], Any]]:
    if len(location) > _MOST_DEPTH:
        return []
    if isinstance(content, dict):
        return [leaf for key, inner in content.items() for leaf in _leaves(inner, (*location, key))]
    if isinstance(content, list):
        return [leaf for index, inner in enumerate(content) for leaf in _leaves(inner, (*location, index))]
    return [(location, content)]


def _numbers(values: Sequence[Any]) -> tuple[float, ...]:
    """Those that are numbers, the newest few, oldest first."""
    numbers = [float(value) for value in values if isinstance(value, bool | int | float)]
    return tuple([number for number in numbers if math.isfinite(number)][-_MOST_SAMPLES:])
