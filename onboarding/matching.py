"""How well a tag's words and unit fit a signal of a template."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import pairwise

from onboarding.inputs import electrical_input
from onboarding.lexicon import Sense, aspects_of, fold, lexicon
from onboarding.names import Word, normalized, unit_at_end, words_of
from onboarding.scaling import scaled
from onboarding.tags import Tag
from plant import Conversion, ConversionError, SignalType, Template, conversion

_SURE = 0.98
_BY_UNIT = 0.97
_NO_UNIT = 0.88
_MISSING = 0.5
_LETTER_AGAINST = 0.97
_AGAINST = 0.2
_NEAR = 0.5
_WRONG_UNIT = 0.3
_TWO = 2
_PLAIN_UNITS = frozenset({"1", "bool"})


@dataclass(frozen=True, slots=True)
class SourceUnit:
    """A tag's unit: as written, as the plant spells it (empty where unknown), factor and offset into that.

    doubt: why the value cannot be converted though the unit is known; empty where it can
    """

    written: str = ""
    code: str = ""
    factor: float = 1.0
    offset: float = 0.0
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a tag: words of its leaf, words of its description, unit."""

    leaf: tuple[Word, ...]
    described: tuple[Word, ...]
    unit: SourceUnit
    data_type: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What two tags have in common that say the same, as those of many like machines do."""
        last = self.leaf[-1].segment if self.leaf else 0
        leaf = tuple((word.text, word.segment < last) for word in self.leaf)
        return leaf, tuple(word.text for word in self.described), self.unit, self.data_type

    @property
    def words(self) -> tuple[Word, ...]:
        """All words, the name's first."""
        return (*self.leaf, *self.described)

    @property
    def of_motor(self) -> bool:
        """Whether a word says that it is the motor's."""
        return any(word.may_say("part", "motor") or word.text.startswith(lexicon().motor) for word in self.words)


@dataclass(slots=True)
class Fit:
    """How a tag fits a signal; confidence 0..1.

    missing: aspects of the signal that nothing says
    against: words that say something else
    near: words that say something similar
    denied: what the words against it are about; ``said`` before it where only the description has them
    denying: the words against it
    """

    signal: SignalType
    confidence: float
    conversion: Conversion
    says: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    against: list[str] = field(default_factory=list)
    near: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    wrong_unit: bool = False
    denying: set[str] = field(default_factory=set)


def source_unit(text: str) -> SourceUnit:
    """A unit as a device writes it."""
    known = lexicon().unit(text)
    return SourceUnit(text.strip(), *known) if known else SourceUnit(text.strip())


def evidence_of(tag: Tag, leaf: Sequence[Word]) -> Evidence:
    """What a tag says; single letters of a sentence are language."""
    stop = lexicon().stop_words
    known, description = _unit_and_text(tag)
    description = lexicon().rating.sub(" ", lexicon().parameter.sub("", f" {description} "))
    described = tuple(
        word
        for word in _behind_machine(words_of(description), leaf)
        if not (word.text in stop and description[word.start : word.end].islower()) and not _is_scrap(description, word)
    )
    return _without_whereabouts(Evidence(tuple(_without_codes(leaf)), described, known, tag.data_type))


def _without_whereabouts(seen: Evidence) -> Evidence:
    """Where the motor is named, a word for what it stands at says nothing: ``tank agitator motor temperature``."""
    if not seen.of_motor and not any(word.may_say("part", "winding") and not word.letter for word in seen.words):
        return seen

    def is_told(word: Word) -> bool:
        meant = {f"{aspect}:{value}" for sense in word.senses for aspect, value in sense.aspects.items()}
        return not (meant and meant <= lexicon().whereabouts)

    return replace(seen, leaf=tuple(filter(is_told, seen.leaf)), described=tuple(filter(is_told, seen.described)))


