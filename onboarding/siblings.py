"""Tags of one machine beside each other: a signal is fed by one tag, and three phases go together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onboarding.behaviour import line_voltages_of
from onboarding.items import Candidate, Item
from onboarding.tags import Tag

_ELSEWHERE = 0.15


def told_apart(items: Sequence[Item]) -> list[Item]:
    """A signal is fed by one tag: of several the one without conversion, else a person says."""
    feeding: dict[str, list[Item]] = {}
    for item in items:
        if item.signal is not None:
            feeding.setdefault(item.signal, []).append(item)
    replaced: dict[int, Item] = {}
    for signal, rivals in feeding.items():
        if len(rivals) < 2:
            continue
        moved = _moved(rivals, feeding)
        if moved is not None:
            replaced |= moved
            continue
        plain = [item for item in rivals if item.source_unit and item.factor == 1.0 and not item.offset]
        if len(plain) == 1 and len({item.source_unit for item in rivals}) == len(rivals):
            for item in rivals:
                if item is not plain[0]:
                    replaced[id(item)] = replace(
                        item,
                        signal=None,
                        confidence=0.8,
                        reason=f"the same as {plain[0].name}, which is in the signal's own unit",
                        candidates=(),
                    )
            continue
        for item in rivals:
            others = ", ".join(other.name for other in rivals if other is not item)
            replaced[id(item)] = replace(
                item,
                signal=None,
                confidence=min(item.confidence, 0.5),
                ask=True,
                reason=f"{item.reason}; but {others} says {signal} too: which one is it?",
            )
    return [replaced.get(id(item), item) for item in items]


def _moved(rivals: Sequence[Item], feeding: Mapping[str, Sequence[Item]]) -> dict[int, Item] | None:
    """Of two tags for a signal the one that may as well be another, which nothing feeds: B beside Y is blue, not b."""
    if len(rivals) != 2:
        return None
    free = {
        id(item): [
            other
            for other in item.candidates[1:]
            if other.signal not in feeding and other.confidence > item.confidence - _ELSEWHERE
        ]
        for item in rivals
    }
    movable = [item for item in rivals if len(free[id(item)]) == 1]
    if len(movable) != 1:
        return None
    item, other = movable[0], free[id(movable[0])][0]
    reason = f"{item.reason.partition(';')[0]}; by what is left, {other.signal}"
    return {
        id(item): replace(
            item,
            signal=other.signal,
            factor=other.factor,
            offset=other.offset,
            confidence=other.confidence,
            reason=reason,
        )
    }


def asked_together(tags: Sequence[Tag], items: Sequence[Item]) -> list[Item]:
    """Three tags without words whose values are those of three phases are asked as such."""
    result = list(items)
    unclear = [number for number, item in enumerate(items) if item.ask and tags[number].samples]
    for numbers in line_voltages_of(tags, unclear):
        names = ", ".join(tags[number].name for number in numbers)
        keys = ("voltage_uv", "voltage_vw", "voltage_wu")
        candidates = tuple(Candidate(key, 1.0, 0.0, 0.5) for key in keys)
        for number in numbers:
            result[number] = replace(
                result[number],
                confidence=0.5,
                candidates=candidates,
                reason=f"{names} lie together near a supply voltage, as three line voltages do: which phases are they?",
            )
    return result
