"""What a mapping would make of a message, before it is saved: nothing is stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from collectors.json_path import MISSING, written
from collectors.mapped_reader import MessageReader
from collectors.mapping import Mapping
from collectors.native import parsed
from collectors.refusals import Refusals, printable
from plant import Rejected, SignalDirectory, to_datetime

_MOST_UNMAPPED = 200
_MOST_LOOKED_AT = 10_000


@dataclass(frozen=True, slots=True)
class TriedReading:
    """A reading as it would be stored.

    path: where in the payload it stands
    raw: what stands there
    value: what would be stored, in ``unit`` (UCUM code; empty where no template says)
    """

    path: str
    site: str
    machine: str
    signal: str
    raw: Any
    value: float
    unit: str
    time: datetime
    quality: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of one message.

    matches: whether the topic is one of the mapping
    unmapped: paths of the payload that nothing reads; ``[*]`` stands for every entry of a list
    """

    topic: str
    matches: bool
    readings: tuple[TriedReading, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    unmapped: tuple[str, ...] = ()


def try_mapping(
    mapping: Mapping,
    topic: str,
    payload: bytes,
    directory: SignalDirectory | None,
    *,
    received_at: int,
    retained: bool = False,
    length: int | None = None,
) -> Trial:
    """Try a mapping on one message.

    directory: machines to look names up in; None takes every machine, and every signal that some template has
    received_at: microseconds since the epoch
    length: bytes of the message as it came, where ``payload`` holds only its beginning
    """
    reader = MessageReader(mapping)
    places = reader.pattern.match(topic) if mapping.topic else None
    if places is None:
        return Trial(topic, matches=False)
    rejected: list[Rejected] = []
    refusals = Refusals("try-out", topic, payload, length or len(payload), received_at, rejected)
    if length is not None and length > len(payload):
        refusals.add("too_large", "larger than the max_payload that sources have by default")
        return Trial(topic, matches=True, rejected=tuple(rejected))
    try:
        content = parsed(payload)
    except (ValueError, RecursionError) as problem:
        refusals.add("not_json", f"not JSON: {str(problem)[:200]}")
        return Trial(topic, matches=True, rejected=tuple(rejected))
    default_time = None if retained else received_at
    readings = tuple(
        TriedReading(
            printable(written(reading.location)),
            printable(reading.site),
            printable(reading.machine),
            printable(reading.signal),
            printable(reading.raw) if isinstance(reading.raw, str) else reading.raw,
            reading.value,
            reading.unit,
            to_datetime(reading.time),
            reading.quality.name.lower(),
        )
        for reading in reader.read(content, places, default_time, directory, refusals.add)
    )
    refusals.close()
    return Trial(topic, True, readings, tuple(rejected), _unmapped(reader, content, places))


def _unmapped(reader: MessageReader, content: Any, places: dict[str, str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for message in content if isinstance(content, list) else (content,):
        read = {
            path.location(frames)
            for frames in islice(reader.records(message), _MOST_LOOKED_AT)
            for path in reader.paths(frames, places)
            if path.find(frames) is not MISSING
        }
        # An index counted from the end is the same place under another name; it is read, not unmapped.
        read |= {_from_the_start(message, location) for location in read}
        for looked_at, location in enumerate(_leaves(message)):
            if looked_at >= _MOST_LOOKED_AT or len(found) >= _MOST_UNMAPPED:
                break
            if not any(location[:depth] in read for depth in range(len(location) + 1)):
                found[_of_every_entry(location)] = None
    return tuple(printable(path) for path in found)


def _leaves(content: Any) -> Iterator[tuple[str | int, ...]]:
    """Locations of all values that are neither object nor list."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), content)]
    while waiting:
        location, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*location, key), inner) for key, inner in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [((*location, index), value[index]) for index in reversed(range(len(value)))]
        else:
            yield location


def _from_the_start(message: Any, location: tuple[str | int, ...]) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    found = message
    for step in location:
        steps.append(step + len(found) if isinstance(step, int) and step < 0 else step)
        found = found[step]
    return tuple(steps)


def _of_every_entry(location: tuple[str | int, ...]) -> str:
    parts: list[str] = []
    rest: list[str | int] = []
    for step in location:
        if isinstance(step, int):
            parts.append(written(rest)[1:] + "[*]")
            rest = []
        else:
            rest.append(step)
    return "$" + "".join(parts) + written(rest)[1:]
