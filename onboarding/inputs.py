"""Electrical inputs: what 4 to 20 mA or 0 to 10 V of a transmitter stand for, where a description says it."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import permutations

from onboarding.lexicon import lexicon

_SEPARATOR = r"\s*(?:-|–|~|～|\.{2,3}|…|to|bis|a|à|至|到)\s*"
_NUMBER = r"[+-]?\d+(?:[.,]\d+)?"
_DECIMALS = str.maketrans(",", ".")
_RANGE = re.compile(
    rf"(?<![A-Za-z0-9.,])({_NUMBER})(?:\s?[^\W\d_°%℃]{{1,4}})??{_SEPARATOR}({_NUMBER})\s*(?=([^\s\d,;:=()\[\]]{{1,12}}))"
)
# Bands of frequency are none of a transmitter.
_NO_MEASURE = frozenset({"", "1", "Hz"})


@dataclass(frozen=True, slots=True)
class Range:
    """A range of a description: where it stands, its ends, its unit as the plant spells it."""

    start: int
    end: int
    low: float
    high: float
    unit: str

    @property
    def electrical(self) -> bool:
        """Whether transmitters send such a range."""
        return (self.unit, self.low, self.high) in _electrical()


@dataclass(frozen=True, slots=True)
class Input:
    """What a description says of an electrical input: value = raw * factor + offset in ``unit``, empty where unsaid.

    text: the description without the ranges
    """

    text: str
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0


@cache
def _electrical() -> frozenset[tuple[str, float, float]]:
    ranges = lexicon().behaviour.electrical
    return frozenset((unit, low, high) for unit, ends in ranges.items() for low, high in ends)


def electrical_input(description: str, unit: str) -> Input | None:
    """The input that a description speaks of; None where it speaks of none in the tag's unit.

    >>> electrical_input("bearing DE, 4-20 mA = 0-150 degC", "mA")
    Input(text='bearing DE,', unit='Cel', factor=9.375, offset=-37.5)
    >>> electrical_input("speed 0...10 V", "V")
    Input(text='speed', unit='', factor=1.0, offset=0.0)
    >>> electrical_input("motor current", "A")
    """
    known = lexicon().unit(unit)
    ranges = _ranges(description)
    sent = [one for one in ranges if one.electrical and (known is None or known[0] in {"", "1", one.unit})]
    if not sent:
        return None
    text = _without(description, ranges)
    measured = [(one, other) for one, other in permutations(ranges, 2) if one is sent[0] and not other.electrical]
    if len(sent) != 1 or len(measured) != 1 or (known and known[0] != sent[0].unit):
        return Input(text)
    raw, meant = sent[0], measured[0][1]
    factor = (meant.high - meant.low) / (raw.high - raw.low)
    return Input(text, meant.unit, factor, meant.low - raw.low * factor)


def _ranges(description: str) -> list[Range]:
    found = []
    for match in _RANGE.finditer(description):
        for end in range(len(match[3]), 0, -1):
            known = lexicon().unit(match[3][:end])
            following = match[3][end : end + 1]
            if known is not None and known[0] not in _NO_MEASURE and not (following.isalpha() and following.isascii()):
                low, high = (float(match[number].translate(_DECIMALS)) * known[1] for number in (1, 2))
                found.append(Range(match.start(), match.start(3) + end, low, high, known[0]))
                break
    return found


def _without(description: str, ranges: list[Range]) -> str:
    text = description
    for one in reversed(ranges):
        text = text[: one.start] + " " + text[one.end :]
    return re.sub(r"\s*(?:=|->|→|对应|entspr\w*\.?|corresponds? to|equals?)\s*|\(\s*\)", " ", text).strip()
