"""Phases that but a letter or number says, in a list where no other tag is another phase: it may mean anything."""

from collections.abc import Sequence
from dataclasses import replace

from onboarding.items import Item
from onboarding.lexicon import fold
from onboarding.matching import Evidence, profile
from plant import template_library


def asked_if_lone(seen: Sequence[Evidence], items: Sequence[Item]) -> list[Item]:
    """Items of a list; ``AI-3 current`` is a question, beside the currents of phases 1 and 2 it is phase 3's."""
    meant = [_meant(item) for item in items]
    phases: dict[str, set[str]] = {}
    for wanted in meant:
        if "phase" in wanted:
            phases.setdefault(wanted["quantity"], set()).add(wanted["phase"])
    return [
        _asked(item)
        if len(phases.get(wanted.get("quantity", ""), ())) == 1 and _is_but_a_letter(one, item, wanted.get("phase", ""))
        else item
        for one, item, wanted in zip(seen, items, meant, strict=True)
    ]


def _meant(item: Item) -> dict[str, str]:
    """What is said to be measured by an item that is a signal; empty of others."""
    if item.signal is None or item.template is None:
        return {}
    return profile(next(one for one in template_library()[item.template].signals if one.key == item.signal))


def _is_but_a_letter(seen: Evidence, item: Item, phase: str) -> bool:
    if "".join(word.text for word in seen.leaf) == fold(item.signal or ""):
        return False
    said = [word for word in seen.words if word.may_say("phase", phase)]
    return bool(said) and bool(phase) and all(word.letter for word in said)


def _asked(item: Item) -> Item:
    reason = f"{item.reason}; but no other tag is of another phase: does that letter or number say one?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)
