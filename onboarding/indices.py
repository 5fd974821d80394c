"""Tags that an index alone tells apart: three that are counted from zero are the three phases."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onboarding.lexicon import Sense
from onboarding.matching import Evidence
from onboarding.names import Word

_PHASES = {"0": ("u", "uv"), "1": ("v", "vw"), "2": ("w", "wu")}


def with_phases(evidence: Sequence[Evidence], machines: Mapping[str, Sequence[int]]) -> list[Evidence]:
    """Evidence of all tags; ``I[0]``, ``I[1]`` and ``I[2]`` of a machine say their phases.

    machines: numbers of the tags of each
    """
    result = list(evidence)
    for numbers in machines.values():
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


def _phase(word: Word, index: str) -> Word:
    return replace(word, text=f"index {index}", senses=tuple(Sense({"phase": phase}) for phase in _PHASES[index]))
