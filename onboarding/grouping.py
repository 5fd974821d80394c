"""Which tags belong to one machine: read from what names have in common."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from onboarding.division import Split, divide
from onboarding.gathering import gather
from onboarding.lexicon import Sense, fold, lexicon
from onboarding.names import Word, normalized, without_unit, words_of

DEFAULT_MACHINE = "machine-1"
_LEAST_FUNCTIONS = 3
_LEAST_DESCRIBED = 0.5
_NUMBER = re.compile(r"\d+[A-Z]?(?![a-z])")
_TAG_NUMBER = re.compile(r"\d{0,4}[-_ ]?[A-Z]{2,5}[-_ ]?\d{3,5}[A-Z]?(?=\.|$)")
_MOST_OF_A_TAG = 2
_ENDING = re.compile(r"(?:^|\s)(?P<word>[^\W\d_]{3,}) ?(?P<number>\d{1,3}[A-Z]?)\s*$")
_MOST_DESCRIBED = 0.8
_LETTER = re.compile(r" [A-H](?= )")
_ELECTRICAL = frozenset({"current", "voltage"})
_PATH_SEPARATOR = re.compile(r"[./\\:|>!]+")


@dataclass(frozen=True, slots=True)
class Placed:
    """A name, divided.

    machine: key of the machine, fit for topics and addresses
    leaf: the words that say what is measured
    named: whether the name says the machine
    doubt: word of the machine's name that says what is measured, so that it may be none of its name
    path: the part of the name that stands for the machine, with its folders; empty where none does
    """

    machine: str
    leaf: tuple[Word, ...]
    named: bool
    doubt: str = ""
    path: str = ""


def place(
    names: Sequence[str], default: str = DEFAULT_MACHINE, descriptions: Sequence[str] | None = None
) -> list[Placed]:
    """Machine and leaf of each name; ``default`` is the machine of names that say none, nor their descriptions."""
    splits = [divide(without_unit(normalized(name))) for name in names]
    gather(splits)
    keys = _keys([split.prefix for split in splits])
    loops = _loops(names)
    described = _described(names, splits, descriptions or [""] * len(names))
    placed = []
    for number, (name, split) in enumerate(zip(names, splits, strict=True)):
        if number in described:
            leaf = words_of(_NUMBER.sub(lambda match: " " * len(match[0]), normalized(name)))
            found = Placed(described[number], leaf, True)
        elif name in loops:
            found = _of_loop(loops[name])
        else:
            machine = keys[split.prefix] if split.prefix else default
            found = Placed(machine, split.leaf, bool(split.prefix), split.doubt, split.prefix)
        placed.append(replace(found, leaf=(*found.leaf, *_attribute(name))))
    return placed


def _attribute(name: str) -> Iterator[Word]:
    """The word for what a measuring point's attribute says, which is no measured value: SV of ``FIC1101.SV``."""
    parts = [part.strip() for part in _PATH_SEPARATOR.split(name)]
    at = next((number for number, part in enumerate(parts) if lexicon().loop.fullmatch(part)), len(parts))
    for number, part in enumerate(parts[at + 1 :], at + 1):
        role = lexicon().attribute_roles.get(fold(part))
        if role is not None:
            yield Word(f"{fold(part)} of a loop", len(name), len(name), number, (Sense({}, 1.0, role),))


def without_machine(description: str, machine: str) -> str:
    """A description without the machine's name that it begins or ends with, whose letter or number says no phase.

    >>> without_machine("K-2301B motor current", "K-2301B")
    ' motor current'
    """
    following = description[len(machine) : len(machine) + 1]
    begins = _key(description[: len(machine)]) == machine and not (following.isascii() and following.isalnum())
    if begins:
        return description[len(machine) :]
    rest, end = description[: -len(machine)], description[-len(machine) :]
    # Not the L1 of a machine that is called so.
    ends = rest.endswith(" ") and len(words_of(end)[0].text) > 2 and _key(end).lower() == machine.lower()
    return rest if ends else description


def _described(names: Sequence[str], splits: Sequence[Split], descriptions: Sequence[str]) -> dict[int, str]:
    """Machines of measuring points and of nameless tags whose descriptions begin with them: ``P-2101 flow``."""
    numbered = _tag_numbers(names)
    mute = {
        number: normalized(descriptions[number])
        for number, (name, split) in enumerate(zip(names, splits, strict=True))
        if descriptions[number] and (not split.prefix or name in numbered or _is_point(name) or _is_input(name))
    }
    counts = Counter((_is_input(names[number]) and _code(text)) or divide(text).prefix for number, text in mute.items())
    repeated = {_pattern(prefix) for prefix, count in counts.items() if count > 1 and re.search(r"\d", prefix)}
    known = {prefix for prefix in counts if _pattern(prefix) in repeated}
    if sum(counts[prefix] for prefix in known) < _LEAST_DESCRIBED * len(mute):
        known = _lettered(mute.values())
        if sum(_longest(text.strip(), known) != "" for text in mute.values()) < _LEAST_DESCRIBED * len(mute):
            return _described_last(mute)
    machines = {number: _longest(text.strip(), known) for number, text in mute.items()}
    # Where all that have one have the same, those without are of it too.
    only = next(iter(known)) if len(known) == 1 else ""
    return {
        number: _key(machines.get(number) or only)
        for number, (name, split) in enumerate(zip(names, splits, strict=True))
        if machines.get(number) or (only and (not split.prefix or _is_point(name) or _is_input(name)))
    }


