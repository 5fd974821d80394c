"""Patterns over paths: which part of a name says site, line, machine or signal."""

import re
from collections.abc import Mapping

PLACES = ("site", "line", "machine", "signal")


def checked_pattern(pattern: str) -> str:
    """The pattern as it is; raises ``ValueError`` naming the part that is none."""
    for part in pattern.split("/"):
        if not re.fullmatch(r"\{(site|line|machine|signal|any)\}|[^{}]+", part):
            raise ValueError(f"part {part!r} must be a name or one of {{site}} {{line}} {{machine}} {{signal}} {{any}}")
    if not pattern.endswith("{signal}"):
        raise ValueError("must end with {signal}")
    return pattern


def matches(part: str, name: str, place: Mapping[str, str]) -> dict[str, str] | None:
    """The place with this name added, or None where the part of a pattern does not fit.

    >>> matches("{machine}", "M1", {"site": "works"})
    {'site': 'works', 'machine': 'M1'}
    """
    key = part.strip("{}") if part.startswith("{") else ""
    if key in PLACES:
        return {**place, key: name}
    if key == "any" or part == name:
        return dict(place)
    return None
