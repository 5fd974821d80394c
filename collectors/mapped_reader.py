"""Takes readings out of parsed JSON as a mapping says. Whatever is wrong is rejected singly; the rest is kept."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from collectors.json_path import MISSING, Frame, JsonPath, json_path
from collectors.mapped_values import MOST_REMEMBERED, CompiledValue, Reject, Targets, number_of
from collectors.mapping import MappedValue, Mapping, TopicPattern, word_of
from collectors.refusals import shortened
from collectors.timestamps import time_reader
from plant import Quality, SignalDirectory

Frames: TypeAlias = tuple[Frame, ...]

_QUALITIES = {"good": Quality.GOOD, "uncertain": Quality.UNCERTAIN, "bad": Quality.BAD}
# What one message may make: lists within lists grow a small payload no further than this.
_MOST_RECORDS = 100_000


class MappedReading(NamedTuple):
    """One reading out of foreign JSON.

    signal_id: -1 where no directory is there to say
    raw: the JSON value it came from
    value: in the signal's own unit
    unit: UCUM code of that; empty where no template is there to say
    time: microseconds since the epoch
    location: steps from the message to the value
    """

    site: str
    machine: str
    signal: str
    signal_id: int
    raw: Any
    value: float
    unit: str
    time: int
    quality: Quality
    location: tuple[str | int, ...]


class MessageReader:
    """Reads messages by one mapping."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.pattern = TopicPattern(mapping.topic)
        self._each = [json_path(path) for path in mapping.each]
        self._site = _optional(mapping.site_path)
        self._machine = _optional(mapping.machine_path)
        self._signal = _optional(mapping.signal_path)
        self._time = _optional(mapping.time_path)
        self._quality = _optional(mapping.quality_path)
        self._read_time = time_reader(mapping.time_format, mapping.time_zone, text_numbers=mapping.text_numbers)
        self._qualities = {word: _QUALITIES[name] for word, name in mapping.qualities.items()} or _QUALITIES
        self._values = [CompiledValue(mapping, value) for value in mapping.values]
        self._named: dict[str, list[CompiledValue]] = {}
        for value, compiled in zip(mapping.values, self._values, strict=True):
            self._named.setdefault(value.name, []).append(compiled)
        # Signals that records call by their own key, compiled once.
        self._unlisted: dict[str, list[CompiledValue]] = {}
        self._targets = Targets(None)

    def read(
        self,
        content: Any,
        places: dict[str, str],
        default_time: int | None,
        directory: SignalDirectory | None,
        reject: Reject,
    ) -> Iterator[MappedReading]:
        """The readings of a parsed payload.

        places: what stands in the topic
        default_time: the time of readings that come without one; None where they must not
        directory: None takes every machine, and every signal that some template has
        """
        if directory is not self._targets.directory:
            self._targets = Targets(directory)
        records = 0
        for message in content if isinstance(content, list) else (content,):
            for frames in self._records((Frame(message),), 0, reject):
                records += 1
                if records > _MOST_RECORDS:
                    reject("bad_shape", f"more than {_MOST_RECORDS:,} records in one message")
                    return
                yield from self._record(frames, places, default_time, reject)

    def records(self, message: Any) -> Iterator[Frames]:
        """The records of one message, for a look at what is in them."""
        return self._records((Frame(message),), 0, lambda _reason, _detail: None)

    def paths(self, frames: Frames, places: dict[str, str]) -> Iterator[JsonPath]:
        """Every path that says something of this record."""
        yield from (
            path for path in (self._site, self._machine, self._signal, self._time, self._quality) if path is not None
        )
        if not self.mapping.by_name:
            yield from (value.path for value in self._values)
            return
        name = word_of(self._signal.find(frames)) if self._signal is not None else places.get("signal")
        if name in self._named:
            yield from (value.path for value in self._named[name])
        elif not self.mapping.ignore_others:
            yield json_path(self.mapping.value_path)

    def _records(self, frames: Frames, depth: int, reject: Reject) -> Iterator[Frames]:
        if depth == len(self._each):
            yield frames
            return
        path = self._each[depth]
        found = path.find(frames)
        if type(found) not in (list, dict):
            said = "there is nothing" if found is MISSING else f"there is {shortened(found)}"
            reject("bad_shape", f"no list of records at {path.text}: {said}")
            return
        base = path.location(frames)
        for key, content in enumerate(found) if type(found) is list else found.items():
            yield from self._records((*frames, Frame(content, key, (*base, key))), depth + 1, reject)

    def _record(
        self, frames: Frames, places: dict[str, str], default_time: int | None, reject: Reject
    ) -> Iterator[MappedReading]:
        values = self._values_of(frames, places, reject)
        if not values:
            return
        mapping = self.mapping
        site = self._place("site", self._site, mapping.site, frames, places)
        machine = self._place("machine", self._machine, mapping.machine, frames, places)
        time = default_time
        if self._time is not None:
            said = self._time.find(frames)
            time = self._read_time(said)
            if time is None:
                what = "is missing" if said is MISSING else f"{shortened(said)} is not {mapping.time_format}"
                zone = f", or not one moment in {mapping.time_zone}" if mapping.time_zone else ""
                reject("bad_time", f"time at {self._time.text} {what}{zone}")
                return
        if time is None:
            reject("bad_time", "a retained message must say when it was measured: give time_path")
            return
        quality = Quality.GOOD
        if self._quality is not None and (said := self._quality.find(frames)) is not MISSING:
            word = word_of(said)
            if word is None or word not in self._qualities:
                known = ", ".join(self._qualities)
                reject("bad_quality", f"quality {shortened(said)} at {self._quality.text} is none of {known}")
                return
            quality = self._qualities[word]
        for value, raw in values:
            name = mapping.machines.get(value.machine, value.machine) if value.machine else machine
            target = self._targets.find(site, name, value, reject)
            if target is None:
                continue
            number = number_of(value, target, raw, quality, reject)
            if number is not None:
                yield MappedReading(
                    site or "",
                    name or "",
                    value.signal,
                    target.signal_id,
                    raw,
                    number,
                    target.unit,
                    time,
                    quality,
                    value.path.location(frames),
                )

    def _values_of(self, frames: Frames, places: dict[str, str], reject: Reject) -> Sequence[tuple[CompiledValue, Any]]:
        """What of the record is mapped, and is there."""
        if not self.mapping.by_name:
            found = [(value, raw) for value in self._values if (raw := value.path.find(frames)) is not MISSING]
            if not found:
                some = ", ".join(value.path.text for value in self._values[:5])
                reject("bad_shape", f"none of the values is there: {some}{' ...' if self._values[5:] else ''}")
            return found
        name: str | None = places.get("signal")
        if self._signal is not None:
            said = self._signal.find(frames)
            name = word_of(said)
            if name is None:
                reject("bad_shape", f"no name at {self._signal.text}: {shortened(said)}")
                return ()
        values = self._named.get(name or "")
        if values is None:
            if self.mapping.ignore_others:
                return ()
            values = self._by_its_own_name(name or "")
        taken = []
        for value in values:
            raw = value.path.find(frames)
            if raw is MISSING:
                reject("bad_shape", f"{shortened(name)} has no value at {value.path.text}")
            else:
                taken.append((value, raw))
        return taken

    def _by_its_own_name(self, name: str) -> list[CompiledValue]:
        """A name that nobody lists may be the signal itself."""
        known = self._unlisted.get(name)
        if known is None:
            known = [CompiledValue(self.mapping, MappedValue(signal=name))]
            if len(self._unlisted) < MOST_REMEMBERED:
                self._unlisted[name] = known
        return known

    def _place(
        self, place: str, path: JsonPath | None, default: str, frames: Frames, places: dict[str, str]
    ) -> str | None:
        """Site or machine: the payload's word, else the topic's, else the mapping's; None where that is no word."""
        name: str | None = places.get(place) or default
        if path is not None:
            said = path.find(frames)
            name = word_of(said) if said is not MISSING else name
        if place == "machine" and name is not None:
            return self.mapping.machines.get(name, name)
        return name


def _optional(path: str) -> JsonPath | None:
    return json_path(path) if path else None
