"""A tag against one template: which signal it is, that it is none, or what a person must be asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from onboarding.behaviour import outside, raw_range
from onboarding.items import THRESHOLD, Candidate, Item
from onboarding.lexicon import lexicon
from onboarding.matching import Evidence, Fit, SourceUnit, fits, profile
from onboarding.names import Word
from onboarding.refusal import Refusal, is_short_for, refusal_of
from onboarding.tags import Tag
from plant import Conversion, ConversionError, Template, conversion

_CLOSE = 0.05
_MOST_CANDIDATES = 4
_LEAST_CANDIDATE = 0.04
_NOT_A_SIGNAL = 0.95
_UNKNOWN = 0.0
_CODE = 2
_BRIEF = 4
_ABOUT = frozenset({"about", "state", "mode"})
_OF_THE_MOTOR = frozenset({"bearing", "winding", "motor"})


@dataclass(frozen=True, slots=True)
class Judged:
    """A tag against one template.

    weight: what it says for that template
    by_unit: whether it is asked since only its unit says what it is
    """

    item: Item
    weight: float
    by_unit: bool = False


class Fitting:
    """How evidence fits templates, worked out once for tags that say the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], list[Fit]] = {}

    def __call__(self, seen: Evidence, template: Template) -> list[Fit]:
        key = (template.key, seen.key)
        if key not in self._known:
            self._known[key] = fits(seen, template)
        return self._known[key]


def judge(tag: Tag, seen: Evidence, machine: str, template: Template, fitting: Fitting) -> Judged:
    """What the tag of a machine is, if the machine is one of the template."""
    found = fitting(seen, template)
    best = next(iter(found), None)
    blank = Item(
        tag.name, machine, template.key, None, 1.0, 0.0, "", tag.unit, 0.0, "", False, source=dict(tag.source or {})
    )
    refusal = refusal_of(seen.words, seen, best)
    if refusal is not None:
        return _refused(tag, blank, refusal, seen, template, fitting)
    if best is None:
        return Judged(_nothing_fits(blank, seen, template), 0.0)
    elsewhere = "" if best.used else _elsewhere(seen, best)
    if elsewhere:
        return Judged(replace(blank, confidence=0.85, reason=f"no signal of {template.name_en}: {elsewhere}"), 0.0)
    if all(one.against for one in found):
        places = all(denied.removeprefix("said ").startswith("end:") for denied in best.denied)
        doubtful = bool(best.used) and (bool(seen.unit.written) or places) and not best.wrong_unit
        named = any(word.text in best.used for word in seen.leaf)
        elsewhere_too = best.denied & (lexicon().elsewhere | lexicon().elsewhere_said)
        if best.used and not elsewhere_too and not best.wrong_unit and _are_brief(best.denying):
            question = f"{'; '.join(best.says)}, but {'; '.join(best.against)}: is it {best.signal.name_en}?"
            return Judged(_asked(blank, question, best), 0.25)
        if doubtful and all(_is_doubtful(denied, named=named) for denied in best.denied):
            question = f"{'; '.join(best.says)}, but {'; '.join(best.against)}: is it {best.signal.name_en}?"
            return Judged(_asked(blank, question, best), 0.25)
        alone = None if best.denied & lexicon().elsewhere_said else _by_name(seen, template, fitting)
        if alone is not None:
            against = f"in the description {'; '.join(best.against)}"
            said = f"the name says {alone.signal.name_en}, but {against}: which is right?"
            return Judged(_asked(blank, said, alone), 0.25)
        reason = f"no signal of {template.name_en}: {'; '.join(best.against)}"
        return Judged(replace(blank, confidence=0.9, reason=reason), 0.0)
    return _said(tag, blank, seen, found)


def _are_brief(words: set[str]) -> bool:
    """Whether all have but two letters, and may be short for anything."""
    return bool(words) and all(len(word) == _CODE and word.isascii() and word.isalpha() for word in words)


def _by_name(seen: Evidence, template: Template, fitting: Fitting) -> Fit | None:
    """The signal that name and unit say without the description; None where they do not say it all."""
    alone = next(iter(fitting(replace(seen, described=()), template)), None)
    if alone is None or not alone.used or alone.against or alone.confidence < THRESHOLD:
        return None
    return alone


