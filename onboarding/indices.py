"""Phases that only the tags of a machine together tell: three counted from zero, or red, yellow and blue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onboarding.lexicon import Sense, lexicon
from onboarding.matching import Evidence
from onboarding.names import Word

_ELECTRIC = frozenset("AV")
_PHASES = {"0": ("u", "uv"), "1": ("v", "vw"), "2": ("w", "wu")}


def with_phases(evidence: Sequence[Evidence], machines: Mapping[str, Sequence[int]]) -> list[Evidence]:
    """Evidence of all tags; ``I[0]``, ``I[1]`` and ``I[2]`` of a machine say their phases, ``IY`` that ``IB`` is blue.

    machines: numbers of the tags of each
    """
    result = list(evidence)
    for numbers in machines.values():
        if any(_has_yellow(evidence[number]) for number in numbers):
            for number in numbers:
                result[number] = _coloured(result[number])
        alike: dict[tuple[object, ...], dict[str, int]] = {}
        for number in numbers:
            seen = evidence[number]
            if seen.leaf and seen.leaf[-1].digits and any(word.may_say("quantity") for word in seen.leaf[:-1]):
                said = tuple(word.text for word in seen.leaf[:-1])
                alike.setdefault((said, seen.unit), {})[seen.leaf[-1].text] = number
        for indexed in alike.values():
            if indexed.keys() == _PHASES.keys():
                for index, number in indexed.items():
                    *before, last = evidence[number].leaf
                    result[number] = replace(evidence[number], leaf=(*before, _phase(last, index)))
    return result


def _has_yellow(seen: Evidence) -> bool:
    """Whether a current's or a voltage's phase is the yellow one; the Y of a vibration is an axis."""
    electric = any(word.may_say("quantity", quantity) for word in seen.words for quantity in ("current", "voltage"))
    electric = electric and (not seen.unit.written or seen.unit.code.removeprefix("k") in _ELECTRIC)
    return electric and any(word.text in lexicon().colours_sign for word in seen.words)


def _coloured(seen: Evidence) -> Evidence:
    """What a tag says where B is the blue phase."""
    third = lexicon().colours_third
    leaf, described = (
        tuple(
            replace(word, text=f"{word.text} (blue)", senses=_blue(word.senses)) if word.text in third else word
            for word in words
        )
        for words in (seen.leaf, seen.described)
    )
    return replace(seen, leaf=leaf, described=described)


def _blue(senses: Sequence[Sense]) -> tuple[Sense, ...]:
    return tuple(
        replace(sense, aspects={**sense.aspects, "phase": "w"}, weight=1.0) if "phase" in sense.aspects else sense
        for sense in senses
    )


def _phase(word: Word, index: str) -> Word:
    return replace(word, text=f"index {index}", senses=tuple(Sense({"phase": phase}) for phase in _PHASES[index]))
