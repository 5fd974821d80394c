"""What a settings file says of foreign JSON: ``[[mqtt.mappings]]`` tables."""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from collectors.json_path import json_path
from collectors.timestamps import time_reader
from plant import SOURCE_UNITS

NATIVE_STATES = "ib/v1/+/+/state"
"""Where devices of the native payload say whether they are there."""

_PLACES = ("site", "machine", "signal", "any")
_Word = Literal["good", "uncertain", "bad"]


def _readable(path: str) -> str:
    if path:
        json_path(path)
    return path


def _listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _known_unit(unit: str) -> str:
    if unit and unit not in SOURCE_UNITS:
        raise ValueError(f"unit {unit!r} is not known; known are {', '.join(SOURCE_UNITS)}")
    return unit


def _pattern(pattern: str) -> str:
    if not pattern:
        return pattern
    levels = pattern.split("/")
    places = []
    for level in levels:
        if place := re.fullmatch(r"\{(\w+)\}", level):
            places.append(place[1])
        if (place and place[1] not in _PLACES) or (not place and re.search(r"[{}#+\x00]", level)):
            raise ValueError(
                f"level {level!r} must be a name or one of {{site}} {{machine}} {{signal}} {{any}}; "
                "each stands for one level, there are no + and #"
            )
    named = [place for place in places if place != "any"]
    if len(named) != len(set(named)):
        raise ValueError(f"{pattern!r} names a place twice: use {{any}} for a level that says nothing")
    if levels[0] == "$share":
        raise ValueError("leave $share out: with several workers the subscription is shared by itself")
    if levels[:2] == ["ib", "v1"]:
        raise ValueError("ib/v1/... is the native payload, which needs no mapping")
    return pattern


_Path = Annotated[str, AfterValidator(_readable)]
_Unit = Annotated[str, AfterValidator(_known_unit)]
_Pattern = Annotated[str, AfterValidator(_pattern)]


