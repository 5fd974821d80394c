"""Applying a confirmed proposal: machines for the historian, and the settings of the source they are read from."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from brain.failure import Failure
from collectors import Mapping, MqttSource, OpcUaNode, OpcUaSource
from onboarding import Entry, Proposal, toml_lines
from plant import MachineSpec


def specs_of(proposal: Proposal, known: Sequence[MachineSpec] = ()) -> list[MachineSpec]:
    """The machines that a confirmed tag feeds; what a proposal does not say is as it is registered."""
    fed = {item.machine for item in proposal.confirmed}
    sites = {one.site: one for one in known}
    machines = {(one.site, one.machine): one for one in known}
    specs = []
    for one in proposal.machines:
        if one.machine not in fed:
            continue
        spec = MachineSpec(
            one.site, one.line, one.machine, one.name or one.machine, one.template, nameplate=dict(one.nameplate)
        )
        if site := sites.get(one.site):
            spec = replace(spec, site_name=site.site_name, time_zone=site.time_zone, currency=site.currency)
        if before := machines.get((one.site, one.machine)):
            spec = replace(spec, area=before.area, downtime_cost_per_h=before.downtime_cost_per_h)
        specs.append(spec)
    return specs


def source_settings(proposal: Proposal, name: str) -> str:
    """The ``[[opcua]]`` or ``[[mqtt]]`` table for the settings file; :class:`Failure` where tags have no address."""
    sites = {one.machine: one.site for one in proposal.machines}
    items = proposal.confirmed
    if urlsplit(proposal.url).scheme == "opc.tcp":
        return _opcua(proposal.url, name, items, sites)
    if urlsplit(proposal.url).scheme in {"mqtt", "mqtts"}:
        return _mqtt(proposal.url, name, items, sites)
    raise Failure("the proposal names no server or broker: it was made from a list; give --url")


def _opcua(url: str, name: str, items: Sequence[Entry], sites: dict[str, str]) -> str:
    nodes = []
    for item in items:
        node = _given(item, "node")
        site, machine, signal = sites[item.machine], item.machine, item.signal or ""
        nodes.append(
            OpcUaNode(node=node, site=site, machine=machine, signal=signal, factor=item.factor, offset=item.offset)
        )
    OpcUaSource(name=name, url=url, nodes=tuple(nodes))  # what is printed is right
    lines = ["[[opcua]]", *toml_lines({"name": name, "url": url})]
    for bound in nodes:
        lines += ["", "[[opcua.nodes]]", *toml_lines(bound.model_dump(exclude_defaults=True))]
    return "\n".join(lines) + "\n"


def _mqtt(url: str, name: str, items: Sequence[Entry], sites: dict[str, str]) -> str:
    topics: dict[tuple[str, str], list[Entry]] = {}
    for item in items:
        topics.setdefault((_given(item, "topic"), sites[item.machine]), []).append(item)
    mappings: list[dict[str, Any]] = [
        {
            "topic": topic,
            "site": site,
            "values": [
                {
                    "path": _given(item, "path"),
                    "machine": item.machine,
                    "signal": item.signal,
                    **({"factor": item.factor} if item.factor != 1.0 else {}),
                    **({"offset": item.offset} if item.offset else {}),
                }
                for item in own
            ],
        }
        for (topic, site), own in topics.items()
    ]
    try:
        MqttSource(name=name, url=url, topics=(), mappings=tuple(Mapping.model_validate(one) for one in mappings))
    except ValueError as problem:
        raise Failure(f"the proposal makes no mapping: {problem}") from problem
    lines = ["[[mqtt]]", *toml_lines({"name": name, "url": url, "client_id": f"industry-brain-{name}"})]
    for one in mappings:
        values = one.pop("values")
        lines += ["", "[[mqtt.mappings]]", *toml_lines(one)]
        for value in values:
            lines += ["", "[[mqtt.mappings.values]]", *toml_lines(value)]
    return "\n".join(lines) + "\n"


def _given(item: Entry, key: str) -> str:
    found = item.source.get(key, "")
    if not found:
        raise Failure(f"tag {item.name} has no {key}: make the proposal with --url, or add it to the item's source")
    return found
