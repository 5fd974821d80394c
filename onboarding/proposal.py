"""Proposes machine, template, signal and conversion for tags; what is not sure is asked, with the best candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from onboarding.behaviour import line_voltages_of, outside
from onboarding.grouping import DEFAULT_MACHINE, Placed, place
from onboarding.lexicon import lexicon
from onboarding.matching import Evidence, Fit, SourceUnit, evidence_of, fits, profile
from onboarding.names import Word
from onboarding.tags import Tag
from plant import ConversionError, Template, conversion, template_library

THRESHOLD = 0.7
"""Below this confidence a proposal is a question."""

_CLOSE = 0.05
_MOST_CANDIDATES = 4
_LEAST_CANDIDATE = 0.04
_NOT_A_SIGNAL = 0.95
_UNKNOWN = 0.0
_FOREIGN = 0.5
_WHOLE_LIST = 0.05
_ELSEWHERE = 0.15


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signal that a tag may be."""

    signal: str
    factor: float
    offset: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Item:
    """What a tag is proposed to be.

    template: None where nothing is known of the machine
    signal: None where it is no signal, or where it must be asked
    factor, offset: value in the signal's unit = value * factor + offset
    unit: the signal's own, a UCUM code; source_unit: as the device writes it
    confidence: 0..1, that the answer is right
    ask: a person must say; ``candidates`` has what it may be, best first
    """

    name: str
    machine: str
    template: str | None
    signal: str | None
    factor: float
    offset: float
    unit: str
    source_unit: str
    confidence: float
    reason: str
    ask: bool
    candidates: tuple[Candidate, ...] = ()
    source: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Judged:
    """A tag against one template; ``weight`` is what it says for that template."""

    item: Item
    weight: float


class _Fitting:
    """How evidence fits templates, worked out once for tags that say the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[Fit]] = {}

    def __call__(self, seen: Evidence, template: Template) -> list[Fit]:
        key = (template.key, seen.key)
        if key not in self._known:
            self._known[key] = fits(seen, template)
        return self._known[key]


def propose(tags: Sequence[Tag], machine: str = DEFAULT_MACHINE) -> list[Item]:
    """One item a tag, in their order; ``machine`` is the name of a machine that no tag names."""
    placed = place([tag.name for tag in tags], machine)
    fitting = _Fitting()
    evidence = [_evidence(tag, where, fitting) for tag, where in zip(tags, placed, strict=True)]
    members: dict[str, list[int]] = {}
    for number, where in enumerate(placed):
        members.setdefault(where.machine, []).append(number)
    library = template_library()
    rows = list(zip(tags, evidence, placed, strict=True))
    judged = {
        key: [_judge(tag, seen, where.machine, template, fitting) for tag, seen, where in rows]
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
        best = max(said, key=lambda key: said[key])
        chosen = [judged[best][number].item for number in numbers]
        if not any(judged[best][number].weight for number in numbers):
            chosen = [replace(item, template=None) for item in chosen]
        chosen = _asked_together([tags[number] for number in numbers], chosen)
        for number, item in zip(numbers, _told_apart(chosen), strict=True):
            items[number] = _doubted(item, placed[number].doubt)
    return [item for item in items if item is not None]


def _doubted(item: Item, doubt: str) -> Item:
    if not doubt or item.signal is None:
        return item
    reason = f"{item.reason}; but '{doubt}' in {item.machine} says what is measured: is that the machine?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)


def _weight(of_tags: Sequence[float], numbers: Sequence[int]) -> float:
    """What a machine's tags say for a template; where they say little, what the whole list is about decides."""
    return sum(of_tags[number] for number in numbers) + _WHOLE_LIST * sum(of_tags) / len(of_tags)


def _evidence(tag: Tag, where: Placed, fitting: _Fitting) -> Evidence:
    seen = evidence_of(tag, where.leaf)
    return seen if seen.unit.written else _unit_of_name(seen, fitting)


def _unit_of_name(seen: Evidence, fitting: _Fitting) -> Evidence:
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


