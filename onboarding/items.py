"""What is proposed of a tag."""

from collections.abc import Mapping
from dataclasses import dataclass, field

THRESHOLD = 0.7
"""Below this confidence a proposal is a question."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signal that a tag may be."""

    signal: str
    factor: float
    offset: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Item:
    """What a tag is proposed to be.

    template: None where nothing is known of the machine
    signal: None where it is no signal, or where it must be asked
    factor, offset: value in the signal's unit = value * factor + offset
    unit: the signal's own, a UCUM code; source_unit: as the device writes it
    confidence: 0..1, that the answer is right
    ask: a person must say; ``candidates`` has what it may be, best first
    """

    name: str
    machine: str
    template: str | None
    signal: str | None
    factor: float
    offset: float
    unit: str
    source_unit: str
    confidence: float
    reason: str
    ask: bool
    candidates: tuple[Candidate, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)
