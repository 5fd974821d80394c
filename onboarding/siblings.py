"""Tags of one machine beside each other: a signal is fed by one tag, and what one leaves open others may settle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from onboarding.behaviour import phases_of
from onboarding.elsewhere import told_elsewhere
from onboarding.items import THRESHOLD, Candidate, Item
from onboarding.judgement import Judged
from onboarding.lexicon import lexicon
from onboarding.matching import Evidence
from onboarding.tags import Tag
from plant import ConversionError, SignalType, Template, conversion

_ELSEWHERE = 0.15
_BY_UNIT_ALONE = 0.75
_NOT_RUNNING = 0.75
_LEAST_KNOWN = 2
_PLAIN = frozenset({"1", "bool"})
_PHASES = {
    "voltage": (
        ("voltage_uv", "voltage_vw", "voltage_wu"),
        "lie together near a supply voltage, as three line voltages do",
    ),
    "current": (("current_u", "current_v", "current_w"), "lie together, as the currents of three phases do"),
}


@dataclass(frozen=True, slots=True)
class Sibling:
    """A tag with what is seen of it, judged by the template of its machine."""

    tag: Tag
    seen: Evidence
    judged: Judged


def settled(siblings: Sequence[Sibling], template: Template) -> list[Item]:
    """What is proposed of all tags of a machine, in their order."""
    items = [sibling.judged.item for sibling in siblings]
    items = _asked_together([sibling.tag for sibling in siblings], items, template)
    items = _taken_by_unit(siblings, items, template)
    items = _asked_without_unit(siblings, items, template)
    items = told_elsewhere([sibling.seen for sibling in siblings], items, template)
    items = _told_apart(siblings, items)
    return _without_second_running(siblings, items, template)


def _asked_together(tags: Sequence[Tag], items: Sequence[Item], template: Template) -> list[Item]:
    """Three tags without words whose values are those of three phases are asked as such."""
    result = list(items)
    measured = {signal.key for signal in template.signals}
    unclear = [number for number, item in enumerate(items) if item.ask and tags[number].samples]
    for quantity, numbers in phases_of(tags, unclear):
        names = ", ".join(tags[number].name for number in numbers)
        keys, said = _PHASES[quantity]
        if not measured.issuperset(keys):
            continue
        candidates = tuple(Candidate(key, 1.0, 0.0, 0.5) for key in keys)
        reason = f"{names} {said}: which phases are they?"
        for number in numbers:
            result[number] = replace(result[number], confidence=0.5, candidates=candidates, reason=reason)
    return result


def _taken_by_unit(siblings: Sequence[Sibling], items: Sequence[Item], template: Template) -> list[Item]:
    """A tag whose words are not known is the one signal in its unit, if it is the only tag in that unit.

    Only on a machine of which other tags are known. A description that does not say so either makes it a question, and
    so does a unit in which much is measured.
    """
    result = list(items)
    if sum(item.signal is not None for item in items) < _LEAST_KNOWN:
        return result
    for number, (sibling, item) in enumerate(zip(siblings, items, strict=True)):
        signals = [signal for signal in template.signals if _measures(sibling.seen.unit.code, signal)]
        if not sibling.judged.by_unit or not item.candidates or len(signals) != 1:
            continue
        alone = all(
            other is sibling or (its.signal is None and not its.ask) or not _measures(other.seen.unit.code, signals[0])
            for other, its in zip(siblings, items, strict=True)
        )
        vague = sibling.tag.description or sibling.seen.unit.written in lexicon().vague_units or _lesser(sibling.seen)
        if alone and not vague:
            best = item.candidates[0]
            result[number] = replace(
                item,
                signal=best.signal,
                factor=best.factor,
                offset=best.offset,
                unit=signals[0].unit,
                confidence=_BY_UNIT_ALONE,
                ask=False,
                reason=f"the only tag in {sibling.seen.unit.written}: {signals[0].name_en}",
            )
    return result


def _asked_without_unit(siblings: Sequence[Sibling], items: Sequence[Item], template: Template) -> list[Item]:
    """A tag without a unit is a question where those of the other signals of its machine have one."""
    units = {signal.key: signal.unit for signal in template.signals}
    bare = [
        number
        for number, (sibling, item) in enumerate(zip(siblings, items, strict=True))
        if item.signal is not None
        and not sibling.seen.unit.written
        and units[item.signal] not in _PLAIN
        and not any(word.text in lexicon().unit_in_names for word in sibling.seen.leaf if not word.letter)
    ]
    written = sum(
        item.signal is not None and sibling.seen.unit.written != ""
        for sibling, item in zip(siblings, items, strict=True)
    )
    if len(bare) > written or written < _LEAST_KNOWN:
        return list(items)
    result = list(items)
    for number in bare:
        item = items[number]
        reason = f"{item.reason}; but the machine's other tags say their units: in which one is it?"
        result[number] = replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)
    return result


def _measures(unit: str, signal: SignalType) -> bool:
    try:
        conversion(unit, signal.unit)
    except ConversionError:
        return False
    return True


def _told_apart(siblings: Sequence[Sibling], items: Sequence[Item]) -> list[Item]:
    """A signal is fed by one tag: of several by the one that says so best, else a person says."""
    feeding: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        if item.signal is not None:
            feeding.setdefault(item.signal, []).append(number)
    result = list(items)
    for signal, numbers in feeding.items():
        if len(numbers) < 2:
            continue
        moved = _moved([items[number] for number in numbers], feeding)
        if moved is not None:
            which, item = moved
            result[numbers[which]] = item
            continue
        plain = [n for n in numbers if items[n].source_unit and items[n].factor == 1.0 and not items[n].offset]
        if len(plain) == 1 and len({items[n].source_unit for n in numbers}) == len(numbers):
            reason = f"the same as {items[plain[0]].name}, which is in the signal's own unit"
            for n in numbers:
                if n != plain[0]:
                    result[n] = replace(items[n], signal=None, confidence=0.8, reason=reason, candidates=())
            continue
        first = _first([siblings[n].seen for n in numbers])
        for place, n in enumerate(numbers):
            if place == first:
                continue
            others = ", ".join(items[other].name for other in numbers if other != n)
            result[n] = replace(
                items[n],
                signal=None,
                confidence=min(items[n].confidence, 0.5),
                ask=True,
                reason=f"{items[n].reason}; but {others} says {signal} too: which one is it?",
            )
    return result


def _first(rivals: Sequence[Evidence]) -> int | None:
    """Of tags for one signal the only one that is no estimate and of no lesser place, or the only one of the motor."""
    plain = [number for number, seen in enumerate(rivals) if not _lesser(seen)]
    if len(plain) == 1:
        return plain[0]
    motor = [number for number in plain if rivals[number].of_motor]
    return motor[0] if len(motor) == 1 else None


def _lesser(seen: Evidence) -> bool:
    """Whether a word makes it a tag that yields to another: ``estimated``, ``suction``."""
    lesser = lexicon().lesser
    return any(
        sense.role or any(f"{aspect}:{value}" in lesser for aspect, value in sense.aspects.items())
        for word in seen.words
        for sense in word.senses
        if not word.letter
    )


def _moved(rivals: Sequence[Item], feeding: Mapping[str, Sequence[int]]) -> tuple[int, Item] | None:
    """Of two tags for a signal the one that may as well be another, which nothing feeds: B beside Y is blue, not b."""
    if len(rivals) != 2:
        return None
    free = [
        [
            other
            for other in item.candidates[1:]
            if other.signal not in feeding and other.confidence > item.confidence - _ELSEWHERE
        ]
        for item in rivals
    ]
    movable = [number for number, others in enumerate(free) if len(others) == 1]
    if len(movable) != 1:
        return None
    item, other = rivals[movable[0]], free[movable[0]][0]
    reason = f"{item.reason.partition(';')[0]}; by what is left, {other.signal}"
    return movable[0], replace(
        item,
        signal=other.signal,
        factor=other.factor,
        offset=other.offset,
        confidence=other.confidence,
        reason=reason,
    )


def _without_second_running(siblings: Sequence[Sibling], items: Sequence[Item], template: Template) -> list[Item]:
    """Of a machine that is known to run by another tag, a yes or no that nothing is known of is no signal."""
    flags = {signal.key for signal in template.signals if signal.kind == "bool"}
    sure = any(item.signal in flags and item.confidence >= THRESHOLD for item in items)
    return [
        replace(
            item,
            ask=False,
            confidence=_NOT_RUNNING,
            reason=f"a yes or no of {template.name_en} that says nothing known; that it runs is said by another tag",
        )
        if sure and item.ask and not item.candidates and sibling.tag.data_type == "bool"
        else item
        for sibling, item in zip(siblings, items, strict=True)
    ]
