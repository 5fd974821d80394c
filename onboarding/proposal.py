"""Proposes machine, template, signal and conversion for tags; what is not sure is asked, with the best candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onboarding.grouping import DEFAULT_MACHINE, Placed, place
from onboarding.indices import with_phases
from onboarding.items import Item
from onboarding.judgement import Fitting, Judged, judge
from onboarding.lexicon import lexicon
from onboarding.matching import Evidence, SourceUnit, evidence_of
from onboarding.siblings import Sibling, settled
from onboarding.tags import Tag
from plant import template_library

_FOREIGN = 0.5
_WHOLE_LIST = 0.05


def propose(tags: Sequence[Tag], machine: str = DEFAULT_MACHINE) -> list[Item]:
    """One item a tag, in their order; ``machine`` is the name of a machine that no tag names."""
    placed = place([tag.name for tag in tags], machine, [tag.description for tag in tags])
    fitting = Fitting()
    evidence = [_evidence(tag, where, fitting) for tag, where in zip(tags, placed, strict=True)]
    members: dict[str, list[int]] = {}
    for number, where in enumerate(placed):
        members.setdefault(where.machine, []).append(number)
    evidence = with_phases(evidence, members)
    library = template_library()
    rows = list(zip(tags, evidence, placed, strict=True))
    judged = {
        key: [judge(tag, seen, where.machine, template, fitting) for tag, seen, where in rows]
        for key, template in library.items()
    }
    # What one kind of machine measures, and this kind does not, speaks against it.
    most = [max(own[number].weight for own in judged.values()) for number in range(len(tags))]
    weights = {
        key: [one.weight or -_FOREIGN * best for one, best in zip(own, most, strict=True)]
        for key, own in judged.items()
    }
    items: list[Item | None] = [None] * len(tags)
    for numbers in members.values():
        said = {key: _weight(of_tags, numbers) for key, of_tags in weights.items()}
        best = _own(max(said, key=lambda key: said[key]), judged, numbers)
        chosen = settled([Sibling(tags[n], evidence[n], judged[best][n]) for n in numbers], library[best])
        if not any(judged[best][number].weight for number in numbers):
            chosen = [replace(item, template=None) for item in chosen]
        for number, item in zip(numbers, chosen, strict=True):
            items[number] = _doubted(item, placed[number].doubt)
    return [item for item in items if item is not None]


def _own(best: str, judged: Mapping[str, Sequence[Judged]], numbers: Sequence[int]) -> str:
    """The best template, unless it has nothing of its own: what it can, another one can, which also measures more.

    A drive's current and voltage alone make no pump set where its power makes it a motor.
    """

    def alone(one: str, other: str) -> float:
        return sum(judged[one][n].weight for n in numbers if not judged[other][n].weight)

    return next((other for other in judged if not alone(best, other) and alone(other, best)), best)


def _doubted(item: Item, doubt: str) -> Item:
    if not doubt or item.signal is None:
        return item
    reason = f"{item.reason}; but '{doubt}' in {item.machine} says what is measured: is that the machine?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)


def _weight(of_tags: Sequence[float], numbers: Sequence[int]) -> float:
    """What a machine's tags say for a template; where they say little, what the whole list is about decides."""
    return sum(of_tags[number] for number in numbers) + _WHOLE_LIST * sum(of_tags) / len(of_tags)


def _evidence(tag: Tag, where: Placed, fitting: Fitting) -> Evidence:
    seen = evidence_of(tag, where.leaf)
    return seen if seen.unit.written else _unit_of_name(seen, fitting)


def _unit_of_name(seen: Evidence, fitting: Fitting) -> Evidence:
    """The last word of a name may be its unit; it is one where the words before it say the rest."""
    if len(seen.leaf) < 2:
        return seen
    code = lexicon().unit_in_names.get(seen.leaf[-1].text)
    if code is None:
        return seen
    with_unit = replace(seen, leaf=seen.leaf[:-1], unit=SourceUnit(code, code))
    templates = template_library().values()

    def best(one: Evidence) -> float:
        found = [fit for template in templates for fit in fitting(one, template) if fit.used]
        return max((fit.confidence for fit in found), default=0.0)

    return with_unit if best(with_unit) > best(seen) else seen