def _judge(tag: Tag, seen: Evidence, machine: str, template: Template, fitting: _Fitting) -> _Judged:
    found = fitting(seen, template)
    best = found[0] if found else None
    blank = Item(
        tag.name, machine, template.key, None, 1.0, 0.0, "", tag.unit, 0.0, "", False, source=dict(tag.source or {})
    )
    refusal = _refusal(seen.words, seen, best)
    named = replace(seen, described=())
    if refusal and best is not None and not best.missing and not best.against and not _refusal(seen.leaf, seen, best):
        alone = fitting(named, template)
        if alone and alone[0].used and alone[0].signal is best.signal and alone[0].confidence >= THRESHOLD:
            reason = f"the name says {best.signal.name_en}, but in the description {refusal}: which is right?"
            candidate = Candidate(best.signal.key, best.conversion.factor, best.conversion.offset, 0.5)
            return _Judged(replace(blank, confidence=0.5, reason=reason, ask=True, candidates=(candidate,)), 0.25)
    if refusal:
        running = next((signal for signal in template.signals if signal.kind == "bool"), None)
        if running is not None and refusal.endswith(lexicon().roles["state"].means) and _is_of_machine(seen):
            candidate = Candidate(running.key, 1.0, 0.0, 0.5)
            question = f"{refusal}, or is it {running.name_en}?"
            return _Judged(replace(blank, confidence=0.5, reason=question, ask=True, candidates=(candidate,)), 0.0)
        return _Judged(replace(blank, confidence=_NOT_A_SIGNAL, reason=refusal), 0.0)
    if best is None:
        return _Judged(_nothing_fits(blank, seen, template), 0.0)
    if best.against and all(one.against for one in found):
        doubtful = bool(best.used) and bool(seen.unit.written) and not best.wrong_unit
        if doubtful and all(map(_is_doubtful, best.denied)):
            question = f"{'; '.join(best.says)}, but {'; '.join(best.against)}: is it {best.signal.name_en}?"
            candidate = Candidate(best.signal.key, best.conversion.factor, best.conversion.offset, 0.5)
            return _Judged(replace(blank, confidence=0.5, reason=question, ask=True, candidates=(candidate,)), 0.25)
        return _Judged(
            replace(blank, confidence=0.9, reason=f"no signal of {template.name_en}: {'; '.join(best.against)}"), 0.0
        )
    best = next(one for one in found if not one.against)
    question = _question(tag, seen, best, found)
    usable = [one for one in found if one.confidence >= _LEAST_CANDIDATE][:_MOST_CANDIDATES]
    candidates = tuple(
        Candidate(one.signal.key, one.conversion.factor, one.conversion.offset, round(one.confidence, 3))
        for one in usable
        if not one.wrong_unit
    )
    because = "; ".join(best.says)
    if question:
        asked = replace(
            blank,
            confidence=round(min(best.confidence, THRESHOLD - 0.01), 3),
            reason=f"{because}; {question}" if because else question,
            ask=True,
            candidates=candidates,
        )
        return _Judged(asked, 0.5 * best.confidence)
    item = replace(
        blank,
        signal=best.signal.key,
        factor=best.conversion.factor,
        offset=best.conversion.offset,
        unit=best.signal.unit,
        confidence=round(best.confidence, 3),
        reason=because + _conversion_words(seen, best),
        candidates=candidates,
    )
    return _Judged(item, best.confidence)


def _refusal(said: Sequence[Word], seen: Evidence, best: Fit | None) -> str:
    """Why a name is no signal whatever its quantity: a set value, a limit, an alarm ..."""
    words = lexicon()
    used = best.used if best is not None else set()
    meant = {f"{a}:{v}" for word in seen.words for sense in word.senses for a, v in sense.aspects.items()}
    measured = best is not None and bool(best.used) and seen.unit.written != "" and not best.wrong_unit
    for word in said:
        # Two letters of a sentence are the beginning of a name: SpW-Pumpe.
        if word.text in used or (word in seen.described and len(word.text) == 2 and word.text.isascii()):
            continue
        for sense in word.senses:
            role = words.roles.get(sense.role)
            if role is None or set(role.unless) & meant or (role.unitless and measured):
                continue
            return f"'{word.text}' says {role.means}"
    return "a text, not a number" if seen.data_type == "text" else ""