class MappedValue(BaseModel):
    """One value of the payload, and the signal it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: _Path = Field("", description="where the value stands; with `name` by default the mapping's value_path")
    name: str = Field("", description="which records it is taken from: those that bear this name at signal_path")
    machine: str = Field("", description="machine it belongs to, where one record carries several")
    signal: str = Field(description="signal of the machine's template")
    factor: float = Field(1.0, description="what the value is multiplied by, before anything else")
    offset: float = Field(0.0, description="what is added after that")
    unit: _Unit = Field("", description="unit that results, converted to the signal's own; empty: it is that already")
    enum: dict[str, bool | float] = Field(
        default_factory=dict, description="words, numbers or true/false of the device -> value, as it is stored"
    )
    text_numbers: bool | None = Field(None, description="take numbers written as text; else as the mapping says")

    @field_validator("factor", "offset")
    @classmethod
    def _finite(cls, number: float) -> float:
        if not math.isfinite(number):
            raise ValueError("must be a finite number")
        return number

    @model_validator(mode="after")
    def _one_way(self) -> "MappedValue":
        if self.enum and (self.factor != 1 or self.offset or self.unit):
            raise ValueError(f"signal {self.signal!r}: enum gives the value as stored, without factor, offset or unit")
        if not all(math.isfinite(number) for number in self.enum.values()):
            raise ValueError(f"signal {self.signal!r}: values of enum must be finite")
        if not self.factor:
            raise ValueError(f"signal {self.signal!r}: a factor of 0 leaves nothing of the value")
        return self


class Mapping(BaseModel):
    """How JSON of any shape on a topic becomes readings.

    Paths are those of ``collectors/json_path.py``: ``$.a.b[0]['c d']`` from the message on, ``a.b`` from the record
    at hand, ``^a.b`` from the record around it; ``@key`` is the name under which a record stands. An array as
    payload is so many messages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: _Pattern = Field(
        "", description="topic, with {site} {machine} {signal} or {any} each for one level; what to subscribe to"
    )
    site: str = Field("", description="site, where neither topic nor payload says")
    machine: str = Field("", description="machine, where neither topic nor payload says")
    site_path: _Path = Field("", description="where the payload says the site")
    machine_path: _Path = Field("", description="where the payload says the machine")
    machines: dict[str, str] = Field(
        default_factory=dict, description="name or number in topic or payload -> machine, where they differ"
    )
    each: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        (), description="path to a list (or object) of records; several for lists within lists, outermost first"
    )
    signal_path: _Path = Field("", description="where a record says which value it holds; see `name` of a value")
    value_path: _Path = Field("value", description="where a record with a name holds its value")
    ignore_others: bool = Field(False, description="leave names that `values` does not list, instead of quarantine")
    text_numbers: bool = Field(False, description='take numbers written as text, such as "12.3"')
    time_path: _Path = Field("", description="where the time of measuring stands; else the time of arrival counts")
    time_format: str = Field(
        "rfc3339", description="rfc3339, epoch_s, epoch_ms, epoch_us or a pattern such as %d.%m.%Y %H:%M:%S"
    )
    time_zone: str = Field("", description="IANA zone of times that do not say theirs, such as Asia/Shanghai")
    quality_path: _Path = Field("", description="where the quality stands; missing means good")
    qualities: dict[str, _Word] = Field(
        default_factory=dict, description="quality of the device -> good, uncertain or bad; else those words"
    )
    state_topic: _Pattern = Field("", description="topic of the device's last will, with {site} and {machine}")
    state_path: _Path = Field("", description="where its payload says the state; else it is the whole payload")
    online: str = Field("online", description="what it says when the device is there")
    offline: str = Field("offline", description="what it says when the device is gone")
    values: tuple[MappedValue, ...] = Field((), description="the values to take")

    @property
    def by_name(self) -> bool:
        """Whether records say which value they hold."""
        return bool(self.signal_path) or "{signal}" in self.topic.split("/")

    @model_validator(mode="after")
    def _whole(self) -> "Mapping":
        if not self.topic and not self.state_topic:
            raise ValueError("give topic, the topics whose messages are mapped")
        if self.topic:
            self._check_places()
            self._check_values()
            self._check_paths()
            time_reader(self.time_format, self.time_zone)
        elif self.values:
            raise ValueError("values need a topic to come from")
        self._check_state()
        return self

    def _check_places(self) -> None:
        levels = self.topic.split("/")
        if not (self.site or self.site_path or "{site}" in levels):
            raise ValueError("nothing says the site: give {site} in topic, site or site_path")
        everywhere = bool(self.values) and all(value.machine for value in self.values)
        if not (self.machine or self.machine_path or "{machine}" in levels or everywhere):
            raise ValueError("nothing says the machine: give {machine} in topic, machine or machine_path")

    def _check_values(self) -> None:
        for value in self.values:
            if self.by_name and not value.name:
                raise ValueError(f"signal {value.signal!r}: give name, the records' name for it")
            if not self.by_name and value.name:
                raise ValueError(f"name {value.name!r}: give signal_path, where records say their name")
            if not self.by_name and not value.path:
                raise ValueError(f"signal {value.signal!r}: give path, where the value stands")
        if not self.by_name and not self.values:
            raise ValueError("nothing is mapped: give [[mqtt.mappings.values]], or signal_path")
        if self.by_name and not self.value_path:
            raise ValueError("give value_path, where a record with a name holds its value")

    def _check_paths(self) -> None:
        for path in self.each:
            if json_path(path).levels or json_path(path).is_key:
                raise ValueError(f"each: {path!r} must lead inwards")
        for path in self.paths():
            levels = json_path(path).levels or 0
            if levels > len(self.each):
                raise ValueError(f"path {path!r} leads {levels} records outwards, but each has {len(self.each)}")

    def _check_state(self) -> None:
        levels = self.state_topic.split("/")
        if self.state_topic:
            if "{signal}" in levels:
                raise ValueError("state_topic: a state belongs to a machine, {signal} says nothing")
            for place, known in (("site", self.site), ("machine", self.machine)):
                if not known and f"{{{place}}}" not in levels:
                    raise ValueError(f"state_topic: nothing says the {place}: give {{{place}}} in it, or {place}")
            if topic_filter(self.state_topic) == topic_filter(self.topic):
                raise ValueError("state_topic: topic and state_topic must differ, or no reading is ever taken")
            if self.online == self.offline:
                raise ValueError("online and offline must differ")
            if self.state_path and (json_path(self.state_path).levels or json_path(self.state_path).is_key):
                raise ValueError(f"state_path {self.state_path!r} must lead inwards")

    def paths(self) -> list[str]:
        """Every path that is looked up in a record."""
        own = [self.site_path, self.machine_path, self.time_path, self.quality_path, self.signal_path]
        if self.by_name:
            own.append(self.value_path)
        return [path for path in (*own, *(value.path for value in self.values)) if path]


class TopicPattern:
    """A topic pattern, taken apart once."""

    def __init__(self, pattern: str) -> None:
        self._levels = pattern.split("/")
        self._places = [re.fullmatch(r"\{(\w+)\}", level) for level in self._levels]

    def match(self, topic: str) -> dict[str, str] | None:
        """What the places stand for in a topic, or None where it is another one."""
        levels = topic.split("/")
        if len(levels) != len(self._levels):
            return None
        found: dict[str, str] = {}
        for level, expected, place in zip(levels, self._levels, self._places, strict=True):
            if place is not None:
                found[place[1]] = level
            elif level != expected:
                return None
        return found


def word_of(value: Any) -> str | None:
    """A JSON value as it is written in a settings file's table; None for what is no word."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))  # 3.0 and 3 are one number in JSON
    if isinstance(value, int | float):
        return str(value)
    return "null" if value is None else None


def topic_filter(pattern: str) -> str:
    """The MQTT subscription of a pattern.

    >>> topic_filter("factory/{site}/{machine}/telemetry")
    'factory/+/+/telemetry'
    """
    return "/".join("+" if level.startswith("{") else level for level in pattern.split("/"))


def mapped_filters(mappings: Iterable[Mapping]) -> tuple[str, ...]:
    """Subscriptions for what mappings read, without repeats."""
    return tuple(dict.fromkeys(topic_filter(mapping.topic) for mapping in mappings if mapping.topic))


def state_filters(mappings: Iterable[Mapping]) -> tuple[str, ...]:
    """Subscriptions for device states, native ones first, without repeats."""
    named = (topic_filter(mapping.state_topic) for mapping in mappings if mapping.state_topic)
    return tuple(dict.fromkeys([NATIVE_STATES, *named]))
