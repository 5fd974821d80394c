"""Why a tag is no signal whatever its quantity: its words say a set value, a limit, an alarm ..."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from onboarding.lexicon import fold, lexicon
from onboarding.matching import Evidence, Fit
from onboarding.names import Word

_SHORT = 4
# Of several roles of a name the one that says least: Status/Faulted is a fault.
_VAGUE = "state"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a name is no signal; ``word`` says so, ``role`` is the key of its role; empty without one."""

    reason: str
    role: str = ""
    word: str = ""


def refusal_of(said: Sequence[Word], seen: Evidence, best: Fit | None) -> Refusal | None:
    """Why a name is no signal whatever its quantity: a set value, a limit, an alarm ..."""
    words = lexicon()
    used = best.used if best is not None else set()
    meant = {f"{a}:{v}" for word in seen.words for sense in word.senses for a, v in sense.aspects.items()}
    measured = best is not None and bool(best.used) and seen.unit.written != "" and not best.wrong_unit
    vague: Refusal | None = None
    for word in said:
        if word.text in used:
            continue
        for sense in word.senses:
            role = words.roles.get(sense.role)
            if role is None or set(role.unless) & meant or (role.yields_to_unit and measured):
                continue
            refusal = Refusal(f"'{word.text}' says {role.means}", sense.role, word.text)
            if sense.role != _VAGUE:
                return refusal
            vague = vague or refusal
    return vague or (Refusal("a text, not a number") if seen.data_type == "text" else None)


def is_short_for(word: str, description: str) -> bool:
    """Whether a description spells a short word out: ``REF`` of pression refoulement, ``SP`` of strona przeciwna."""
    said = [fold(part) for part in re.findall(r"[^\W\d_]+", description)]
    begun = any(part.startswith(word) and len(part) > len(word) for part in said)
    return word.isascii() and 1 < len(word) <= _SHORT and (begun or word in "".join(part[:1] for part in said))