def _unit_and_text(tag: Tag) -> tuple[SourceUnit, str]:
    """A tag's unit as its description explains it, and the rest of the description."""
    known = source_unit(tag.unit or unit_at_end(normalized(tag.name)))
    electrical = electrical_input(tag.description, known.written)
    if electrical is not None and electrical.unit:
        return SourceUnit(known.written, electrical.unit, electrical.factor, electrical.offset), electrical.text
    if electrical is not None:
        return replace(
            known, doubt="it is an electrical input, and nothing says what its range stands for"
        ), electrical.text
    if known.code == "%" and lexicon().share.search(tag.description):
        rest = lexicon().share.sub(" ", tag.description)
        return replace(known, doubt="it is a share of the nameplate's value: how large is that?"), rest
    factor = scaled(tag.description)
    if factor is not None and factor.unit and not tag.unit:
        return SourceUnit(factor.said, factor.unit, factor.factor), factor.text
    if factor is not None and known.factor == 1.0:
        return replace(known, doubt=f"the description says {factor.said.strip()}: what is the factor?"), factor.text
    if factor is not None:
        return known, factor.text
    return known, tag.description


def _behind_machine(words: Sequence[Word], leaf: Sequence[Word]) -> Sequence[Word]:
    """Words of a description without the machine's name before them: ``Condenser water pump 1 motor temperature``.

    A letter is the machine's where the phase is said elsewhere: ``ID fan B current phase A``.
    """
    for number, (word, following) in enumerate(pairwise(words)):
        rest = words[number + 2 :]
        lettered = following.letter and word.text not in lexicon().places
        lettered = lettered and any(other.may_say("phase") for other in (*rest, *leaf))
        named = word.equipment and not word.senses and (following.digits or lettered)
        if named and any(other.may_say("quantity") and not other.letter for other in rest):
            return rest
    return words


def _is_scrap(text: str, word: Word) -> bool:
    """Whether one or two letters are but a piece of a name in a sentence, as of ``SpW-Pumpe``."""
    start, end = word.start, word.end
    while start and text[start - 1].isalpha():
        start -= 1
    while end < len(text) and text[end].isalpha():
        end += 1
    chunk = text[start:end]
    whole = (start, end) == (word.start, word.end)
    mixed = not (chunk.isupper() or (chunk.islower() and len(chunk) > 4))
    return len(word.text) <= 2 and not whole and chunk.isascii() and mixed


def _without_codes(leaf: Sequence[Word]) -> Iterator[Word]:
    """Words without the numbers of codes that nobody knows: XE12 says nothing of phases 1 and 2."""
    last: Word | None = None
    for word in leaf:
        if not (word.digits and last is not None and not last.explained and last.end == word.start):
            yield word
        last = word


@cache
def profile(signal: SignalType) -> dict[str, str]:
    """What must be said for a tag to be this signal: the meanings of the words of its key.

    A word that the lexicon does not know must be there itself, so that a new template needs no new words.
    """
    found: dict[str, str] = {}
    for word in words_of(signal.key):
        for sense in word.senses[:1] if not word.letter or len(word.senses) == 1 else _letter(word, found):
            if sense.aspects:
                found.update(sense.aspects)
        if not word.senses:
            found[f"word {word.text}"] = word.text
    return found


def _letter(word: Word, found: dict[str, str]) -> Sequence[Sense]:
    """Of a letter after a quantity: its phase; of a number: its number."""
    wanted = "number" if word.digits else "phase" if "quantity" in found else "quantity"
    return [sense for sense in word.senses if wanted in sense.aspects][:1]


