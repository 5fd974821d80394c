"""The words of ``words.toml``, ``languages`` and ``units.toml``: what a word may mean, what a unit is called."""

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from plant import SOURCE_UNITS, UNITS, Conversion, ConversionError, conversion

_LETTER_WEIGHT = 0.96
_INITIALS_WEIGHT = 0.93
_LEAST_FORM = 5
# A root mean square is what signals are; peaks are other values, and another unit.
_EFFECTIVE = re.compile(r"(?i:(?<=[a-z])\((?:rms|eff)\.?\)|(?<=[a-z0-9]{2})[,.]?(?:rms|eff)\.?)$")
_LEAST_INITIALS = 3
_FOLDED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ł": "l", "ø": "o", "đ": "d", "ı": "i"})


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Role(_Document):
    """Why a name is no signal; ``unless`` the name also has one of these meanings.

    yields_to_unit: a name with the unit of a measured quantity is that quantity all the same
    """

    means: str
    words: tuple[str, ...]
    unless: tuple[str, ...] = ()
    yields_to_unit: bool = False


class _StandIn(_Document):
    meaning: str
    instead_of: str
    weight: float = Field(gt=0, le=1)


class _Near(_Document):
    meaning: str
    to: tuple[str, ...]


class _Colours(_Document):
    sign: tuple[str, ...]
    third: tuple[str, ...]


class _Evidence(_Document):
    of_the_machine: tuple[str, ...]
    elsewhere: tuple[str, ...]
    no_machine: tuple[str, ...]
    whereabouts: tuple[str, ...]
    soft: tuple[str, ...]
    lesser: tuple[str, ...]
    neutral: tuple[str, ...]
    stop_words: tuple[str, ...]
    rating: str
    share: str
    scaling: str
    colours: _Colours
    stands_for: tuple[_StandIn, ...] = ()
    near: tuple[_Near, ...] = ()
    goes_with: dict[str, tuple[str, ...]] = {}
    splits: dict[str, tuple[str, ...]] = {}


class _Grouping(_Document):
    equipment: tuple[str, ...]
    attributes: tuple[str, ...]
    attribute_roles: dict[str, str]
    block: str
    channel: str
    absolute: str
    loop: str
    loop_number: str
    host: str
    machine_code: str
    addresses: tuple[str, ...]
    parameters: tuple[str, ...]
    plant_codes: tuple[str, ...]
    places: tuple[str, ...]


class _Units(_Document):
    says: dict[str, tuple[str, ...]]
    also: dict[str, str]
    in_names: dict[str, str]
    foreign: tuple[str, ...]
    vague: tuple[str, ...]
    mute: tuple[str, ...]
    never_assumed: tuple[str, ...]
    instead: dict[str, tuple[str, ...]]


class BehaviourFigures(_Document):
    """When samples of three tags look like three phases, voltages in V, spreads relative; ends of raw ranges.

    electrical: what transmitters send, by unit
    """

    line_voltages: tuple[float, ...]
    voltage_tolerance: float
    phase_spread: float
    current_spread: float
    electrical: dict[str, tuple[tuple[float, float], ...]]
    converter_tops: tuple[float, ...]


class _Language(_Document):
    """What a language adds; ``roles`` by the key of the role, ``places`` are equipment that holds several machines."""

    equipment: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    meanings: dict[str, tuple[str, ...]]
    roles: dict[str, tuple[str, ...]]


class _Words(_Document):
    meanings: dict[str, tuple[str, ...]]
    initials: dict[str, tuple[str, ...]]
    pinyin: dict[str, tuple[str, ...]]
    roles: dict[str, Role]
    grouping: _Grouping
    evidence: _Evidence
    behaviour: BehaviourFigures


@dataclass(frozen=True, slots=True)
class Sense:
    """One thing a word may mean: aspects such as ``{"phase": "u"}``, or the key of a role; neither: nothing."""

    aspects: Mapping[str, str]
    weight: float = 1.0
    role: str = ""


@lru_cache(maxsize=50_000)
def fold(word: str) -> str:
    """A word as it is looked up: small letters, no accents, no separators.

    >>> fold("Störung"), fold("non-drive end"), fold("Température")
    ('stoerung', 'nondriveend', 'temperature')
    """
    text = unicodedata.normalize("NFKC", word).lower().translate(_FOLDED)
    return re.sub(r"[\s_\-./]+", "", _without_marks(text))


def _without_marks(text: str) -> str:
    return "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))


def _keys(name: str) -> set[str]:
    """A word as it is looked up, also where ö is written o instead of oe, as Turks and Swedes do."""
    return {fold(name), fold(_without_marks(name))}