def _elsewhere(seen: Evidence, best: Fit) -> str:
    """The word that says that what only the unit speaks for is measured elsewhere: the neutral's current."""
    quantity = profile(best.signal).get("quantity")
    for word in seen.leaf:
        for sense in word.senses:
            others = [value for aspect, value in sense.aspects.items() if aspect != "quantity"]
            if sense.aspects.get("quantity") == quantity and others and not word.letter:
                return f"'{word.text}' says {quantity} of {others[0].replace('_', ' ')}"
    return ""


def _said(tag: Tag, blank: Item, seen: Evidence, found: Sequence[Fit]) -> Judged:
    """The best fit that nothing speaks against, or the question that it leaves."""
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
        return Judged(asked, 0.5 * best.confidence, by_unit=not best.used)
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
    return Judged(item, best.confidence)


def _asked(blank: Item, question: str, fit: Fit) -> Item:
    candidate = Candidate(fit.signal.key, fit.conversion.factor, fit.conversion.offset, 0.5)
    return replace(blank, signal=None, confidence=0.5, reason=question, ask=True, candidates=(candidate,))


def _refused(tag: Tag, blank: Item, refusal: Refusal, seen: Evidence, template: Template, fitting: Fitting) -> Judged:
    """No signal; asked where only the description says so, or where a state may be that the machine runs."""
    best = next(iter(fitting(seen, template)), None)
    complete = best is not None and bool(best.used) and not best.missing and not best.against
    if best is not None and complete and _is_weak(refusal, seen):
        judged = _said(tag, blank, seen, fitting(seen, template))
        return judged if judged.item.ask or _begins_a_name(refusal, seen) else _in_doubt(judged, refusal, best)
    plain = best is not None and not best.missing and not best.against and all(word.senses for word in seen.leaf)
    if best is not None and plain and refusal_of(seen.leaf, seen, best) is None:
        alone = fitting(replace(seen, described=()), template)
        if alone and alone[0].used and alone[0].signal is best.signal and alone[0].confidence >= THRESHOLD:
            said = f"the name says {best.signal.name_en}, but in the description {refusal.reason}: which is right?"
            return Judged(_asked(blank, said, best), 0.25)
    if (
        best is not None
        and not best.missing
        and not best.against
        and is_short_for(refusal.word, tag.description)
        and refusal_of(seen.described, seen, best) is None
    ):
        if _is_spelled_out(refusal.word, fitting(replace(seen, leaf=()), template), best):
            judged = _said(tag, blank, seen, fitting(seen, template))
            reason = f"{judged.item.reason}; '{refusal.word}' is short for a word of the description"
            return replace(judged, item=replace(judged.item, reason=reason))
        said = f"{refusal.reason}, but may be short for something in the description: is it {best.signal.name_en}?"
        return Judged(_asked(blank, said, best), 0.25)
    running = next((signal for signal in template.signals if signal.kind == "bool"), None)
    by_bit = refusal.role == "status_word" and best is not None and best.signal is running and not seen.unit.written
    if best is not None and plain and refusal.role == "state" and best.signal.kind != "bool":
        question = f"{'; '.join(best.says)}, but {refusal.reason}: is it {best.signal.name_en}?"
        return Judged(_asked(blank, question, best), 0.25)
    if running is not None and (by_bit or (refusal.role == "state" and _is_of_machine(seen))):
        question = f"{refusal.reason}, or is it {running.name_en}?"
        return Judged(_asked(blank, question, Fit(running, 0.5, Conversion())), 0.0)
    if running is not None and refusal.role == "state" and best is None and not seen.unit.code:
        unknown = _unknown(replace(seen, described=()))
        if unknown and seen.data_type in {"", "bool"}:
            question = f"{refusal.reason}, but what '{unknown}' means is not known: is it {running.name_en}?"
            return Judged(_asked(blank, question, Fit(running, 0.5, Conversion())), 0.0)
    return Judged(replace(blank, confidence=_NOT_A_SIGNAL, reason=refusal.reason), 0.0)


def _is_weak(refusal: Refusal, seen: Evidence) -> bool:
    """Whether but a short word of the description, or a piece of one, refuses: ``ID`` of ``ID fan`` or ``IDFB``."""
    named = any(word.text == refusal.word and not _is_piece(word, seen.leaf) for word in seen.leaf)
    return refusal.role in _ABOUT and not named and 0 < len(refusal.word) <= _BRIEF


def _is_piece(word: Word, leaf: Sequence[Word]) -> bool:
    return any(other.start == word.end or other.end == word.start for other in leaf if other is not word)


