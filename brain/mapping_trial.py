"""Tries mappings of a file on samples, or on what a broker sends, before anything is saved."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from pydantic import ValidationError

from brain.failure import Failure
from brain.settings import Settings
from collectors import Mapping, Tls, Trial, listen, mapped_filters, try_mapping
from plant import MachineEntry, SignalDirectory, template_library


class Sample(NamedTuple):
    """A message to try a mapping on; ``length`` bytes as it came, of which ``payload`` may be the beginning."""

    topic: str
    payload: bytes
    retained: bool
    length: int


def read_mappings(path: Path) -> list[Mapping]:
    """The mapping, or the mappings of all ``[[mqtt]]`` tables, of a file; :class:`Failure` naming file and key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise Failure(f"mapping file {path} is not TOML: {problem}") from problem
    sources = content.get("mqtt", content if "mappings" in content else {"mappings": [content]})
    tables: list[Any] = []
    for source in sources if isinstance(sources, list) else [sources]:
        found = source.get("mappings", []) if isinstance(source, dict) else []
        tables += found if isinstance(found, list) else [found]
    mappings = []
    for table in tables:
        try:
            mappings.append(Mapping.model_validate(table))
        except ValidationError as problem:
            lines = [
                f"{'.'.join(str(part) for part in item['loc']) or 'mapping'}: {item['msg']}"
                for item in problem.errors()
            ]
            raise Failure(f"mapping file {path} is not right: " + "; ".join(lines)) from problem
    mappings = [mapping for mapping in mappings if mapping.topic]
    if not mappings:
        raise Failure(f"mapping file {path} holds no mapping: give topic and values (docs/settings.md has examples)")
    return mappings


def known_machines(settings: Settings) -> SignalDirectory | None:
    """Machines as the collectors of this installation know them, else those of the settings; None without any."""
    cache = settings.data_dir / "directory.json"
    if cache.is_file():
        try:
            return SignalDirectory.from_json(cache.read_bytes())
        except msgspec.DecodeError as problem:
            raise Failure(f"{cache} cannot be read ({problem}): delete it, collectors write it anew") from problem
    library = template_library()
    specs = [machine.spec() for machine in settings.machines]
    entries = [
        MachineEntry(
            spec.site,
            spec.line,
            spec.machine,
            spec.template,
            {signal.key: number for number, signal in enumerate(library[spec.template].signals)},
        )
        for spec in specs
    ]
    return SignalDirectory(entries) if entries else None


async def hear(url: str, mappings: Sequence[Mapping], seconds: float, most: int, tls: Tls) -> list[Sample]:
    """What comes; :class:`Failure` where nothing does."""
    topics = mapped_filters(mappings)
    try:
        heard = await listen(url, topics, seconds, most=most, tls=tls)
    except OSError as problem:
        raise Failure(f"{problem}: check address, port and log-in") from problem
    if not heard:
        raise Failure(
            f"nothing came on {', '.join(topics)} within {seconds:g} s: check the topic, or listen longer (--seconds)"
        )
    return [
        Sample(topic.decode(errors="backslashreplace"), payload, bool(flags & 1), length)
        for topic, payload, length, _, flags in heard
    ]


def try_messages(
    mappings: Sequence[Mapping],
    messages: Sequence[Sample],
    directory: SignalDirectory | None,
    received_at: int,
) -> list[Trial]:
    """What the first fitting mapping makes of each message; :class:`Failure` for a topic that none has."""
    trials = []
    for topic, payload, retained, length in messages:
        tried = (
            try_mapping(mapping, topic, payload, directory, received_at=received_at, retained=retained, length=length)
            for mapping in mappings
        )
        trial = next((trial for trial in tried if trial.matches), None)
        if trial is None:
            known = ", ".join(mapping.topic for mapping in mappings)
            raise Failure(f"topic {topic!r} is not one of the mapping ({known}): correct the pattern, or the --topic")
        trials.append(trial)
    return trials