def fit(evidence: Evidence, signal: SignalType) -> Fit | None:
    """How well it fits; None where nothing speaks for the signal's quantity."""
    wanted = profile(signal)
    found = Fit(signal, _SURE, Conversion())
    strength: dict[str, float] = {}
    if "".join(word.text for word in evidence.leaf) == fold(signal.key):
        strength = dict.fromkeys(wanted, 1.0)
        found.says.append(f"the name is {signal.key}")
        found.used = {word.text for word in evidence.leaf}
    else:
        last = evidence.leaf[-1].segment if evidence.leaf else 0
        for word in evidence.leaf:
            _weigh(word, wanted, strength, found, evidence.unit, folder=word.segment < last)
        for word in evidence.described:
            _weigh(word, wanted, strength, found, evidence.unit, described=True)
    named = "quantity" in strength
    _by_unit(evidence, signal, wanted, strength, found)
    if not named and _only_numbered(evidence, found):
        strength.pop("phase", None)  # 1 of ch1 is no phase because it is in A
    if "quantity" in wanted and "quantity" not in strength:
        return None
    if not strength:
        return None
    _stand_in(evidence, wanted, strength, found)
    if "part" in strength:
        # Which winding: U1 of TI_WDG_U1 is no phase of a current.
        found.near = [text for text in found.near if text not in _letters_of_phases(evidence)]
    for aspect, value in wanted.items():
        if aspect in strength:
            found.confidence *= strength[aspect]
        else:
            found.missing.append(_said(aspect, value))
            found.confidence *= _MISSING
    return found


def _only_numbered(evidence: Evidence, found: Fit) -> bool:
    phases = _letters_of_phases(evidence) & found.used
    return bool(phases) and all(len(text) == 1 and text.isdecimal() for text in phases)


def _letters_of_phases(evidence: Evidence) -> set[str]:
    return {word.text for word in evidence.words if word.may_say("phase")}


def _weigh(
    word: Word,
    wanted: dict[str, str],
    strength: dict[str, float],
    found: Fit,
    unit: SourceUnit,
    *,
    folder: bool = False,
    described: bool = False,
) -> None:
    """Add what a word says for or against; the name of a folder says no quantity against."""
    said = f"word {word.text}"
    if said in wanted:
        strength[said] = 1.0
        found.used.add(word.text)
        return
    words = lexicon()
    fitting = [sense for sense in word.senses if sense.aspects and _fits(sense, wanted)]
    if fitting:
        for sense in fitting:
            for aspect, value in sense.aspects.items():
                if aspect in wanted:
                    strength[aspect] = max(strength.get(aspect, 0.0), sense.weight)
                    text = f"'{word.text}' says {_said(aspect, value)}"
                    if text not in found.says:
                        found.says.append(text)
        found.used.add(word.text)
        return
    if not word.senses or any(not sense.aspects and not sense.role for sense in word.senses):
        return
    meanings = [f"{a}:{v}" for sense in word.senses for a, v in sense.aspects.items()]
    if folder:
        meanings = [meaning for meaning in meanings if not meaning.startswith("quantity:")]
    if not meanings or any(meaning in words.soft for meaning in meanings):
        return
    if word.digits and "phase" not in wanted and all(meaning.startswith(("phase:", "number:")) for meaning in meanings):
        return  # 12 of a group address 3/1/12 is no phase of a speed
    mine = {f"{aspect}:{value}" for aspect, value in wanted.items()}
    splits = word.letter and _splits(word, wanted, strength)
    if not splits and any(set(words.goes_with.get(meaning, ())) & mine for meaning in meanings):
        return
    if word.letter and word.text == fold(unit.written).partition("*")[0]:
        found.confidence *= _LETTER_AGAINST  # MotorCurrent_A in A: more likely the unit than a phase
        return
    if splits and described:
        found.near.append(word.text)  # A of 100 mV/A: a letter in a sentence may be anything
        found.confidence *= _NEAR
        return
    if word.letter and not splits:
        if not (word.digits and strength):
            found.confidence *= _LETTER_AGAINST
        if any((meaning, own) in words.near for meaning in meanings for own in mine):
            found.near.append(word.text)
        return
    near = any((meaning, own) in words.near for meaning in meanings for own in mine)
    if near or (not described and _is_abbreviation(word, unit, found.signal)):
        found.near.append(word.text)
        found.confidence *= _NEAR
        return
    found.against.append(f"'{word.text}' says {_said(*meanings[0].split(':', 1))}")
    found.denying.add(word.text)
    found.denied.add(f"said {meanings[0]}" if described else meanings[0])
    found.confidence *= _AGAINST


