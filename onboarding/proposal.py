"""Proposes machine, template, signal and conversion for tags; what is not sure is asked, with the best candidates."""

from collections.abc import Sequence
from dataclasses import replace

from onboarding.choice import chosen
from onboarding.fragments import asked_if_fragment
from onboarding.grouping import DEFAULT_MACHINE, Placed, place, without_machine
from onboarding.indices import with_phases
from onboarding.items import Item
from onboarding.judgement import Fitting, judge
from onboarding.lexicon import lexicon
from onboarding.lone import asked_if_lone
from onboarding.matching import Evidence, SourceUnit, evidence_of, profile
from onboarding.names import Word
from onboarding.scatter import asked_if_scattered
from onboarding.siblings import Sibling, settled
from onboarding.tags import Tag
from plant import Template, template_library


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
    items: list[Item | None] = [None] * len(tags)
    for key, choice in chosen(judged, members).items():
        numbers = members[key]
        of_template = judged[choice.template]
        siblings = [Sibling(tags[n], evidence[n], of_template[n]) for n in numbers]
        for number, item in zip(numbers, settled(siblings, library[choice.template]), strict=True):
            known = any(of_template[n].weight for n in numbers)
            answer = item if known else replace(item, template=None)
            if choice.rival:
                rival = judged[choice.rival][number].item
                answer = _of_either(answer, library[choice.template], rival, library[choice.rival])
            items[number] = _doubted(answer, placed[number].doubt)
    result = asked_if_lone(evidence, [item for item in items if item is not None])
    return asked_if_scattered(asked_if_fragment(evidence, result, [where.path for where in placed]))


def _of_either(item: Item, template: Template, other: Item, rival: Template) -> Item:
    """Asked where the other template wants more to be said, as a motor wants to know of a current which phase it is."""
    if item.signal is None or not other.candidates:
        return item
    own, wanted = (
        profile(next(signal for signal in signals if signal.key == key)).items()
        for signals, key in ((template.signals, item.signal), (rival.signals, other.candidates[0].signal))
    )
    if not own < wanted:
        return item
    reason = f"{item.reason}; but is {item.machine} {template.name_en}, or {rival.name_en}?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)


def _doubted(item: Item, doubt: str) -> Item:
    if not doubt or item.signal is None:
        return item
    reason = f"{item.reason}; but '{doubt}' in {item.machine} says what is measured: is that the machine?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)


def _evidence(tag: Tag, where: Placed, fitting: Fitting) -> Evidence:
    seen = evidence_of(replace(tag, description=without_machine(tag.description, where.machine)), where.leaf)
    return seen if seen.unit.written else _unit_of_name(seen, fitting)


def _is_pair(word: Word, last: Word) -> bool:
    """Whether two letters stand together, as in ``Ua``: the second is no unit."""
    return word.letter and last.letter and word.end == last.start


def _unit_of_name(seen: Evidence, fitting: Fitting) -> Evidence:
    """The last word of a name may be its unit; it is one where the words before it say the rest."""
    if len(seen.leaf) < 2 or _is_pair(*seen.leaf[-2:]):
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