def _is_doubtful(denied: str) -> bool:
    """Whether a word against a signal may be read otherwise: it is of the machine, or only in the description."""
    return denied in lexicon().of_the_machine or denied.startswith(("end:", "number:", "said "))


def _is_of_machine(seen: Evidence) -> bool:
    """Whether a state may be that of the whole machine."""
    motor = {"part": "motor"}.items()
    whole = any(word.equipment or any(motor <= sense.aspects.items() for sense in word.senses) for word in seen.words)
    return whole and not seen.unit.written


def _nothing_fits(blank: Item, seen: Evidence, template: Template) -> Item:
    others = [
        (word.text, sense.aspects["quantity"])
        for word in seen.words
        for sense in word.senses[:1]
        if "quantity" in sense.aspects and not word.letter
    ]
    if others:
        word, quantity = others[0]
        reason = f"'{word}' says {quantity.replace('_', ' ')}, which is no signal of {template.name_en}"
        return replace(blank, confidence=0.9, reason=reason)
    if seen.unit.written and not _measured_in(seen.unit, template):
        reason = f"nothing of {template.name_en} is measured in {seen.unit.written}"
        return replace(blank, confidence=0.85, reason=reason)
    parts = [
        (word.text, value)
        for word in seen.words
        for sense in word.senses[:1]
        for aspect, value in sense.aspects.items()
        if aspect == "part" and f"part:{value}" not in lexicon().soft and not word.letter
    ]
    measured = {profile(signal).get("part") for signal in template.signals}
    if parts and parts[0][1] not in measured:
        reason = f"'{parts[0][0]}' says {parts[0][1].replace('_', ' ')}, of which nothing is measured"
        return replace(blank, confidence=0.8, reason=reason)
    known = f"'{parts[0][0]}' says {parts[0][1].replace('_', ' ')}, but not what is measured" if parts else ""
    return replace(
        blank, confidence=_UNKNOWN, ask=True, reason=known or "neither name nor unit says what is measured: say it"
    )


def _measured_in(unit: SourceUnit, template: Template) -> bool:
    for signal in template.signals:
        try:
            conversion(unit.code, signal.unit)
        except ConversionError:
            continue
        return True
    return False


def _question(tag: Tag, seen: Evidence, best: Fit, found: Sequence[Fit]) -> str:
    """Why a person must say; empty where it is sure enough."""
    if not best.used:
        return f"only the unit {seen.unit.written} says so: is it {best.signal.name_en}?"
    if best.wrong_unit:
        return f"unit {seen.unit.written} is not one of {best.signal.name_en} ({best.signal.unit}): which is right?"
    if best.missing:
        return f"nothing says {', '.join(best.missing)}: which {best.signal.key.split('_')[0]} is it?"
    if best.near:
        return f"'{best.near[0]}' is not quite {best.signal.name_en}: is it meant?"
    if seen.data_type == "bool" and best.signal.kind != "bool":
        return f"it is yes or no, {best.signal.name_en} is a number"
    strange = outside(tag.samples, best.signal, best.conversion)
    if strange:
        return strange
    rivals = [one for one in found[1:] if one.confidence > best.confidence - _CLOSE and not one.missing]
    if rivals:
        return f"it may as well be {', '.join(one.signal.name_en for one in rivals)}"
    if best.confidence < THRESHOLD:
        return "that is not sure enough"
    return ""


def _conversion_words(seen: Evidence, best: Fit) -> str:
    unit = best.signal.unit
    if best.conversion.factor != 1.0 or best.conversion.offset:
        return f"; {seen.unit.written} is converted to {unit}"
    if not seen.unit.written and unit not in {"1", "bool"}:
        return f"; no unit is given, taken as {unit}"
    return ""


def _told_apart(items: Sequence[Item]) -> list[Item]:
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


def _asked_together(tags: Sequence[Tag], items: Sequence[Item]) -> list[Item]:
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
