"""One name divided: what stands for the machine, and the words that say what is measured."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from onboarding.lexicon import Sense, fold, lexicon
from onboarding.names import Word, path_starts, words_of

SEPARATORS = " _-./\\:|>!,;"


@dataclass(slots=True)
class Split:
    """A name and where it divides; the boundary moves as other names are looked at.

    begin: behind an address that stands before the name
    boundary: where the machine's name ends and what is measured begins
    parent: where the last path segment begins
    coded: whether the machine's name is known to be a code, whatever its letters mean
    """

    text: str
    words: tuple[Word, ...]
    begin: int
    boundary: int
    parent: int
    coded: bool = False

    @property
    def prefix(self) -> str:
        """What stands for the machine; empty where nothing does."""
        return self.text[self.begin : self.boundary].strip(SEPARATORS)

    @property
    def leaf(self) -> tuple[Word, ...]:
        """The words that say what is measured."""
        return tuple(word for word in self.words if word.start >= self.boundary)

    @property
    def doubt(self) -> str:
        """A word of the machine's name that says what is measured, so that it may be none of its name."""
        if self.coded:
            return ""
        start = max(start for start in path_starts(self.text) if start < max(self.boundary, 1))
        code = lexicon().machine_code.match(self.text, start)
        ends = code is not None and not self.text[code.end() : self.boundary].strip(SEPARATORS)
        if code is not None and ends and not lexicon().loop.fullmatch(code[0]):
            return ""
        for word in self.words:
            if _says_quantity(word) and max(start, self.begin) <= word.start < self.boundary:
                return word.text
        return ""

    def folders(self) -> list[int]:
        """Where the path segments of the machine's name begin; none where it ends within a segment."""
        borders = path_starts(self.text)
        return [start for start in borders if self.begin <= start < self.boundary] if self.boundary in borders else []

    def between(self, start: int, end: int) -> list[Word]:
        """The words of a piece of the name."""
        return [word for word in self.words if start <= word.start < end]


def divide(text: str) -> Split:
    """A name by itself; see :func:`onboarding.names.normalized` for what its text should be."""
    starts = path_starts(text)
    begin = 0
    parameter = lexicon().parameter.search(text) or lexicon().channel.search(text)
    if parameter is not None and re.search(r"\w", text[: parameter.start()]):
        if not text[parameter.end() :].strip(SEPARATORS):
            # The name ends in a number that only a manual explains: what stands before it is the machine.
            return Split(text, (), begin, parameter.start(), parameter.start())
        text = text[: parameter.start()] + " " * len(parameter[0]) + text[parameter.end() :]
    code = lexicon().plant_code.match(text)
    if code is not None:
        return Split(text, (), 0, code.end(), code.end())
    address = lexicon().address.match(text.lstrip(SEPARATORS))
    if address:
        begin = address.end() + len(text) - len(text.lstrip(SEPARATORS))
    words = tuple(word for word in words_of(text) if word.start >= begin)
    last = max((start for start in starts if text[start:].strip(SEPARATORS)), default=0)
    by_segment: dict[int, list[Word]] = {}
    for word in words:
        by_segment.setdefault(word.segment, []).append(word)
    segments = sorted(by_segment, reverse=True)
    if _is_attribute(by_segment, segments):
        segments = segments[1:]
    point = _measuring_point(text, starts)
    if point is not None and point >= begin:
        # What follows the point is an attribute: AI1/PV.CV says no phase.
        at = next((word.segment for word in words if word.start >= point), 0)
        words = tuple(word for word in words if word.segment <= at or any(sense.role for sense in word.senses))
        return Split(text, words, begin, point, point)
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
    return Split(text, words, begin, max(boundary, begin), max(last, begin))


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


def _measuring_point(text: str, starts: Sequence[int]) -> int | None:
    """Where a measuring point of a control system begins below a machine, as in ``MTR-301/TI-301.PV``; None if none."""
    ends = [*(start - 1 for start in starts[1:]), len(text)]
    for start, end in zip(starts, ends, strict=True):
        name = text[start:end].strip()
        last = end == len(text) or fold(text[end + 1 :]) in lexicon().attributes
        numbered = last or re.search(r"\d{3}", name) is not None
        if numbered and text[:start].strip(SEPARATORS) and lexicon().loop.fullmatch(name):
            return start
    return None


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
    return word.digits and len(word.text) > 1 and not word.may_say("phase")


def _strong(word: Word) -> bool:
    """Whether a word, not merely a letter, says what is measured or why nothing is."""
    soft = lexicon().soft
    return not (word.letter or word.digits or word.equipment) and any(
        sense.role or any(f"{aspect}:{value}" not in soft for aspect, value in sense.aspects.items())
        for sense in word.senses
    )


def _measure(words: Sequence[Word]) -> bool:
    return any(
        _strong(word) and (word.may_say("quantity") or any(sense.role for sense in word.senses)) for word in words
    )


def _says_quantity(word: Word) -> bool:
    return _strong(word) and all("quantity" in sense.aspects for sense in word.senses)


def _says_what(words: Sequence[Word]) -> bool:
    """Whether a whole path segment only says what is measured, as in ``Fan_1.Temp.Winding``."""
    soft = lexicon().soft

    def is_soft(sense: Sense) -> bool:
        return bool(sense.aspects) and all(f"{aspect}:{value}" in soft for aspect, value in sense.aspects.items())

    if any(map(_says_quantity, words)) and not any(word.digits or word.equipment for word in words):
        return True
    return all(word.explained and not word.digits for word in words) and any(
        not word.letter and not all(map(is_soft, word.senses)) for word in words
    )
