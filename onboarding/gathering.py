"""Where names divide, corrected by what a list of names has in common."""

import re
from collections import Counter
from collections.abc import Sequence

from onboarding.division import SEPARATORS, Split
from onboarding.lexicon import fold, lexicon
from onboarding.names import Word, path_starts, words_of

_LEAST_ADDRESSES = 3
_LEAST_ALIKE = 3
_MOST_NAMELESS = 0.5
_CODE = 2
_LEAST_QUANTITIES = 2
_MOST_LETTERS = 3
_SEPARATOR = r"[\s_\-./\\:|>!,;]+"
_PATH_SEPARATOR = re.compile(r"[./\\:|>!]+")


def gather(splits: Sequence[Split]) -> None:
    """Move the boundaries of names, so that those of one machine have its prefix."""
    _gather_codes(splits)
    _gather_letters(splits)
    _gather_chunks(splits)
    _gather_known(splits)
    _gather_points(splits)
    _gather_parts(splits)
    _gather_folders(splits)
    _gather_extensions(splits)
    _gather_below_paths(splits)
    _gather_singles(splits)
    _drop_addresses(splits)
    _drop_lone_ones(splits)
    _mark_codes(splits)


def _gather_codes(splits: Sequence[Split]) -> None:
    """A code with a number that several names begin with is a machine's, whatever its letters mean: ``GB1_IL1``."""
    found = {}
    measured = _measured_codes(splits)
    for split in splits:
        code = lexicon().machine_code.match(split.text, max(split.parent, split.begin))
        if code is None or not split.words:
            continue
        said = lexicon().loop.fullmatch(code[0]) or any(map(_is_said, words_of(code[0])))
        if code[0] in measured or not said:
            found[id(split)] = code.end()
    counts = Counter(split.text[split.begin : found[id(split)]] for split in splits if id(split) in found)
    for split in splits:
        end = found.get(id(split), 0)
        if end and counts[split.text[split.begin : end]] >= _LEAST_ALIKE:
            split.boundary = max(split.boundary, end)


def _measured_codes(splits: Sequence[Split]) -> set[str]:
    """Short codes of which several quantities are measured: LT12 is then no loop, BR1 no phases, HTR1 no heater."""
    rests: dict[str, set[str]] = {}
    for split in splits:
        code = lexicon().machine_code.match(split.text, max(split.parent, split.begin))
        short = code is not None and sum(map(str.isalpha, code[0])) <= _MOST_LETTERS
        if code is not None and short and not any(map(_is_phase, words_of(code[0]))):
            rests.setdefault(code[0], set()).update(_quantity(words_of(split.text[code.end() :].strip(SEPARATORS))))
    return {code for code, quantities in rests.items() if len(quantities) >= _LEAST_QUANTITIES}


def _quantity(words: Sequence[Word]) -> set[str]:
    """The quantity that words say, where they say but one."""
    said = {sense.aspects["quantity"] for word in words for sense in word.senses if "quantity" in sense.aspects}
    return said if len(said) == 1 else set()


def _mark_codes(splits: Sequence[Split]) -> None:
    """Machines of which several quantities are measured are none of the loops that their codes may look like."""
    quantities: dict[str, set[str]] = {}
    for split in splits:
        quantities.setdefault(split.prefix, set()).update(_quantity(split.leaf))
    for split in splits:
        folder = _PATH_SEPARATOR.split(split.prefix)[-1]
        short = sum(map(str.isalpha, folder)) <= _MOST_LETTERS and lexicon().loop.fullmatch(folder) is not None
        split.coded = short and len(quantities[split.prefix]) >= _LEAST_QUANTITIES


def _gather_letters(splits: Sequence[Split]) -> None:
    """A letter behind a machine's word or number is the machine's where several quantities follow: ``POMPE_A_U12``."""
    ends: dict[int, int] = {}
    rests: dict[str, dict[str, set[str]]] = {}
    for split in splits:
        own = split.between(split.begin, split.boundary)
        letter = re.match(r"([\s_.-])[A-Za-z]\1(?=\w)", split.text[split.boundary - 1 :] if split.boundary else "")
        if letter is None or not own or not (own[-1].equipment or own[-1].digits):
            continue
        ends[id(split)] = end = split.boundary - 1 + letter.end()
        rest = [word for word in split.words if word.start >= end]
        quantities = {
            sense.aspects["quantity"] for word in rest[:1] for sense in word.senses if "quantity" in sense.aspects
        }
        rests.setdefault(split.text[split.begin : end], {})[split.text[end:]] = quantities
    for split in splits:
        end = ends.get(id(split), 0)
        found = list(rests.get(split.text[split.begin : end], {}).values()) if end else []
        if len(set().union(*found)) > 1 and sum(map(bool, found)) >= _LEAST_ALIKE:
            split.boundary = end


def _is_said(word: Word) -> bool:
    """Whether a word is no mere code: a phase such as L1, or longer than two letters."""
    return _is_phase(word) or (len(word.text) > _CODE and bool(word.senses))


