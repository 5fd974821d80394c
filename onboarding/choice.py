"""Which template a machine is of: what its tags say for each, and what the rest of the list says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onboarding.judgement import Judged
from plant import template_library

_NUMBER = re.compile(r"\d+[A-Z]?(?![a-z])")
_FOREIGN = 0.5
_HARDLY = 0.2
_WHOLE_LIST = 0.05


@dataclass(frozen=True, slots=True)
class Choice:
    """The template of a machine.

    template: its key
    rival: key of another one that nothing speaks against; empty where there is none
    """

    template: str
    rival: str = ""


def chosen(judged: Mapping[str, Sequence[Judged]], machines: Mapping[str, Sequence[int]]) -> dict[str, Choice]:
    """The template of each machine.

    judged: by template, all tags of the list against it
    machines: numbers of the tags of each
    """
    weights = _weights(judged)
    best: dict[str, str] = {}
    for machine, numbers in machines.items():
        said = {key: _weight(of_tags, numbers) for key, of_tags in weights.items()}
        first = max(said, key=lambda key: said[key])
        # A drive's current and voltage make no pump set where its power makes it a motor.
        better = (other for other in said if not _own(judged, first, other, numbers))
        best[machine] = next((other for other in better if _own(judged, other, first, numbers)), first)
    _as_alike(best, judged, machines, weights)
    known = {
        best[machine]
        for machine, numbers in machines.items()
        if all(_own(judged, best[machine], other, numbers) for other in judged if other != best[machine])
    }
    return {
        machine: Choice(best[machine], _rival(judged, best[machine], known, numbers))
        for machine, numbers in machines.items()
    }


def _as_alike(
    best: dict[str, str],
    judged: Mapping[str, Sequence[Judged]],
    machines: Mapping[str, Sequence[int]],
    weights: Mapping[str, Sequence[float]],
) -> None:
    """A machine is of the template of one called alike that says more, unless its own tags are no use for that."""
    alike: dict[str, list[str]] = {}
    for machine in machines:
        alike.setdefault(_NUMBER.sub("#", machine), []).append(machine)
    for group in alike.values():
        fullest = max(group, key=lambda machine: sum(weights[best[machine]][number] for number in machines[machine]))
        for machine in group:
            if not _own(judged, best[machine], best[fullest], machines[machine]):
                best[machine] = best[fullest]


def _rival(judged: Mapping[str, Sequence[Judged]], best: str, known: set[str], numbers: Sequence[int]) -> str:
    """Of a template that no machine of the list is surely of: another one that may measure all that it measures."""
    others = [other for other in judged if other != best and not _own(judged, best, other, numbers)]
    return "" if best in known or _is_complete(best, judged[best], numbers) or not others else others[0]


def _is_complete(template: str, of_tags: Sequence[Judged], numbers: Sequence[int]) -> bool:
    """Whether a machine's tags say all signals of the template."""
    return {signal.key for signal in template_library()[template].signals} <= {of_tags[n].item.signal for n in numbers}


def _own(judged: Mapping[str, Sequence[Judged]], one: str, other: str, numbers: Sequence[int]) -> float:
    """What speaks for a template by tags that the other has no use for, or hardly."""
    return sum(judged[one][number].weight for number in numbers if judged[other][number].weight < _HARDLY)


def _weights(judged: Mapping[str, Sequence[Judged]]) -> dict[str, list[float]]:
    """What each tag says for each template; what one kind of machine measures, and this does not, speaks against it."""
    most = [max(one.weight for one in of_tag) for of_tag in zip(*judged.values(), strict=True)]
    return {
        key: [one.weight or -_FOREIGN * best for one, best in zip(own, most, strict=True)]
        for key, own in judged.items()
    }


def _weight(of_tags: Sequence[float], numbers: Sequence[int]) -> float:
    """What a machine's tags say for a template; where they say little, what the whole list is about decides."""
    return sum(of_tags[number] for number in numbers) + _WHOLE_LIST * sum(of_tags) / len(of_tags)
