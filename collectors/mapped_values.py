"""Where a mapped value goes: to which signal of which machine, in which unit, as which number."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from collectors.json_path import json_path
from collectors.mapping import MappedValue, Mapping, word_of
from collectors.refusals import shortened
from collectors.timestamps import number_of_text
from plant import Conversion, ConversionError, Quality, SignalDirectory, conversion
from plant import template_library as library

Reject: TypeAlias = Callable[[str, str], None]

MOST_REMEMBERED = 100_000
"""Names that are remembered; devices may send any."""


class Target(NamedTuple):
    """A signal, and the way from the number in the message to its unit: times factor, plus offset.

    signal_id: -1 where no directory is there to say
    """

    signal_id: int
    unit: str
    factor: float
    offset: float


class CompiledValue:
    """A value of a mapping, taken apart once."""

    def __init__(self, mapping: Mapping, value: MappedValue) -> None:
        self.path = json_path(value.path or mapping.value_path)
        self.machine = value.machine
        self.signal = value.signal
        self.unit = value.unit
        self.factor = value.factor
        self.offset = value.offset
        self.enum = {word: float(number) for word, number in value.enum.items()}
        self.text_numbers = mapping.text_numbers if value.text_numbers is None else value.text_numbers


class Targets:
    """The signals that values of a mapping go to, each found once.

    directory: None takes every machine, and every signal that some template has
    """

    def __init__(self, directory: SignalDirectory | None) -> None:
        self.directory = directory
        self._known: dict[tuple[str, str, CompiledValue], Target] = {}

    def find(self, site: str | None, machine: str | None, value: CompiledValue, reject: Reject) -> Target | None:
        """The signal of a machine that a value goes to; None where there is none, with the reason told."""
        if not site or not machine:
            reject("bad_shape", "neither topic nor payload says the " + ("machine" if site else "site"))
            return None
        known = self._known.get((site, machine, value))
        if known is not None:
            return known
        if self.directory is None:
            signal_id, unit = -1, _only_unit(value.signal)
            if unit is None:
                reject("unknown_signal", f"signal {shortened(value.signal)} is not one of any template")
                return None
        else:
            entry = self.directory.machine(site, machine)
            if entry is None:
                reject("unknown_machine", f"machine {shortened(machine)} of site {shortened(site)} is not registered")
                return None
            found = entry.signal_ids.get(value.signal)
            if found is None:
                reject("unknown_signal", f"signal {shortened(value.signal)} is not one of template {entry.template}")
                return None
            signal_id, unit = found, _unit_of(entry.template, value.signal)
        way = Conversion()
        if value.unit and value.unit != unit:
            try:
                way = conversion(value.unit, unit or "(unknown)")
            except ConversionError as problem:
                reject("bad_unit", f"signal {shortened(value.signal)}: {problem}")
                return None
        target = Target(signal_id, unit or "", value.factor * way.factor, value.offset * way.factor + way.offset)
        if len(self._known) < MOST_REMEMBERED:
            self._known[site, machine, value] = target
        return target


def number_of(value: CompiledValue, target: Target, raw: Any, quality: Quality, reject: Reject) -> float | None:
    """The value in the signal's unit; None where it is refused. A bad one may be missing (NaN)."""
    if value.enum:
        word = word_of(raw)
        if word is not None and word in value.enum:
            return value.enum[word]
    if raw is None and quality is Quality.BAD:
        return math.nan
    number = raw
    if not value.enum and isinstance(raw, str) and value.text_numbers:
        number = number_of_text(raw)
    if value.enum or not isinstance(number, int | float):
        hint = ""
        if value.enum:
            hint = f", none of {', '.join(list(value.enum)[:8])}"
        elif isinstance(raw, str) and not value.text_numbers and number_of_text(raw) is not None:
            hint = ": a number as text is taken with text_numbers = true"
        reject("not_a_number", f"signal {shortened(value.signal)} has the value {shortened(raw)}{hint}")
        return None
    try:
        result = number * target.factor + target.offset
    except OverflowError:
        result = math.inf
    if math.isfinite(result) or (quality is Quality.BAD and math.isnan(result)):
        return float(result)
    reject("not_a_number", f"signal {shortened(value.signal)} has the value {shortened(raw)}")
    return None


def _unit_of(template: str, signal: str) -> str | None:
    """The unit of a template's signal; None where it is not known."""
    known = library().get(template)
    return next((entry.unit for entry in known.signals if entry.key == signal), None) if known else None


def _only_unit(signal: str) -> str | None:
    """The unit a signal has in every template that has it; empty where they differ, None where none has it."""
    units = {entry.unit for template in library().values() for entry in template.signals if entry.key == signal}
    return None if not units else units.pop() if len(units) == 1 else ""