def _begins_a_name(refusal: Refusal, seen: Evidence) -> bool:
    """Whether what says something about a tag stands before a machine's word, as the ID of ``ID fan`` does."""
    return refusal.role == "about" and any(
        one.text == refusal.word and following.equipment for one, following in pairwise(seen.described)
    )


def _in_doubt(judged: Judged, refusal: Refusal, best: Fit) -> Judged:
    question = f"{judged.item.reason}; but {refusal.reason}: is it {best.signal.name_en}?"
    return replace(judged, item=_asked(judged.item, question, best), weight=0.25)


def _is_spelled_out(word: str, described: Sequence[Fit], best: Fit) -> bool:
    """Whether a description says the whole signal with a word that a name shortens: ``PAL`` of palier."""
    if not described or described[0].signal is not best.signal or described[0].missing or described[0].against:
        return False
    return len(word) > _CODE and any(used.startswith(word) and used != word for used in described[0].used)


def _is_doubtful(denied: str, *, named: bool) -> bool:
    """Whether a word against a signal may be read otherwise: it is of the machine, or the name says it and only the
    description does not."""
    meaning = denied.removeprefix("said ")
    if meaning in lexicon().elsewhere:
        return False
    of_the_machine = meaning in lexicon().of_the_machine or meaning.startswith(("end:", "number:"))
    return of_the_machine or (named and meaning != denied)


def _is_of_machine(seen: Evidence) -> bool:
    """Whether a state may be that of the whole machine."""
    whole = any(word.equipment or word.may_say("part", "motor") for word in seen.words)
    return whole and seen.unit.code in {"", "1"}


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
    if seen.unit.written and not seen.unit.code and seen.unit.written not in lexicon().foreign_units:
        return replace(blank, confidence=_UNKNOWN, ask=True, reason=f"unit {seen.unit.written} is not known: say it")
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
    if best.wrong_unit and seen.unit.doubt:
        return seen.unit.doubt
    if best.wrong_unit:
        return f"unit {seen.unit.written} is not one of {best.signal.name_en} ({best.signal.unit}): which is right?"
    if best.missing:
        return f"nothing says {', '.join(best.missing)}: which {best.signal.key.split('_')[0]} is it?"
    if not seen.unit.written and f"quantity:{profile(best.signal).get('quantity')}" in lexicon().never_assumed:
        return f"no unit is given, and {best.signal.name_en} has many: in which one is it?"
    if best.near:
        return f"'{best.near[0]}' is not quite {best.signal.name_en}: is it meant?"
    unknown = _unknown(seen) if best.signal.kind == "bool" or not seen.unit.written else ""
    if unknown:
        return f"what '{unknown}' means is not known: is it {best.signal.name_en}?"
    other = _other_part(seen, best)
    if other:
        return f"'{other}' may be another part than the motor: whose is it?"
    if seen.data_type == "bool" and best.signal.kind != "bool":
        return f"it is yes or no, {best.signal.name_en} is a number"
    strange = outside(tag.samples, best.signal, best.conversion) or raw_range(tag)
    if strange:
        return strange
    rivals = [one for one in found[1:] if one.confidence > best.confidence - _CLOSE and not one.missing]
    if rivals:
        return f"it may as well be {', '.join(one.signal.name_en for one in rivals)}"
    if best.confidence < THRESHOLD:
        return "that is not sure enough"
    return ""


def _unknown(seen: Evidence) -> str:
    """A word of a name that nobody knows, and whose description does not help: ``HTR`` of ``HTR_ON``."""
    if any(word.senses for word in seen.described) or seen.of_motor:
        return ""
    return next((w.text for w in seen.leaf if not w.senses and not w.equipment and len(w.text) > _CODE), "")


def _other_part(seen: Evidence, best: Fit) -> str:
    """A machine's word beside what is measured at one place of the motor: the bearing of ``Fan.Brg`` is the fan's."""
    wanted = profile(best.signal)
    if ("end" not in wanted and wanted.get("part") not in _OF_THE_MOTOR) or seen.of_motor:
        return ""
    others = [word for word in seen.leaf if word.equipment and not word.senses]
    return others[0].text if others else ""


def _conversion_words(seen: Evidence, best: Fit) -> str:
    unit = best.signal.unit
    if best.conversion.factor != 1.0 or best.conversion.offset:
        return f"; {seen.unit.written} is converted to {unit}"
    if not seen.unit.written and unit not in {"1", "bool"}:
        return f"; no unit is given, taken as {unit}"
    return ""
