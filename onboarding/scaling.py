"""Factors that a description speaks of: ``weight: Volt*10``, ``x0.1``, ``W/10``; none is measured."""

import re
from dataclasses import dataclass

from onboarding.lexicon import lexicon

_WEIGHT = re.compile(r"(?i:(?:value\s+)?weight)\s*[:=]\s*([^\s\d*]+)\s*\*\s*(10+)(?!\w)")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A factor of a description: value = raw * factor in ``unit``, empty where that is not said for sure.

    text: the description without it; said: how it is said
    """

    text: str
    said: str
    unit: str = ""
    factor: float = 1.0


def scaled(description: str) -> Scaled | None:
    """The factor that a description speaks of; None where it speaks of none.

    >>> scaled("Value weight: Volt*10")
    Scaled(text=' ', said='V*10', unit='V', factor=0.1)
    >>> scaled("Current L1 x0.1")
    Scaled(text='Current L1  ', said='x0.1', unit='', factor=1.0)
    >>> scaled("Current L1")
    """
    found = _WEIGHT.search(description) or lexicon().scaling.search(description)
    if found is None:
        return None
    text = f"{description[: found.start()]} {description[found.end() :]}"
    known = lexicon().unit(found[1]) if found.re is _WEIGHT else None
    if known is None or not known[0]:
        return Scaled(text, found[0])
    return Scaled(text, f"{known[0]}*{found[2]}", known[0], known[1] / float(found[2]))