def aspects_of(meaning: str) -> dict[str, str]:
    """``a:b+c:d`` as a mapping."""
    return dict(part.split(":", 1) for part in meaning.split("+"))


def _form(unit: str) -> str:
    """A unit spelt in words, without hyphens and plurals; empty where it is no word.

    >>> _form("degrees-Fahrenheit"), _form("DEGREE_FAHRENHEIT"), _form("degreesFahrenheit"), _form("mW")
    ('degreefahrenheit', 'degreefahrenheit', 'degreefahrenheit', '')
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", unit)
    words = re.split(r"[\s_-]+", spaced.lower())
    form = "".join(word.removesuffix("s") for word in words)
    return form if form.isalpha() and len(form) >= _LEAST_FORM else ""


def _spelled(units: Mapping[str, str], spell: Callable[[str], str]) -> dict[str, str]:
    """Units by another spelling, where only one has it."""
    spelled: dict[str, set[str]] = {}
    for spelling, code in units.items():
        spelled.setdefault(spell(spelling), set()).add(code)
    return {spelling: min(codes) for spelling, codes in spelled.items() if spelling and _are_one(codes)}


def _are_one(units: set[str]) -> bool:
    first = min(units)
    try:
        return all(conversion(unit, first) == Conversion() for unit in units)
    except ConversionError:
        return False


class Lexicon:
    """Words by their folded form."""

    def __init__(self, words: _Words, languages: Sequence[_Language], units: _Units) -> None:
        self._senses: dict[str, list[Sense]] = {}
        self._ending_in_a_letter: set[str] = set()
        for table, weight in ((words.meanings, 1.0), (words.initials, _INITIALS_WEIGHT)):
            for meaning, names in table.items():
                for name in names:
                    letter = _LETTER_WEIGHT if len(fold(name)) == 1 else 1.0
                    self._add(name, Sense(aspects_of(meaning), weight * letter))
        for meaning, terms in words.pinyin.items():
            for term in terms:
                self._add_pinyin(term.split(), aspects_of(meaning))
        for role_key, role in words.roles.items():
            for name in role.words:
                self._add(name, Sense({}, 1.0, role_key))
        for name in words.evidence.neutral:
            self._add(name, Sense({}))
        for language in languages:
            for meaning, names in language.meanings.items():
                for name in names:
                    self._add(name, Sense(aspects_of(meaning)))
            for role_key, names in language.roles.items():
                if role_key not in words.roles:
                    raise ValueError(f"{role_key} is no role of words.toml")
                for name in names:
                    self._add(name, Sense({}, 1.0, role_key))
            for name in language.neutral:
                self._add(name, Sense({}))
        self.longest = max(map(len, self._senses))
        places = (*words.grouping.places, *(name for language in languages for name in language.places))
        machines = (*words.grouping.equipment, *(name for language in languages for name in language.equipment))
        self.equipment = frozenset(key for name in (*machines, *places) for key in _keys(name))
        self.stop_words = frozenset(map(fold, words.evidence.stop_words))
        self.rating = re.compile(words.evidence.rating)
        self.share = re.compile(words.evidence.share)
        self.scaling = re.compile(words.evidence.scaling)
        self.roles = words.roles
        self.attributes = frozenset(map(fold, words.grouping.attributes))
        self.attribute_roles = words.grouping.attribute_roles
        self.block = re.compile(words.grouping.block)
        self.channel = re.compile(r"(?<=[\s_.:/-])" + words.grouping.channel + r"(?=$|[\s_.:/-])")
        self.absolute = re.compile(words.grouping.absolute)
        self.loop = re.compile(words.grouping.loop)
        self.machine_code = re.compile(words.grouping.machine_code)
        self.host = re.compile(words.grouping.host)
        self.loop_number = re.compile(words.grouping.loop_number)
        self.address = re.compile("(?:" + "|".join(words.grouping.addresses) + r")(?=$|[\s_.:/-])")
        self.parameter = re.compile(r"(?<=[\s_.:/,-])(?:" + "|".join(words.grouping.parameters) + r")(?=$|[\s_.:/-])")
        self.places = frozenset(map(fold, places))
        self.plant_code = re.compile("|".join(words.grouping.plant_codes))
        self.of_the_machine = frozenset(words.evidence.of_the_machine)
        self.lesser = frozenset(words.evidence.lesser)
        self.whereabouts = frozenset(words.evidence.whereabouts)
        self.no_machine = frozenset(words.evidence.no_machine)
        motor = (fold(name) for name in words.meanings["part:motor"])
        self.motor = tuple(name for name in motor if len(name) > 2 or not name.isascii())
        self.elsewhere = frozenset(words.evidence.elsewhere)
        self.elsewhere_said = frozenset(f"said {meaning}" for meaning in self.elsewhere)
        self.soft = frozenset(words.evidence.soft)
        self.colours_sign = frozenset(map(fold, words.evidence.colours.sign))
        self.colours_third = frozenset(map(fold, words.evidence.colours.third))
        self.stands_for = words.evidence.stands_for
        self.near = frozenset((near.meaning, other) for near in words.evidence.near for other in near.to)
        self.goes_with = words.evidence.goes_with
        self.splits = words.evidence.splits
        self.unit_says = units.says
        self.unit_in_names = units.in_names
        self.never_assumed = frozenset(units.never_assumed)
        self.mute_units = frozenset(units.mute)
        self.vague_units = frozenset(units.vague)
        self.foreign_units = frozenset(units.foreign)
        self.unit_instead = frozenset((meaning, code) for meaning, written in units.instead.items() for code in written)
        self.behaviour = words.behaviour
        self._units = (
            {code: code for code in SOURCE_UNITS}
            | {known.unece: known.code for known in UNITS.values() if known.unece}
            | {re.sub(r"\s+", "", spelling): code for spelling, code in units.also.items()}
        )
        # mW and MW differ by their letters alone, AMPS and amps do not.
        self._any_case = _spelled(self._units, str.lower)
        self._any_form = _spelled(self._units, _form)

    def _add(self, name: str, sense: Sense) -> None:
        for key in _keys(name):
            senses = self._senses.setdefault(key, [])
            if sense not in senses:
                senses.append(sense)
            if len(re.split(r"[\s_\-./]", name)[-1]) == 1:
                self._ending_in_a_letter.add(key)

    def _add_pinyin(self, syllables: Sequence[str], aspects: dict[str, str]) -> None:
        """A term and its initials; two letters may mean too much."""
        self._add(" ".join(syllables), Sense(aspects))
        initials = "".join(syllable[0] for syllable in syllables)
        if len(initials) >= _LEAST_INITIALS:
            self._add(initials, Sense(aspects, _INITIALS_WEIGHT))

    def ends_in_a_letter(self, folded: str) -> bool:
        """Whether a word is written with a letter of its own at its end: ``phase a`` is, ``curr`` is not."""
        return folded in self._ending_in_a_letter

    def senses(self, folded: str) -> tuple[Sense, ...]:
        """What a folded word may mean; empty where it is not known."""
        return tuple(self._senses.get(folded, ()))

    def unit(self, text: str) -> tuple[str, float] | None:
        """The plant's spelling of a unit as people write it, with a factor before it; None where it is not known.

        >>> lexicon().unit("0.1 A"), lexicon().unit("℃"), lexicon().unit("furlong")
        (('A', 0.1), ('℃', 1.0), None)
        """
        plain = re.sub(r"\s+", "", text)
        folded = unicodedata.normalize("NFKC", plain)
        bare = _EFFECTIVE.sub("", folded.replace("_", "")).rstrip(".")
        for spelling in dict.fromkeys((plain, folded, bare)):
            if spelling in self._units:
                return self._units[spelling], 1.0
            if spelling.lower() in self._any_case:
                return self._any_case[spelling.lower()], 1.0
            if _form(text.strip()) in self._any_form:
                return self._any_form[_form(text.strip())], 1.0
            if re.fullmatch(r"0?[.,]\d+", spelling):
                return "1", float(spelling.replace(",", "."))
            scaled = re.fullmatch(r"[x×*]?(0?[.,]\d+|10+)[x×*]?(\D.*)", spelling)
            if scaled and scaled[2] in self._units and self._units[scaled[2]]:
                return self._units[scaled[2]], float(scaled[1].replace(",", "."))
        return None


@cache
def lexicon() -> Lexicon:
    """The words that ship with the product."""
    room = files("onboarding")
    words = _Words.model_validate(tomllib.loads(room.joinpath("words.toml").read_text(encoding="utf-8")))
    sheets = sorted(room.joinpath("languages").iterdir(), key=lambda sheet: sheet.name)
    languages = [
        _Language.model_validate(tomllib.loads(sheet.read_text(encoding="utf-8")))
        for sheet in sheets
        if sheet.name.endswith(".toml")
    ]
    units = _Units.model_validate(tomllib.loads(room.joinpath("units.toml").read_text(encoding="utf-8")))
    return Lexicon(words, languages, units)
