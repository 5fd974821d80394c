"""Which tags belong to one machine: read from what names have in common."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from onboarding.lexicon import Sense, lexicon
from onboarding.names import Word, normalized, path_starts, without_unit, words_of

DEFAULT_MACHINE = "machine-1"
_SEPARATORS = " _-./\\:|>!,;"
_LEAST_ADDRESSES = 3
_LEAST_FUNCTIONS = 3
_LOOP = re.compile(r"(?P<function>[A-Z]{1,4})[-_ ]?(?P<number>\d{2,5}[A-Z]?)(?![\w])")
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


@dataclass(slots=True)
class _Split:
    text: str
    words: tuple[Word, ...]
    begin: int  # behind an address
    boundary: int
    parent: int  # where the last path segment begins

    @property
    def prefix(self) -> str:
        return self.text[self.begin : self.boundary].strip(_SEPARATORS)


def place(names: Sequence[str], default: str = DEFAULT_MACHINE) -> list[Placed]:
    """Machine and leaf of each name; ``default`` is the machine of names that say none."""
    splits = [_split(without_unit(normalized(name))) for name in names]
    _gather_parts(splits)
    _gather_folders(splits)
    _gather_below_paths(splits)
    _gather_singles(splits)
    _drop_addresses(splits)
    _drop_lone_ones(splits)
    keys = _keys([split.prefix for split in splits])
    loops = _loops(names)
    return [
        _of_loop(loops[name])
        if name in loops
        else Placed(
            keys[split.prefix] if split.prefix else default,
            tuple(word for word in split.words if word.start >= split.boundary),
            bool(split.prefix),
            _doubt(split),
        )
        for name, split in zip(names, splits, strict=True)
    ]


def _loops(names: Sequence[str]) -> dict[str, re.Match[str]]:
    """Measuring points whose number says the machine (ISA-5.1): PI-3101A, FI-3101A and TI-3101A are of 3101A."""
    found = {name: match for name in names if (match := _LOOP.match(name)) is not None}
    functions: dict[str, set[str]] = {}
    for match in found.values():
        functions.setdefault(match["number"], set()).add(match["function"])
    return {name: match for name, match in found.items() if len(functions[match["number"]]) >= _LEAST_FUNCTIONS}


def _of_loop(match: re.Match[str]) -> Placed:
    text = match.string
    words = words_of(text[: match.start("number")] + " " * len(match["number"]) + text[match.end("number") :])
    return Placed(match["number"], words, True)


def _doubt(split: _Split) -> str:
    start = max(start for start in path_starts(split.text) if start < max(split.boundary, 1))
    for word in split.words:
        telling = _strong(word) and all("quantity" in sense.aspects for sense in word.senses)
        if telling and max(start, split.begin) <= word.start < split.boundary:
            return word.text
    return ""


def _split(text: str) -> _Split:
    starts = path_starts(text)
    begin = 0
    parameter = lexicon().parameter.search(text)
    if parameter is not None and re.search(r"\w", text[: parameter.start()]):
        if not text[parameter.end() :].strip(_SEPARATORS):
            # The name ends in a number that only a manual explains: what stands before it is the machine.
            return _Split(text, (), begin, parameter.start(), parameter.start())
        text = text[: parameter.start()] + " " * len(parameter[0]) + text[parameter.end() :]
    code = lexicon().plant_code.match(text)
    if code is not None:
        return _Split(text, (), 0, code.end(), code.end())
    address = lexicon().address.match(text.lstrip(_SEPARATORS))
    if address:
        begin = address.end() + len(text) - len(text.lstrip(_SEPARATORS))
    words = tuple(word for word in words_of(text) if word.start >= begin)
    last = max((start for start in starts if text[start:].strip(_SEPARATORS)), default=0)
    by_segment: dict[int, list[Word]] = {}
    for word in words:
        by_segment.setdefault(word.segment, []).append(word)
    segments = sorted(by_segment, reverse=True)
    if _is_attribute(by_segment, segments):
        segments = segments[1:]
    point = _measuring_point(text, starts, by_segment, segments)
    if point is not None and point >= begin:
        return _Split(text, words, begin, point, point)
    boundary = len(text)
    for depth, segment in enumerate(segments):
        own = by_segment[segment]
        if depth == 0:
            leaf = _explained_end(own)
            if not leaf:
                # Where its end is not known, a segment is a leaf as a whole, or from its first telling word on.
                boundary = max(last, begin)
                if boundary > begin:
                    continue
                boundary = next((word.start for word in own if _strong(word)), len(text))
                break
            if leaf[0] is not own[0]:
                boundary = _at_separator(text, leaf[0].start, max(starts[segment], begin))
                break
            boundary = max(starts[segment], begin)
        elif _says_what(own):
            boundary = max(starts[segment], begin)
        else:
            break
    return _Split(text, words, begin, max(boundary, begin), max(last, begin))


def _is_attribute(by_segment: dict[int, list[Word]], segments: Sequence[int]) -> bool:
    """Whether the last segment is but an attribute, as in ``FN-220_SPEED.PV``: what is measured stands before it."""
    if len(segments) < 2 or "".join(word.text for word in by_segment[segments[0]]) not in lexicon().attributes:
        return False
    leaf = _explained_end(by_segment[segments[1]])
    return bool(leaf) and leaf[0] is not by_segment[segments[1]][0] and any(map(_strong, leaf))


def _at_separator(text: str, start: int, earliest: int) -> int:
    """The beginning of the part that a word stands in: ``TLag`` of ``GB1_TLagA`` names no machine."""
    if not text[start].isascii() or text[start - 1].isdigit():
        return start
    chunk = start
    while chunk > earliest and text[chunk - 1].isalnum() and text[chunk - 1].isascii():
        chunk -= 1
    return chunk if chunk > earliest else start


def _measuring_point(
    text: str, starts: Sequence[int], by_segment: dict[int, list[Word]], segments: Sequence[int]
) -> int | None:
    """Where a measuring point of a control system begins, as in ``MTR-301/TI-301.PV``; None where there is none."""
    if len(segments) < 2 or "".join(word.text for word in by_segment[segments[0]]) not in lexicon().attributes:
        return None
    start = starts[segments[1]]
    return start if lexicon().loop.fullmatch(text[start : starts[segments[0]] - 1].strip()) else None


def _explained_end(words: Sequence[Word]) -> list[Word]:
    """The words at the end that say what is measured, without the number of a machine before them."""
    first = len(words)
    while first and _leads_on(words, first - 1):
        first -= 1
    leaf = list(words[first:])
    if first and leaf and all(word.digits for word in leaf) and leaf[0].start == words[first - 1].end:
        return []  # the number of a code that nobody knows, such as XE12
    if first and len(leaf) > 1 and leaf[0].letter and _touches(words[first - 1], leaf[0]):
        leaf = leaf[1:]  # 1203A: the letter belongs to the number
    return _without_number(leaf, behind=first > 0)


def _leads_on(words: Sequence[Word], number: int) -> bool:
    """Whether a word belongs to what is measured; ``line`` does in ``Line A-B``, and names a machine in ``Line 4``."""
    word = words[number]
    return bool(word.senses) and not (word.equipment and (number + 1 == len(words) or words[number + 1].digits))


def _without_number(leaf: list[Word], *, behind: bool) -> list[Word]:
    """``behind``: whether something stands before them that a number may belong to."""
    for number in range(len(leaf) - 1):
        word, rest = leaf[number], leaf[number + 1 :]
        before = leaf[:number]
        if _numbers_machine(word) and rest and not any(_strong(other) for other in before):
            if len(rest) > 1 and rest[0].letter and _touches(word, rest[0]):
                rest = rest[1:]
            return _without_number(rest, behind=True)
        if word.digits and behind and not before:
            return _without_number(rest, behind=True)
        if not word.digits or not any(_strong(other) for other in rest):
            continue
        if any(_strong(other) for other in before):
            break
        touching = all(other.letter for other in before) and len(word.text) == 1 and before
        if touching and before[-1].end == word.start and not _measure(rest):
            continue
        return leaf[number + 1 :]
    return leaf


def _touches(number: Word, letter: Word) -> bool:
    return number.digits and number.end == letter.start


def _numbers_machine(word: Word) -> bool:
    """Whether a number is none of a phase, such as 12 and 31, but counts machines: 03, 101."""
    return word.digits and len(word.text) > 1 and not any("phase" in sense.aspects for sense in word.senses)


def _strong(word: Word) -> bool:
    """Whether a word, not merely a letter, says what is measured or why nothing is."""
    soft = lexicon().soft
    return not (word.letter or word.digits or word.equipment) and any(
        sense.role or any(f"{aspect}:{value}" not in soft for aspect, value in sense.aspects.items())
        for sense in word.senses
    )


def _measure(words: Sequence[Word]) -> bool:
    return any(
        _strong(word) and any("quantity" in sense.aspects or sense.role for sense in word.senses) for word in words
    )


def _says_what(words: Sequence[Word]) -> bool:
    """Whether a whole path segment only says what is measured, as in ``Fan_1.Temp.Winding``."""
    soft = lexicon().soft

    def is_soft(sense: Sense) -> bool:
        return bool(sense.aspects) and all(f"{aspect}:{value}" in soft for aspect, value in sense.aspects.items())

    return all(word.explained and not word.digits for word in words) and any(
        not word.letter and not all(map(is_soft, word.senses)) for word in words
    )


def _gather_parts(splits: Sequence[_Split]) -> None:
    """``P2.Motor`` and ``P2.Pump`` are parts of the machine P2: folders without a number or name of their own."""
    parts: dict[str, dict[str, list[tuple[_Split, int]]]] = {}
    for split in splits:
        borders = path_starts(split.text)
        starts = [start for start in borders if split.begin <= start < split.boundary]
        if split.boundary not in borders:
            continue
        for start in starts[-1:]:
            above = split.text[split.begin : start].strip(_SEPARATORS)
            own = [word for word in split.words if start <= word.start < split.boundary]
            named = _PATH_SEPARATOR.split(above)[-1]
            if own and re.search(r"\d", named) and all(word.equipment or _is_motor(word) for word in own):
                kind = "motor" if all(map(_is_motor, own)) else "other"
                parts.setdefault(above, {}).setdefault(kind, []).append((split, start))
    for kinds in parts.values():
        if len(kinds) > 1:
            for members in kinds.values():
                for split, start in members:
                    split.boundary = start


def _gather_folders(splits: Sequence[_Split]) -> None:
    """Where ``press5/power`` only says what is measured of press5, its folder ``press5/iolink`` is none either."""
    machines = {split.prefix for split in splits if split.boundary < split.parent}
    for split in splits:
        borders = path_starts(split.text)
        starts = [start for start in borders if split.begin <= start < split.boundary]
        if split.boundary not in borders or not starts:
            continue
        above = split.text[split.begin : starts[-1]].strip(_SEPARATORS)
        own = [word for word in split.words if starts[-1] <= word.start < split.boundary]
        if above in machines and re.search(r"\d", above) and not any(word.equipment or word.digits for word in own):
            split.boundary = starts[-1]
        elif len(starts) > 1 and not any(word.equipment or _is_motor(word) for word in own):
            named = [word for word in split.words if starts[-2] <= word.start < starts[-1]]
            if any(word.equipment and word.text not in lexicon().places for word in named) and named[-1].digits:
                split.boundary = starts[-1]  # pump-03/vvb1: a sensor of the pump


def _is_motor(word: Word) -> bool:
    return any(sense.aspects.get("part") == "motor" for sense in word.senses)


def _gather_below_paths(splits: Sequence[_Split]) -> None:
    """A name whose last segment begins with something unknown belongs to its path, unless others begin so too."""
    counts = Counter(split.prefix for split in splits)
    parents = Counter(split.text[split.begin : split.parent].strip(_SEPARATORS) for split in splits)
    for split in splits:
        inside = split.begin <= split.parent < split.boundary
        parent = split.text[split.begin : split.parent].strip(_SEPARATORS)
        if not inside or not parent:
            continue
        rest = split.text[split.parent : split.boundary]
        alone = counts[split.prefix] < 2 and (parents[parent] > 1 or not re.search(r"\d", rest))
        shared = counts[parent] > 1 and not re.search(r"\d", rest)
        if alone or shared:
            split.boundary = split.parent


def _gather_singles(splits: Sequence[_Split]) -> None:
    """A prefix that no other name has is cut back to one that others have."""
    counts = Counter(split.prefix for split in splits)
    chunks = Counter(shorter for split in splits for shorter in {split.text[split.begin : end] for end in _cuts(split)})
    for split in splits:
        by_path = split.begin < split.parent and split.boundary <= split.parent
        if not split.prefix or by_path or counts[split.prefix] > 1:
            continue
        known = [end for end in _cuts(split) if counts[split.text[split.begin : end].strip(_SEPARATORS)]]
        shared = [
            end
            for end in _cuts(split)
            if chunks[split.text[split.begin : end]] > 1 and re.search(r"\d", split.text[split.begin : end])
        ]
        if known or shared:
            split.boundary = max(known or shared)


def _cuts(split: _Split) -> list[int]:
    """Ends of shorter prefixes, at separators."""
    return [
        split.begin + match.start()
        for match in re.finditer(r"[\s_\-./\\:|>!,;]+", split.text[split.begin : split.boundary].rstrip(_SEPARATORS))
        if match.start()
    ]


def _drop_addresses(splits: Sequence[_Split]) -> None:
    """Numbers that run through a list, one a name and each with another quantity, are registers and no machines."""
    alike: dict[str, list[_Split]] = {}
    for split in splits:
        if split.prefix:
            alike.setdefault(re.sub(r"\d+", "#", split.prefix), []).append(split)
    registers = False
    for pattern, members in sorted(alike.items(), key=lambda entry: -len(entry[1])):
        leaves = {split.text[split.boundary :].strip(_SEPARATORS).lower() for split in members}
        if (
            "#" in pattern
            and len(members) >= (1 if registers and re.fullmatch(r"[A-Za-z]#", pattern) else _LEAST_ADDRESSES)
            and len({split.prefix for split in members}) == len(members)
            and (len(leaves) == len(members) or leaves == {""})
        ):
            registers = True
            for split in members:
                split.begin = max(split.begin, min(split.boundary, len(split.text)))
                split.boundary = split.begin


def _drop_lone_ones(splits: Sequence[_Split]) -> None:
    """Where other names say no machine, the beginning of a single one is none: ``IA_MAG`` beside ``PF_3PH``."""
    counts = Counter(split.prefix for split in splits)
    alike = Counter(re.sub(r"\d+", "#", prefix) for prefix in counts)
    nameless = counts[""] > 0
    for split in splits:
        prefix = split.prefix
        lone = nameless and counts[prefix] == 1 and alike[re.sub(r"\d+", "#", prefix)] == 1
        equipment = any(word.equipment for word in split.words if split.begin <= word.start < split.boundary)
        if prefix and not equipment and (lone or (len(prefix) == 1 and prefix.isascii() and prefix.isalpha())):
            split.boundary = split.begin


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
