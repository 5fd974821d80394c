"""How many tags are proposed rightly: lists of tags with the right answers beside them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brain.failure import Failure
from onboarding import Item, Tag, TagListError, propose, read_tag_list, tag_rows

GROUPS = ("tuning", "held_out")
_ANSWERS = ("machine", "template", "signal", "factor", "offset")


@dataclass(frozen=True, slots=True)
class Expected:
    """The right answer; ``signals`` are those that are right: ``-`` for none, ``ask`` for a question."""

    machine: str
    template: str
    signals: tuple[str, ...]
    factor: float
    offset: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """An item against its right answer: right, asked or wrong."""

    name: str
    verdict: str
    expected: str
    got: str
    reason: str


def bench_onboarding(data: Path) -> dict[str, Any]:
    """Shares right, asked and confidently wrong of the lists of each group, and every tag that is not right."""
    found = {group: sorted((data / group).glob("*.csv")) for group in GROUPS}
    if not any(found.values()):
        raise Failure(f"no tag lists below {data}: name the folder that holds {' and '.join(GROUPS)} with --data")
    return {group: _group(paths) for group, paths in found.items() if paths}


def _group(paths: Sequence[Path]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    misses = []
    for path in paths:
        for verdict in judge_list(path):
            counts[verdict.verdict] += 1
            if verdict.verdict != "right":
                misses.append({"list": path.stem, **{key: getattr(verdict, key) for key in Verdict.__slots__}})
    tags = counts.total()
    return {
        "lists": len(paths),
        "tags": tags,
        "right": counts["right"],
        "asked": counts["asked"],
        "confidently_wrong": counts["wrong"],
        "right_share": counts["right"] / tags,
        "asked_share": counts["asked"] / tags,
        "confidently_wrong_share": counts["wrong"] / tags,
        "misses": misses,
    }


def judge_list(path: Path) -> list[Verdict]:
    """Every tag of a list, judged; :class:`Failure` naming file and row where the list is broken."""
    content = path.read_bytes()
    try:
        tags = read_tag_list(content)
        expected = [_expected(row) for _, row in tag_rows(content)]
    except (TagListError, KeyError, ValueError) as problem:
        raise Failure(f"{path}: {problem}: a list needs the columns {', '.join(_ANSWERS)}") from problem
    return judge(tags, expected)


def judge(tags: Sequence[Tag], expected: Sequence[Expected]) -> list[Verdict]:
    """Proposals against the right answers; machines count by who belongs together, not by their names."""
    items = propose(tags)
    names = _machine_names(items, expected)
    return [
        Verdict(
            tag.name,
            _verdict(item, answer, names),
            "/".join(answer.signals),
            "ask" if item.ask else item.signal or "-",
            item.reason,
        )
        for tag, item, answer in zip(tags, items, expected, strict=True)
    ]


def _expected(row: dict[str, str]) -> Expected:
    return Expected(
        row["machine"],
        row["template"],
        tuple(row["signal"].split("/")),
        float(row["factor"] or 1),
        float(row["offset"] or 0),
    )


def _machine_names(items: Sequence[Item], expected: Sequence[Expected]) -> dict[str, str]:
    """The proposed name of each true machine: the commonest among its signals, each name once."""
    pairs = Counter(
        (answer.machine, item.machine) for item, answer in zip(items, expected, strict=True) if answer.signals != ("-",)
    )
    names: dict[str, str] = {}
    for (true, proposed), _ in pairs.most_common():
        if true not in names and proposed not in names.values():
            names[true] = proposed
    return names


def _verdict(item: Item, answer: Expected, names: dict[str, str]) -> str:
    if item.ask:
        return "right" if "ask" in answer.signals else "asked"
    if item.signal is None:
        return "right" if "-" in answer.signals else "wrong"
    right = (
        item.signal in answer.signals
        and item.template == answer.template
        and math.isclose(item.factor, answer.factor, rel_tol=1e-9)
        and math.isclose(item.offset, answer.offset, rel_tol=1e-9, abs_tol=1e-12)
        and item.machine == names.get(answer.machine)
    )
    return "right" if right else "wrong"
