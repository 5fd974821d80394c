"""Proposals as a file that a person edits and confirms: JSON, or TOML."""

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onboarding.items import Item
from plant import TemplateError, template_library


class ProposalError(ValueError):
    """A proposal file is not right; the message names each item."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Machine(_Document):
    """A machine to register; what is left out of the nameplate takes the template's defaults."""

    machine: str = Field(min_length=1)
    template: str
    site: str = "site"
    line: str = "line-1"
    name: str = ""
    nameplate: dict[str, float | str] = {}


class CandidateEntry(_Document):
    """A signal that a tag may be."""

    signal: str
    factor: float = 1.0
    offset: float = 0.0
    confidence: float = 0.0


class Entry(_Document):
    """A tag and what it is; ``ask`` false and a signal mean that it is confirmed."""

    name: str = Field(min_length=1)
    machine: str
    template: str | None = None
    signal: str | None = None
    factor: float = Field(1.0, allow_inf_nan=False)
    offset: float = Field(0.0, allow_inf_nan=False)
    unit: str = ""
    source_unit: str = ""
    confidence: float = 1.0
    reason: str = ""
    ask: bool = False
    candidates: list[CandidateEntry] = []
    source: dict[str, str] = {}


class Proposal(_Document):
    """What stands in the file.

    url: server or broker that the tags come from; empty for a list
    """

    url: str = ""
    machines: list[Machine] = []
    items: list[Entry]

    @property
    def confirmed(self) -> list[Entry]:
        """Tags that feed a signal."""
        return [item for item in self.items if item.signal is not None and not item.ask]

    @property
    def open(self) -> list[Entry]:
        """Tags that a person must still decide."""
        return [item for item in self.items if item.ask]


def proposal_of(items: Sequence[Item], url: str = "", site: str = "site", line: str = "line-1") -> Proposal:
    """The file of a proposal; machines that have a signal, or a question, are listed for registering."""
    templates: dict[str, str] = {}
    for item in items:
        if item.template is not None and (item.signal is not None or item.ask):
            templates.setdefault(item.machine, item.template)
    library = template_library()
    machines = [
        Machine(
            site=site, line=line, machine=key, name=key, template=template,
            nameplate=library[template].complete_nameplate({}),
        )
        for key, template in templates.items()
    ]  # fmt: skip
    return Proposal(url=url, machines=machines, items=[Entry.model_validate(asdict(item)) for item in items])


def read_proposal(text: str, *, toml: bool) -> Proposal:
    """The proposal in a file's text, checked against templates; :class:`ProposalError` names everything wrong."""
    try:
        content = tomllib.loads(text) if toml else json.loads(text)
    except ValueError as problem:
        raise ProposalError(f"is not {'TOML' if toml else 'JSON'}: {problem}") from problem
    try:
        proposal = Proposal.model_validate(content)
    except ValidationError as problem:
        lines = [f"{_place(item['loc'])}: {item['msg']}" for item in problem.errors()]
        raise ProposalError("; ".join(lines)) from problem
    problems = list(_problems(proposal))
    if problems:
        raise ProposalError("; ".join(problems))
    return proposal


def _place(location: Sequence[str | int]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in location) or "file"


def _problems(proposal: Proposal) -> Iterator[str]:
    library = template_library()
    machines: dict[str, Machine] = {}
    for number, machine in enumerate(proposal.machines, 1):
        where = f"machine {number} ({machine.machine})"
        if machine.machine in machines:
            yield f"{where}: is there twice"
        machines[machine.machine] = machine
        template = library.get(machine.template)
        if template is None:
            yield f"{where}: template {machine.template!r} is not known; known are {', '.join(library)}"
            continue
        try:
            template.complete_nameplate(machine.nameplate)
        except TemplateError as problem:
            yield f"{where}: {problem}"
    fed: dict[tuple[str, str], str] = {}
    for number, item in enumerate(proposal.items, 1):
        if item.signal is None or item.ask:
            continue
        where = f"item {number} ({item.name})"
        known = machines.get(item.machine)
        if known is None:
            yield f"{where}: machine {item.machine!r} is not among machines"
            continue
        template = library.get(known.template)
        if template is not None and item.signal not in {signal.key for signal in template.signals}:
            yield f"{where}: {item.signal!r} is no signal of template {known.template}"
        if not item.factor:
            yield f"{where}: a factor of 0 leaves nothing of the value"
        other = fed.setdefault((item.machine, item.signal), item.name)
        if other != item.name:
            yield f"{where}: {item.machine}/{item.signal} is fed by {other} already"


def write_proposal(proposal: Proposal, *, toml: bool) -> str:
    """The file's text."""
    if not toml:
        return proposal.model_dump_json(indent=2) + "\n"
    lines = [f"url = {toml_value(proposal.url)}", ""]
    for machine in proposal.machines:
        lines += ["[[machines]]", *toml_lines(machine.model_dump()), ""]
    for item in proposal.items:
        content = item.model_dump(exclude_none=True)
        lines += ["[[items]]", *toml_lines(content), ""]
    return "\n".join(lines)


def toml_lines(content: Mapping[str, Any]) -> list[str]:
    """``key = value`` lines; tables and lists of tables are written inline."""
    return [f"{key} = {toml_value(value)}" for key, value in content.items()]


def toml_value(value: Any) -> str:
    """A value as TOML writes it.

    >>> toml_value({"a b": [1, True, 'x"y']})
    '{ "a b" = [1, true, "x\\\\"y"] }'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml_value(entry)}" for key, entry in value.items()) + " }"
    return "[" + ", ".join(toml_value(entry) for entry in value) + "]"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else toml_value(key)
