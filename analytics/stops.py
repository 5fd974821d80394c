"""Stops told apart: the phases of one, and the Pareto of many. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from historian import StopShare
from plant import branch_of, reason_tree

PHASES = ("detect", "notify", "respond", "repair", "restart")
# Shorter stops are counted apart: nobody gives a reason to each of them.
MICRO_STOP_S = 300.0
UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a stop [s]; of several phases where nobody noted the moment between them."""

    names: tuple[str, ...]
    seconds: float


def phases(start: datetime, end: datetime, marks: Sequence[datetime | None]) -> list[Phase]:
    """A stop in its phases, without gap or overlap: detect, notify, respond, repair, restart.

    marks: detected, notified, responded, repaired; where one is None the phases around it are one
    """
    found, names, since = [], [], start
    for name, until in zip(PHASES, [*marks, end], strict=True):
        names.append(name)
        if until is not None:
            found.append(Phase(tuple(names), (min(until, end) - since).total_seconds()))
            names, since = [], min(until, end)
    return found


@dataclass(frozen=True, slots=True)
class ParetoRow:
    """Unplanned stops of one reason, largest first. share: of all unplanned hours; running: shares added up."""

    reason: str
    branch: str
    name_en: str
    name_zh: str
    stops: int
    hours: float
    cost: float
    share: float
    running: float


def pareto(shares: Sequence[StopShare]) -> list[ParetoRow]:
    """Reasons by the hours they cost; micro-stops and stops without a reason are rows of their own."""
    total = sum(share.hours for share in shares)
    rows: list[ParetoRow] = []
    reached = 0.0
    for share in sorted(shares, key=lambda entry: (-entry.hours, entry.reason)):
        reached += share.hours
        reason = reason_tree().get(share.reason)
        names = _OTHERS.get(share.reason, (share.reason, share.reason))
        rows.append(
            ParetoRow(
                share.reason,
                branch_of(share.reason) if reason else share.reason,
                reason.name_en if reason else names[0],
                reason.name_zh if reason else names[1],
                share.stops,
                share.hours,
                share.cost,
                share.hours / total if total else 0.0,
                reached / total if total else 0.0,
            )
        )
    return rows


_OTHERS = {UNEXPLAINED: ("No reason given yet", "原因未填"), "micro_stop": ("Micro-stops", "短停机")}
