"""Names taken apart: into path segments, and into words of the lexicon with their place in the name."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from onboarding.lexicon import Lexicon, Sense, fold, lexicon

_PATH = re.compile(r"[./\\:|>!]")
_ATOM = re.compile(
    r"\d+|[\u3400-\u9fff]|#\d+|[A-ZÄÖÜ]+(?=[A-ZÄÖÜ][a-zäöüß])|[A-ZÄÖÜÀ-Þ]?[a-zäöüßà-ÿ]+|[A-ZÄÖÜÀ-Þ]+|[А-ЯЁ]?[а-яё]+|[^\W\d_\u3400-\u9fff]+"
)
# Type letters of PLC programmers (Hungarian notation) before a word that begins large.
_TYPE_LETTERS = frozenset(("st", "ar", "lr", "di", "ui", *"bxrfwnidsleag"))
_MOST_ATOMS = 7
_LONG = 3
_SHORTEST_ENDING = 4
_LONGEST_COMPOUND = 40
_UNIT_AT_END = re.compile(r"[\[(](?!\d+[\])])([^\[\]()]{1,12})[\])]\s*$")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a name: where it stands, and what it may mean (nothing known: no senses).

    segment: number of the path segment it is in
    """

    text: str
    start: int
    end: int
    segment: int
    senses: tuple[Sense, ...]
    equipment: bool = False

    @property
    def digits(self) -> bool:
        """Whether it is a number."""
        return self.text.isdecimal()

    @property
    def letter(self) -> bool:
        """Whether it is a single letter or digit, which may mean much."""
        return len(self.text) == 1 and self.text.isascii()

    @property
    def explained(self) -> bool:
        """Whether the lexicon knows it as more than a machine's name."""
        return bool(self.senses) and not self.equipment

    def may_say(self, aspect: str, value: str = "") -> bool:
        """Whether one of its senses has an aspect, such as ``quantity``; with a value, that of it."""
        return any(aspect in sense.aspects and value in {"", sense.aspects[aspect]} for sense in self.senses)


@dataclass(frozen=True, slots=True)
class _Atom:
    text: str
    start: int
    end: int


def normalized(text: str) -> str:
    """Full-width letters as plain ones, quotes and brackets of PLC paths as spaces; as long as it was, where possible.

    >>> normalized('"DB"."M01"')
    ' DB . M01 '
    """
    plain = "".join(
        folded if len(folded := unicodedata.normalize("NFKC", mark)) == 1 else mark for mark in text.replace("℃", "C")
    )
    return re.sub(r"[\"'`\x00-\x1f]", " ", plain)


def without_unit(text: str) -> str:
    """A name without the unit in brackets at its end, as long as it was.

    >>> without_unit("Power [kW]")
    'Power     '
    """
    ending = _UNIT_AT_END.search(text)
    if ending is None or not ending[1].strip() or lexicon().unit(ending[1]) is None:
        return text
    return text[: ending.start()] + " " * (len(text) - ending.start())


def unit_at_end(text: str) -> str:
    """The unit in brackets at the end of a name; empty where there is none."""
    ending = _UNIT_AT_END.search(text)
    return ending[1].strip() if ending is not None and without_unit(text) != text else ""


def path_starts(text: str) -> list[int]:
    """Where path segments begin.

    >>> path_starts("Plant/M1.Temp")
    [0, 6, 9]
    """
    return [0, *(match.end() for match in _PATH.finditer(text))]


@lru_cache(maxsize=20_000)
def words_of(text: str) -> tuple[Word, ...]:
    """The words of a name; see :func:`normalized` for what its text should be."""
    words = lexicon()
    found: list[Word] = []
    starts = [*path_starts(text), len(text) + 1]
    for segment, (start, following) in enumerate(pairwise(starts)):
        atoms = list(_atoms(text, start, min(following, len(text))))
        place = 0
        while place < len(atoms):
            place += _take(text, atoms, place, segment, words, found)
    return tuple(_joined(_pairs(found)))


def _pairs(found: list[Word]) -> list[Word]:
    """Two phases with one separator between them are a pair: ``UL1-L2`` is u + l1l2."""
    words = lexicon()
    result: list[Word] = []
    for word in found:
        last = result[-1] if result else None
        if last is not None and len(last.text) == 2 == len(word.text) and word.start - last.end <= 1:
            senses = words.senses(last.text + word.text)
            if any("phase" in sense.aspects for sense in senses):
                result[-1] = Word(last.text + word.text, last.start, word.end, last.segment, senses)
                continue
        result.append(word)
    return result


def _atoms(text: str, start: int, end: int) -> Iterator[_Atom]:
    matches = list(_ATOM.finditer(text, start, end))
    for number, match in enumerate(matches):
        opens_chunk = match.start() == start or not text[match.start() - 1].isalnum()
        follower = matches[number + 1] if number + 1 < len(matches) else None
        if (
            match[0] in _TYPE_LETTERS
            and opens_chunk
            and follower is not None
            and follower.start() == match.end()
            and len(follower[0]) >= _LONG
            and follower[0][0].isupper()
        ):
            continue
        yield _Atom(match[0], match.start(), match.end())


