"""What is measured, but not of the motor: told by tags of the same machine that are the motor's own, or by its name."""

from collections.abc import Sequence
from dataclasses import replace

from onboarding.items import THRESHOLD, Item
from onboarding.lexicon import lexicon
from onboarding.matching import Evidence, profile
from onboarding.names import Word, words_of
from plant import SignalType, Template

_CONFIDENCE = 0.8
_PHASES = frozenset("uvw")
_LINES = frozenset(("uv", "vw", "wu"))
_LEAST_LINES = 2
_OF_THE_MOTOR = frozenset(("winding", "bearing"))


def told_elsewhere(seen: Sequence[Evidence], items: Sequence[Item], template: Template) -> list[Item]:
    """Items of one machine; what its other tags or its name show to be measured elsewhere is no signal.

    A voltage of one phase beside line voltages is one to neutral; a bearing of the fan, beside the motor's at that end,
    is the fan's; a temperature of the fluid, beside the motor's own, is no winding's; what alone is measured in a mould
    is no motor's.
    """
    signals = {signal.key: signal for signal in template.signals}
    sure = [
        (one, profile(signals[item.signal]))
        for one, item in zip(seen, items, strict=True)
        if item.signal is not None and item.confidence >= THRESHOLD
    ]
    lines = sum(wanted.get("quantity") == "voltage" and wanted.get("phase") in _LINES for _, wanted in sure)
    own = any(wanted.get("quantity") == "temperature" and wanted.get("part") in _OF_THE_MOTOR for _, wanted in sure)
    result = []
    for one, item in zip(seen, items, strict=True):
        wanted = _meant(item, signals)
        reason = ""
        if item.ask and wanted.get("quantity") == "voltage" and lines >= _LEAST_LINES and _says(one, "phase", _PHASES):
            reason = "one phase's voltage to neutral, beside those between the phases"
        elif item.ask and wanted.get("quantity") == "temperature" and own and _says(one, "part", {"fluid"}):
            reason = "the fluid's temperature, beside those of the motor"
        elif item.ask and not sure and wanted and not one.of_motor:
            reason = _place(item.machine)
        elif wanted.get("part") == "bearing" or "end" in wanted:
            other = _other_machine(one)
            if other and any(rival.of_motor and _alike(wanted, its) for rival, its in sure):
                reason = f"'{other}' is what the motor drives, and the motor's own is measured too"
        result.append(_none(item, reason) if reason else item)
    return result


def _meant(item: Item, signals: dict[str, SignalType]) -> dict[str, str]:
    """What the signal of an item would have to be said to be; of a question its first candidate's."""
    key = item.signal or next((candidate.signal for candidate in item.candidates), "")
    return profile(signals[key]) if key in signals else {}


def _says(seen: Evidence, aspect: str, values: frozenset[str] | set[str]) -> bool:
    return any(word.may_say(aspect, value) for word in seen.leaf for value in values)


def _other_machine(seen: Evidence) -> str:
    """A machine's word that the name or its description has beside what is measured, where none says the motor."""
    if seen.of_motor:
        return ""
    return next((word.text for word in seen.words if word.equipment and not word.senses), "")


def _alike(wanted: dict[str, str], other: dict[str, str]) -> bool:
    return all(wanted.get(aspect) == other.get(aspect) for aspect in ("quantity", "part", "end"))


def _place(machine: str) -> str:
    """Why nothing measured there is a motor's: the machine's name is of something without one."""

    def is_elsewhere(word: Word) -> bool:
        meant = {f"{aspect}:{value}" for sense in word.senses for aspect, value in sense.aspects.items()}
        return not word.letter and bool(meant & lexicon().no_machine)

    words = words_of(machine)
    place = next((word.text for word in words if is_elsewhere(word)), "")
    other = any(word.equipment or word.may_say("part", "motor") for word in words)
    return f"'{place}' in {machine} is no motor" if place and not other else ""


def _none(item: Item, reason: str) -> Item:
    return replace(item, signal=None, ask=False, confidence=_CONFIDENCE, candidates=(), reason=reason)
