"""What a check finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "problem"]

REACH_S = 5.0
"""How long anything at the other end of a network may take to answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what to do where it is not well."""

    check: str
    level: Level
    found: str
    fix: str = ""


def clock_answer(whose: str, ahead_s: float) -> Answer:
    """Whether a clock agrees with ours; ``ahead_s``: how far it is ahead."""
    check, words = f"clock: {whose}", f"{ahead_s:+.1f} s against ours"
    if abs(ahead_s) <= _CLOCKS_AGREE_S:
        return Answer(check, "ok", words)
    return Answer(check, "warning", words, "set both by NTP: readings dated ahead of time go to quarantine")


_CLOCKS_AGREE_S = 5.0