def _described_last(mute: Mapping[int, str]) -> dict[int, str]:
    """Machines that descriptions end with, as ``raffineur 2`` in ``courant ph1 moteur raffineur 2``, or shortened."""
    found = {number: match for number, text in mute.items() if (match := _ENDING.search(text)) is not None}
    ends = {
        number: match for number, match in found.items() if not any(word.senses for word in words_of(match["word"]))
    }
    counts = Counter((match["word"].lower(), match["number"]) for match in ends.values())
    if len(ends) < _MOST_DESCRIBED * len(mute) or len(ends) < _LEAST_FUNCTIONS:
        return {}
    machines = {}
    for number, match in ends.items():
        word = match["word"].lower()
        longer = [
            one for one, its in counts if its == match["number"] and (one.startswith(word) or word.startswith(one))
        ]
        whole = max(longer, key=lambda one: counts[one, match["number"]])
        spelled = next(one["word"] for one in ends.values() if one["word"].lower() == whole)
        machines[number] = _key(f"{spelled} {match['number']}")
    several = Counter(machines.values())
    return {number: machine for number, machine in machines.items() if several[machine] >= _LEAST_FUNCTIONS}


def _tag_numbers(names: Sequence[str]) -> set[str]:
    """Names that begin with the number of a tag that no other tags have, or one: ``21MS4509.PVFL`` is no machine."""
    found = {name: match[0] for name in names if (match := _TAG_NUMBER.match(name)) is not None}
    counts = Counter(found.values())
    return {name for name, number in found.items() if counts[number] <= _MOST_OF_A_TAG}


def _lettered(texts: Iterable[str]) -> set[str]:
    """Machines that descriptions name by a letter, as ``ID FAN A`` and ``ID FAN B`` in ``ID FAN A MTR DE BRG TEMP``.

    Not where only currents and voltages follow: A is then a phase.
    """
    quantities: dict[str, set[str]] = {}
    for text in map(str.strip, texts):
        prefix = divide(text).prefix
        letter = _LETTER.match(text, len(prefix)) if prefix and text.startswith(prefix) else None
        if letter is not None and words_of(prefix)[-1].equipment:
            rest = words_of(text[letter.end() :])
            said = {sense.aspects.get("quantity", "") for word in rest if not word.letter for sense in word.senses}
            quantities.setdefault(text[: letter.end()], set()).update(said - {""})
    several = any(said - _ELECTRICAL and len(said) > 1 for said in quantities.values())
    return set(quantities) if several else set()


def _longest(text: str, prefixes: set[str]) -> str:
    return next((text[:end] for end in range(len(text), 0, -1) if text[:end] in prefixes), "")


def _is_input(name: str) -> bool:
    """Whether a name is but a module's input or an address, which says no machine: ``ADAM6017.AI0``, ``DB1.DBD4``."""
    channel = lexicon().channel.search(name)
    absolute = lexicon().absolute.fullmatch(name.strip())
    return absolute is not None or (channel is not None and channel.end() == len(name.rstrip()))


def _pattern(prefix: str) -> str:
    return re.sub(r"\d+", "#", prefix)


def _code(text: str) -> str:
    """The code of a machine that a description begins with: ``P5 motor current``."""
    code = lexicon().machine_code.match(text.strip())
    return (
        "" if code is None or any(word.may_say("phase") and not word.letter for word in words_of(code[0])) else code[0]
    )


def _is_point(name: str) -> bool:
    """Whether a name is a measuring point's, which says no machine: ``21-FIT-1002.PV``, ``TI-2312A/AI1/PV.CV``."""
    words = lexicon()
    parts = [part.strip() for part in _PATH_SEPARATOR.split(name) if part]
    if not parts or words.loop.fullmatch(parts[0]) is None:
        return False
    return (
        len(parts) == 1
        or fold(parts[1]) in words.attributes
        or words.block.fullmatch(parts[1]) is not None
        or any(sense.role for word in words_of(parts[1]) for sense in word.senses)
    )


def _loops(names: Sequence[str]) -> dict[str, re.Match[str]]:
    """Measuring points whose number says the machine (ISA-5.1): PI-3101A, FI-3101A and TI-3101A are of 3101A."""
    found = {name: match for name in names if (match := lexicon().loop_number.match(name)) is not None}
    functions: dict[str, set[str]] = {}
    for match in found.values():
        functions.setdefault(match["number"], set()).add(match["function"])
    return {name: match for name, match in found.items() if len(functions[match["number"]]) >= _LEAST_FUNCTIONS}


def _of_loop(match: re.Match[str]) -> Placed:
    text = match.string
    words = words_of(text[: match.start("number")] + " " * len(match["number"]) + text[match.end("number") :])
    return Placed(match["number"], words, True)


def _keys(prefixes: Sequence[str]) -> dict[str, str]:
    """Short keys: the last segment of a path, with as many before it as tell machines apart."""
    parts = {prefix: [part for part in _PATH_SEPARATOR.split(prefix) if part.strip()] for prefix in prefixes if prefix}
    keys: dict[str, str] = {}
    for prefix, own in parts.items():
        depth = 1
        while depth < len(own) and any(
            other[-depth:] == own[-depth:] for name, other in parts.items() if name != prefix
        ):
            depth += 1
        keys[prefix] = "_".join(_key(part) for part in own[-depth:]) or _key("")
    taken: Counter[str] = Counter()
    for prefix, key in list(keys.items()):
        taken[key] += 1
        if taken[key] > 1:
            keys[prefix] = f"{key}_{taken[key]}"
    return keys


def _key(part: str) -> str:
    """A part of a name without what topics and addresses cannot carry.

    >>> _key(" stMotor[1] ")
    'stMotor_1'
    """
    return re.sub(r"[^\w-]+", "_", part.strip()).strip("_") or "machine"
