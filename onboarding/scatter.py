"""A machine taken apart by mistake: many machines with one signal each, and each another one, are asked about."""

from collections.abc import Sequence
from dataclasses import replace

from onboarding.items import Item

_LEAST_LONE = 4
_MOST_ALIKE = 0.75


def asked_if_scattered(items: Sequence[Item]) -> list[Item]:
    """Items of a list; a signal that is its machine's only one is a question where most are so and differ."""
    signals: dict[str, list[str]] = {}
    for item in items:
        if item.signal is not None:
            signals.setdefault(item.machine, []).append(item.signal)
    lone = {machine: own[0] for machine, own in signals.items() if len(own) == 1}
    different = len(set(lone.values()))
    if len(lone) < _LEAST_LONE or 2 * len(lone) <= len(signals) or different < _MOST_ALIKE * len(lone):
        return list(items)
    return [_asked(item) if item.signal is not None and item.machine in lone else item for item in items]


def _asked(item: Item) -> Item:
    reason = f"{item.reason}; but it would be the only signal of {item.machine}, as others have one each: are they one?"
    return replace(item, signal=None, ask=True, confidence=min(item.confidence, 0.5), reason=reason)