def _is_abbreviation(word: Word, unit: SourceUnit, signal: SignalType) -> bool:
    """Whether two letters that say a quantity are short for another word, as the unit denies it: ``KW_I_U`` in A."""
    quantities = all(sense.aspects.keys() == {"quantity"} for sense in word.senses)
    if len(word.text) != _TWO or not word.text.isascii() or not quantities or not unit.code:
        return False
    try:
        _converted(unit, signal.unit)
    except ConversionError:
        return False
    return True


def _splits(word: Word, wanted: dict[str, str], strength: dict[str, float]) -> bool:
    """Whether a letter says which of several signals of a quantity it is, where the machine has but one."""
    mine = {f"{aspect}:{value}" for aspect, value in wanted.items()}
    return not word.digits and any(
        aspect not in strength
        and any(aspect in sense.aspects and wanted.get(aspect) != sense.aspects[aspect] for sense in word.senses)
        and set(quantities) & mine
        for aspect, quantities in lexicon().splits.items()
    )


def _fits(sense: Sense, wanted: dict[str, str]) -> bool:
    """All that a sense says is wanted, or goes without saying."""
    soft = lexicon().soft
    return any(wanted.get(aspect) == value for aspect, value in sense.aspects.items()) and all(
        wanted.get(aspect) == value or f"{aspect}:{value}" in soft for aspect, value in sense.aspects.items()
    )


def _by_unit(
    evidence: Evidence, signal: SignalType, wanted: dict[str, str], strength: dict[str, float], found: Fit
) -> None:
    unit = evidence.unit
    plain = unit.code in _PLAIN_UNITS and unit.factor == 1.0
    if not unit.doubt and (not unit.written or (plain and signal.unit in _PLAIN_UNITS)):
        if signal.unit not in _PLAIN_UNITS:
            found.confidence *= _NO_UNIT
        return
    try:
        found.conversion = _converted(unit, signal.unit)
    except ConversionError:
        found.wrong_unit = True
        found.confidence *= _WRONG_UNIT
        if not unit.doubt and (f"quantity:{wanted.get('quantity')}", unit.written) in lexicon().unit_instead:
            found.against.append(f"{wanted['quantity'].replace('_', ' ')} is not measured in {unit.written}")
            found.denied.add("unit")
        return
    for meaning in lexicon().unit_says.get(signal.unit, ()) if unit.code not in lexicon().mute_units else ():
        for aspect, value in aspects_of(meaning).items():
            if wanted.get(aspect) == value and aspect not in strength:
                strength[aspect] = _BY_UNIT
                found.says.append(f"unit {unit.written} measures {_said(aspect, value)}")


def _converted(unit: SourceUnit, target: str) -> Conversion:
    if not unit.code or unit.doubt:
        raise ConversionError(f"unit {unit.written!r} is not known: {unit.doubt}")
    to_signal = conversion(unit.code, target)
    return Conversion(to_signal.factor * unit.factor, to_signal(unit.offset))


def _stand_in(evidence: Evidence, wanted: dict[str, str], strength: dict[str, float], found: Fit) -> None:
    for stand_in in lexicon().stands_for:
        ((aspect, value),) = aspects_of(stand_in.instead_of).items()
        if wanted.get(aspect) != value or aspect in strength:
            continue
        have = aspects_of(stand_in.meaning).items()
        if any(have <= sense.aspects.items() for word in evidence.words for sense in word.senses):
            strength[aspect] = stand_in.weight
            found.says.append(f"{stand_in.meaning.split(':')[1]} may mean {value}")


def _said(aspect: str, value: str) -> str:
    words = value.replace("_", " ")
    return {"phase": f"phase {words.upper()}", "end": words.upper(), "number": f"number {words}"}.get(aspect, words)


def fits(evidence: Evidence, template: Template) -> list[Fit]:
    """All signals of a template that the tag may be, best first."""
    found = [one for signal in template.signals if (one := fit(evidence, signal)) is not None]
    return sorted(found, key=lambda one: -one.confidence)
