"""What may be but a part of a machine: the only signal of one, which another machine of the list may be lacking."""

import re
from collections.abc import Sequence
from dataclasses import replace

from onboarding.division import SEPARATORS
from onboarding.items import Item
from onboarding.matching import Evidence, profile
from onboarding.names import words_of
from plant import template_library

_DRIVEN = frozenset({"part:driven", "part:gearbox"})
_PLACES = ("phase", "end")


def asked_if_fragment(seen: Sequence[Evidence], items: Sequence[Item], paths: Sequence[str]) -> list[Item]:
    """Items of a list; asked about is what one other tag would have to confirm, and none does.

    The only signal of a machine, where that stands in the path of a machine that lacks it (``CR01`` and ``CR01_E300``),
    where a machine alike has the same quantity at another place (DE of ``port1``, NDE of ``port2``), or where it alone
    says a template that the list has no use for else; and what is measured at an end of a driven part.

    paths: of each item the part of its name, with its folders, that stands for the machine; empty where none does
    """
    signals: dict[str, set[str]] = {}
    for item in items:
        if item.signal is not None:
            signals.setdefault(item.machine, set()).add(item.signal)
    known = {item.machine: (path, item.template) for item, path in zip(items, paths, strict=True)}
    plain = {template for machine, (_, template) in known.items() if len(signals.get(machine, ())) > 1}
    result = []
    for one, item, path in zip(seen, items, paths, strict=True):
        reason = ""
        if item.signal is not None:
            others = {
                other: (its, signals[other])
                for other, (its, template) in known.items()
                if other != item.machine and other in signals and template == item.template
            }
            lone = len(signals[item.machine]) == 1
            if lone and path and plain:
                reason = _nested(item, path, others)
            if lone and not reason:
                reason = _alike(item, path, others)
            if lone and not reason and plain and item.template not in plain:
                reason = "alone it says what kind of machine that is, and the list is of another: is it?"
            reason = reason or ("" if one.of_motor else _driven(item, path))
        result.append(_asked(item, reason) if reason else item)
    return result


def _nested(item: Item, path: str, others: dict[str, tuple[str, set[str]]]) -> str:
    for other, (its, signals) in others.items():
        short, long = sorted((path, its), key=len)
        inside = bool(short) and long.startswith(short) and long[len(short) : len(short) + 1] in SEPARATORS
        if inside and item.signal not in signals:
            return f"it would be the only signal of {item.machine}, and {other} has none: is it of {other}?"
    return ""


def _alike(item: Item, path: str, others: dict[str, tuple[str, set[str]]]) -> str:
    own = _meant(item.template, item.signal)
    for other, (its, signals) in others.items():
        if len(signals) > 1 or _pattern(its) != _pattern(path):
            continue
        wanted = _meant(item.template, next(iter(signals)))
        places = [aspect for aspect in _PLACES if own.get(aspect) != wanted.get(aspect)]
        if places and all(own.get(aspect) == wanted.get(aspect) for aspect in own.keys() - set(_PLACES)):
            return f"it would be the only signal of {item.machine}, and another of {other}: are they one machine?"
    return ""


def _driven(item: Item, path: str) -> str:
    if "end" not in _meant(item.template, item.signal):
        return ""
    words = words_of(re.split(r"[./\\:|>!]+", path)[-1])
    if any(word.digits or word.may_say("part", "motor") for word in words):
        return ""  # PMP04 has a motor
    for word in words:
        meant = {f"{aspect}:{value}" for sense in word.senses for aspect, value in sense.aspects.items()}
        if meant & _DRIVEN:
            return f"'{word.text}' in {item.machine} is what a motor drives: is it the motor's?"
    return ""


def _meant(template: str | None, signal: str | None) -> dict[str, str]:
    if template is None or signal is None:
        return {}
    return profile(next(one for one in template_library()[template].signals if one.key == signal))


def _pattern(path: str) -> str:
    return re.sub(r"\d+", "#", path)


def _asked(item: Item, question: str) -> Item:
    reason = f"{item.reason}; but {question}"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)