def _take(text: str, atoms: list[_Atom], place: int, segment: int, words: Lexicon, found: list[Word]) -> int:
    """Add the longest known word that begins here, or the atom as unknown; how many atoms that took."""
    first = atoms[place]
    for length in range(min(_MOST_ATOMS, len(atoms) - place), 0, -1):
        last = atoms[place + length - 1]
        folded = fold(text[first.start : last.end])
        if len(folded) > words.longest:
            continue
        if length > 1 and _ends_a_number(text, first) and not text[first.start : last.end].isalnum():
            continue  # dev3_I0 is no 3I0
        apart = length > 1 and _is_letter(last) and len(atoms[place + length - 2].text) >= _LONG
        if apart and not words.ends_in_a_letter(folded):
            continue  # Phase S is phase S, and Cur_R current R: neither phases nor curr
        if length == 1 and _begins_a_compound(text, atoms, place):
            break  # PFsys is pf + sys, whatever letters are large
        senses, equipment = words.senses(folded), folded in words.equipment
        if senses or equipment:
            found.append(Word(folded, first.start, last.end, segment, senses, equipment))
            return length
    for length in range(min(_MOST_ATOMS, len(atoms) - place), 0, -1):
        last = atoms[place + length - 1]
        run = text[first.start : last.end]
        folded = fold(run)
        if not run.isalnum() or "\u3400" <= max(folded) <= "\u9fff":
            continue
        parts = _compound(folded)
        if parts:
            start = first.start
            for part in parts:
                # Where folding made it longer, all parts stand where the run stands.
                end = start + len(part) if len(folded) == len(run) else last.end
                found.append(Word(part, start, end, segment, words.senses(part)))
                start = end if len(folded) == len(run) else start
            return length
    found.append(Word(fold(first.text), first.start, first.end, segment, ()))
    return 1


def _ends_a_number(text: str, atom: _Atom) -> bool:
    return atom.text.isdecimal() and atom.start > 0 and text[atom.start - 1].isalnum()


def _begins_a_compound(text: str, atoms: list[_Atom], place: int) -> bool:
    first, following = atoms[place], atoms[place + 1] if place + 1 < len(atoms) else None
    if following is None or not _is_letter(first) or following.start != first.end or len(following.text) < _LONG:
        return False
    if lexicon().senses(fold(following.text)):
        return False
    parts = _compound(fold(text[first.start : following.end]))
    return bool(parts) and len(parts[0]) > 1


def _is_letter(atom: _Atom) -> bool:
    return len(atom.text) == 1 and atom.text.isascii() and atom.text.isalpha()


@lru_cache(maxsize=20_000)
def _compound(run: str) -> tuple[str, ...]:
    """A run of letters as known words: ``uab`` is u + ab, ``wicklungstemp`` wicklung + temp; empty where it is none."""
    words = lexicon()
    if len(run) > _LONGEST_COMPOUND:
        return ()

    def has(part: str, aspect: str) -> bool:
        return any(aspect in sense.aspects for sense in words.senses(part))

    # One letter for a quantity before its phase: Ia, Uab, IL1, U12; or for its unit: AL1, VL1L2.
    if has(run[:1], "quantity") and has(run[1:], "phase") and run[:1] in "iuve":
        return run[0], run[1:]
    if run[:1] in "aw" and run[1:2] == "l" and has(run[1:], "phase"):
        return run[0], run[1:]
    long = [part for part in (run[1:],) if len(part) >= _LONG and words.senses(part)]
    if long and has(run[:1], "quantity"):
        return run[0], run[1:]
    head = run[:-1]
    if run[-1] in "uvwabc" and len(head) >= _LONG and (has(head, "quantity") or has(head, "part")):
        return head, run[-1]
    best: dict[int, tuple[str, ...]] = {0: ()}
    for end in range(2, len(run) + 1):
        for start in range(end - 1):
            part = run[start:end]
            if start not in best or not words.senses(part) or part.isdigit():
                continue
            if len(part) == 2 and len(run) > 4 and not (start == 0 or end == len(run)):
                continue
            split = (*best[start], part)
            if end not in best or len(split) < len(best[end]):
                best[end] = split
            # German joins words by an s.
            if len(part) >= 4 and run[end : end + 1] == "s" and end + 1 not in best:
                best[end + 1] = split
    parts = best.get(len(run), ())
    if sum(len(part) == 2 for part in parts) > 1 and (len(run) > 4 or all(has(part, "phase") for part in parts)):
        return ()
    return parts or _with_unknown_head(run)


def _with_unknown_head(run: str) -> tuple[str, ...]:
    """``flaschenzaehler`` as flaschen + zaehler: what a compound is, its last part says, if that is a long word."""
    words = lexicon()
    for start in range(_LONG, len(run) - _SHORTEST_ENDING + 1):
        ending = run[start:]
        senses = words.senses(ending)
        if ending in words.equipment or not senses:
            continue
        if any(sense.role or (len(ending) > _SHORTEST_ENDING and "quantity" in sense.aspects) for sense in senses):
            return run[:start], ending
    return ()


def _joined(found: list[Word]) -> Iterator[Word]:
    """Unknown Chinese characters that touch are one word."""
    held: Word | None = None
    for word in found:
        if held is not None and not word.senses and not word.equipment and word.start == held.end and _chinese(word):
            held = Word(held.text + word.text, held.start, word.end, word.segment, ())
            continue
        if held is not None:
            yield held
        held = word if not word.senses and not word.equipment and _chinese(word) else None
        if held is None:
            yield word
    if held is not None:
        yield held


def _chinese(word: Word) -> bool:
    return not word.text.isascii()