def _is_phase(word: Word) -> bool:
    return word.may_say("phase") and not (word.letter or word.digits or word.text.isalpha())


def _gather_chunks(splits: Sequence[Split]) -> None:
    """A part of names that many share, with a number, is a machine as a whole: ``1号送水机`` of ``1号送水机_电流``."""
    ends = {}
    for split in splits:
        inside = 0 < split.boundary < len(split.text) and split.text[split.boundary - 1] not in SEPARATORS
        following = re.search(_SEPARATOR, split.text[split.boundary :]) if inside else None
        if following is not None and following.start():
            ends[id(split)] = split.boundary + following.start()
    counts = Counter(split.text[split.begin : ends[id(split)]] for split in splits if id(split) in ends)
    for split in splits:
        end = ends.get(id(split), 0)
        chunk = split.text[split.begin : end]
        if counts[chunk] >= _LEAST_ALIKE and re.search(r"\d", chunk):
            own = split.between(split.boundary, end)
            if any(word.equipment or not word.senses for word in own) and not any(map(_says_quantity, own)):
                split.boundary = end


def _says_quantity(word: Word) -> bool:
    return word.may_say("quantity") or any(sense.role for sense in word.senses)


def _gather_known(splits: Sequence[Split]) -> None:
    """A name that begins like a machine of the list is of that machine: ``M4_Tw`` beside ``M4_Ia`` and ``M4_Ib``."""
    counts = Counter(split.prefix for split in splits)
    known = _known_patterns(counts)
    for split in splits:
        if not split.words:
            continue  # a code
        ends = [
            split.begin + match.start()
            for match in re.finditer(_SEPARATOR, split.text[split.begin :])
            if split.begin + match.start() > split.boundary
        ]
        alike = [end for end in ends if _pattern(split.text[split.begin : end].strip(SEPARATORS)) in known]
        if alike:
            split.boundary = max(alike)


def _known_patterns(counts: Counter[str]) -> set[str]:
    """What machines with a number are called, of which there are several tags."""
    numbered = (prefix for prefix, count in counts.items() if count > 1)
    return {_pattern(prefix) for prefix in numbered if re.search(r"\d", re.split(_SEPARATOR, prefix)[-1])}


def _pattern(prefix: str) -> str:
    return re.sub(r"\d+", "#", prefix)


def _gather_points(splits: Sequence[Split]) -> None:
    """``PMP04.ACC_1.PV`` is a point of PMP04, as ``PMP04.FLOW.PV`` is, whatever the point is called."""
    machines = {split.prefix for split in splits if split.boundary < split.parent}
    for split in splits:
        if fold(split.text[split.parent :]) not in lexicon().attributes or split.boundary >= len(split.text):
            continue
        starts = [start for start in path_starts(split.text) if split.begin < start < split.parent]
        if starts and starts[-1] < split.boundary:
            above = split.text[split.begin : starts[-1]].strip(SEPARATORS)
            if above in machines and re.search(r"\d", _PATH_SEPARATOR.split(above)[-1]):
                split.boundary = starts[-1]


def _gather_extensions(splits: Sequence[Split]) -> None:
    """What is but a word longer than a machine's name is of that machine: ``P201_VFD:I`` of ``P201``.

    Not where several longer names measure the same: those are machines of their own.
    """
    machines = {split.prefix for split in splits if _is_machine(split, split.boundary)}
    patterns = set(map(_pattern, machines))
    found: dict[str, list[tuple[Split, int]]] = {}
    for split in splits:
        if split.prefix in machines:
            found.setdefault(split.prefix, []).append((split, split.boundary))
        for end in sorted(_cuts(split), reverse=True):
            base = split.text[split.begin : end].strip(SEPARATORS)
            rest = split.between(end, split.boundary)
            if any(word.equipment for word in rest) or re.search(r"\d", split.text[end : split.boundary]):
                break
            if _pattern(base) in patterns and _is_machine(split, end):
                found.setdefault(base, []).append((split, end))
                break
    for members in found.values():
        leaves = [leaf for split, _ in members if (leaf := split.text[split.boundary :].strip(SEPARATORS).lower())]
        if len(set(leaves)) == len(leaves):
            for split, end in members:
                split.boundary = end


def _is_machine(split: Split, end: int) -> bool:
    """Whether the last folder of a name's beginning has a number or a machine's word, and is no place of several."""
    name = split.text[split.begin : end].rstrip(SEPARATORS)
    start = max((match.end() for match in _PATH_SEPARATOR.finditer(name)), default=0)
    own = split.between(split.begin + start, end)
    if any(word.text in lexicon().places for word in own) or lexicon().host.fullmatch(name[start:]):
        return False
    return bool(re.search(r"\d", name[start:])) or any(word.equipment for word in own)


