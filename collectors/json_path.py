"""Where in a JSON payload something stands: the singular queries of RFC 9535 (2.3.5.1), and three short cuts.

``$.a.b[0]['c d']`` starts at the message, ``a.b`` at the record at hand, ``^a.b`` at the record around it (``^^`` at
the one around that), and ``@key`` is the name under which a record stands. A name of letters (of any language),
digits, ``_`` and ``-`` needs no quotes; ``[-1]`` is the last. There are no wildcards and filters: a path leads to
one value, and lists are walked by the mapping's ``each``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_STEP = re.compile(
    r"""(?P<dot>\.)?(?P<name>[\w-]+)
    |\[(?P<index>0|-?[1-9][0-9]{0,8})\]
    |\[(?P<quote>['"])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\])*)(?P=quote)\]""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_KEY = "@key"


class _Missing:
    """Nothing stands there; JSON's null does stand there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class PathError(ValueError):
    """A path is not one; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A record a path may start at.

    content: parsed JSON
    key: name or index under which it stands; "" for a message as a whole
    location: steps that lead to it from the message
    """

    content: Any
    key: str | int = ""
    location: tuple[str | int, ...] = ()


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path, taken apart once.

    levels: how many records outwards it starts; None: at the message
    is_key: the name of a record is meant, not what stands in it
    """

    text: str
    levels: int | None
    steps: tuple[str | int, ...]
    is_key: bool = False

    def find(self, frames: Sequence[Frame]) -> Any:
        """What stands there, or ``MISSING``; ``frames`` are the records from the message inwards."""
        frame = frames[0] if self.levels is None else frames[-1 - self.levels]
        if self.is_key:
            return frame.key
        found = frame.content
        for step in self.steps:
            if type(step) is str:
                if type(found) is not dict or step not in found:
                    return MISSING
                found = found[step]
            elif type(found) is list and isinstance(step, int) and -len(found) <= step < len(found):
                found = found[step]
            else:
                return MISSING
        return found

    def location(self, frames: Sequence[Frame]) -> tuple[str | int, ...]:
        """Steps from the message to what the path leads to."""
        frame = frames[0] if self.levels is None else frames[-1 - self.levels]
        return frame.location if self.is_key else (*frame.location, *self.steps)


def json_path(text: str) -> JsonPath:
    """Take a path apart; raises :class:`PathError`.

    >>> json_path("$.a.b[0]['c d']").steps
    ('a', 'b', 0, 'c d')
    """
    rest = text.lstrip("^")
    levels: int | None = len(text) - len(rest)
    if rest == _KEY:
        return JsonPath(text, levels, (), is_key=True)
    if rest.startswith("$"):
        if levels:
            raise PathError(f"path {text!r}: $ is the whole message, there is nothing around it")
        levels, rest = None, rest[1:]
    steps: list[str | int] = []
    place = 0
    while place < len(rest):
        found = _STEP.match(rest, place)
        # A dot stands before every plain name but the first of a path without $.
        is_first = place == 0 and levels is not None
        if found is None or (found["name"] is not None and (found["dot"] is None) != is_first):
            raise PathError(
                f"path {text!r} cannot be read from {rest[place:]!r} on: write $.a.b[0]['c d'] or a.b; "
                "lists are walked with `each`, there are no wildcards"
            )
        if found["name"] is not None:
            steps.append(found["name"])
        elif found["index"] is not None:
            steps.append(int(found["index"]))
        else:
            steps.append(_ESCAPED.sub(r"\1", found["quoted"]))
        place = found.end()
    if not steps and levels is not None and not levels:
        raise PathError("a path must not be empty: $ is the whole message")
    return JsonPath(text, levels, tuple(steps))


def written(location: Sequence[str | int]) -> str:
    """A location as a path that :func:`json_path` reads back."""
    parts = ["$"]
    for step in location:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif re.fullmatch(r"[\w-]+", step):
            parts.append(f".{step}")
        else:
            parts.append("['" + re.sub(r"(['\\])", r"\\\1", step) + "']")
    return "".join(parts)
