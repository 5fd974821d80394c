"""Which tags belong to one machine: read from what names have in common."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onboarding.division import Split, divide
from onboarding.gathering import gather
from onboarding.lexicon import fold, lexicon
from onboarding.names import Word, normalized, without_unit, words_of

DEFAULT_MACHINE = "machine-1"
_LEAST_FUNCTIONS = 3
_LEAST_DESCRIBED = 0.5
_NUMBER = re.compile(r"\d+[A-Z]?(?![a-z])")
_PATH_SEPARATOR = re.compile(r"[./\\:|>!]+")


@dataclass(frozen=True, slots=True)
class Placed:
    """A name, divided.

    machine: key of the machine, fit for topics and addresses
    leaf: the words that say what is measured
    named: whether the name says the machine
    doubt: word of the machine's name that says what is measured, so that it may be none of its name
    """

    machine: str
    leaf: tuple[Word, ...]
    named: bool
    doubt: str = ""


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
            placed.append(Placed(described[number], leaf, True))
        elif name in loops:
            placed.append(_of_loop(loops[name]))
        else:
            machine = keys[split.prefix] if split.prefix else default
            placed.append(Placed(machine, split.leaf, bool(split.prefix), split.doubt))
    return placed


def _described(names: Sequence[str], splits: Sequence[Split], descriptions: Sequence[str]) -> dict[int, str]:
    """Machines of measuring points and of nameless tags whose descriptions begin with them: ``P-2101 flow``."""
    mute = {
        number: normalized(descriptions[number])
        for number, (name, split) in enumerate(zip(names, splits, strict=True))
        if descriptions[number] and (not split.prefix or _is_point(name))
    }
    counts = Counter(divide(text).prefix for text in mute.values())
    known = {prefix for prefix, count in counts.items() if count > 1 and re.search(r"\d", prefix)}
    if sum(counts[prefix] for prefix in known) < _LEAST_DESCRIBED * len(mute):
        return {}
    machines = {number: _longest(text.strip(), known) for number, text in mute.items()}
    # Where all that have one have the same, those without are of it too.
    only = next(iter(known)) if len(known) == 1 else ""
    return {
        number: _key(machines.get(number) or only)
        for number, (name, split) in enumerate(zip(names, splits, strict=True))
        if machines.get(number) or (only and (not split.prefix or _is_point(name)))
    }


def _longest(text: str, prefixes: set[str]) -> str:
    return next((text[:end] for end in range(len(text), 0, -1) if text[:end] in prefixes), "")


def _is_point(name: str) -> bool:
    """Whether a name is a measuring point's, which says no machine: ``21-FIT-1002.PV``."""
    parts = [part for part in _PATH_SEPARATOR.split(name) if part]
    if len(parts) > 1 and fold(parts[-1]) in lexicon().attributes:
        parts = parts[:-1]
    return len(parts) == 1 and lexicon().loop.fullmatch(parts[0].strip()) is not None


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