def _gather_parts(splits: Sequence[Split]) -> None:
    """``P2.Motor`` and ``P2.Pump`` are parts of the machine P2: folders without a number or name of their own."""
    parts: dict[str, dict[str, list[tuple[Split, int]]]] = {}
    for split in splits:
        for start in split.folders()[-1:]:
            above = split.text[split.begin : start].strip(SEPARATORS)
            own = split.between(start, split.boundary)
            named = _PATH_SEPARATOR.split(above)[-1]
            if own and re.search(r"\d", named) and all(word.equipment or _is_motor(word) for word in own):
                kind = "motor" if all(map(_is_motor, own)) else "other"
                parts.setdefault(above, {}).setdefault(kind, []).append((split, start))
    for kinds in parts.values():
        if len(kinds) > 1:
            for members in kinds.values():
                for split, start in members:
                    split.boundary = start


def _gather_folders(splits: Sequence[Split]) -> None:
    """Where ``press5/power`` only says what is measured of press5, its folder ``press5/iolink`` is none either."""
    machines = {split.prefix for split in splits if split.boundary < split.parent}
    for split in splits:
        starts = split.folders()
        if not starts:
            continue
        above = split.text[split.begin : starts[-1]].strip(SEPARATORS)
        own = split.between(starts[-1], split.boundary)
        if above in machines and re.search(r"\d", above) and not any(word.equipment or word.digits for word in own):
            split.boundary = starts[-1]
        elif len(starts) > 1 and not any(word.equipment or _is_motor(word) for word in own):
            named = split.between(starts[-2], starts[-1])
            if any(word.equipment and word.text not in lexicon().places for word in named) and named[-1].digits:
                split.boundary = starts[-1]  # pump-03/vvb1: a sensor of the pump


def _is_motor(word: Word) -> bool:
    return word.may_say("part", "motor")


def _gather_below_paths(splits: Sequence[Split]) -> None:
    """A name whose last segment begins with something unknown belongs to its path, unless others begin so too."""
    counts = Counter(split.prefix for split in splits)
    known = _known_patterns(counts)
    parents = Counter(split.text[split.begin : split.parent].strip(SEPARATORS) for split in splits)
    for split in splits:
        inside = split.begin <= split.parent < split.boundary
        parent = split.text[split.begin : split.parent].strip(SEPARATORS)
        if not inside or not parent or _pattern(split.prefix) in known:
            continue
        rest = split.text[split.parent : split.boundary]
        alone = counts[split.prefix] < 2 and (parents[parent] > 1 or not re.search(r"\d", rest))
        shared = counts[parent] > 1 and not re.search(r"\d", rest)
        if alone or shared:
            split.boundary = split.parent


def _gather_singles(splits: Sequence[Split]) -> None:
    """A prefix that no other name has is cut back to one that others have."""
    counts = Counter(split.prefix for split in splits)
    alike = _known_patterns(counts)
    chunks = Counter(shorter for split in splits for shorter in {split.text[split.begin : end] for end in _cuts(split)})
    for split in splits:
        by_path = split.begin < split.parent and split.boundary <= split.parent
        if not split.prefix or by_path or counts[split.prefix] > 1 or _pattern(split.prefix) in alike:
            continue
        known = [end for end in _cuts(split) if counts[split.text[split.begin : end].strip(SEPARATORS)]]
        shared = [
            end
            for end in _cuts(split)
            if chunks[split.text[split.begin : end]] > 1 and re.search(r"\d", split.text[split.begin : end])
        ]
        if known or shared:
            split.boundary = max(known or shared)


def _cuts(split: Split) -> list[int]:
    """Ends of shorter prefixes, at separators."""
    return [
        split.begin + match.start()
        for match in re.finditer(_SEPARATOR, split.text[split.begin : split.boundary].rstrip(SEPARATORS))
        if match.start()
    ]


def _drop_addresses(splits: Sequence[Split]) -> None:
    """Numbers that run through a list, one a name and each with another quantity, are registers and no machines."""
    alike: dict[str, list[Split]] = {}
    for split in splits:
        if split.prefix:
            alike.setdefault(re.sub(r"\d+", "#", split.prefix), []).append(split)
    registers = False
    for pattern, members in sorted(alike.items(), key=lambda entry: -len(entry[1])):
        leaves = {split.text[split.boundary :].strip(SEPARATORS).lower() for split in members}
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


def _drop_lone_ones(splits: Sequence[Split]) -> None:
    """Where other names say no machine, the beginning of a single one is none: ``IA_MAG`` beside ``PF_3PH``."""
    counts = Counter(split.prefix for split in splits)
    alike = Counter(re.sub(r"\d+", "#", prefix) for prefix in counts)
    nameless = counts[""] > 0
    most_nameless = counts[""] > _MOST_NAMELESS * len(splits)
    for split in splits:
        prefix = split.prefix
        lone = nameless and counts[prefix] == 1 and alike[re.sub(r"\d+", "#", prefix)] == 1
        lone = lone or (most_nameless and not re.search(r"\d", prefix))  # Total system power, beside Phase 1 current
        equipment = any(word.equipment for word in split.between(split.begin, split.boundary))
        if prefix and not equipment and (lone or (len(prefix) == 1 and prefix.isascii() and prefix.isalpha())):
            split.boundary = split.begin
