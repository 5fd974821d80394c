"""When planned work is due, and when a spare part must be ordered. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from historian import Plan, SparePart


@dataclass(frozen=True, slots=True)
class Due:
    """How far a plan is used up (1: due now), and since or until when by the calendar (None: by running hours)."""

    used: float
    due_at: datetime | None

    @property
    def is_due(self) -> bool:
        """Whether the work should be done now."""
        return self.used >= 1


def due(plan: Plan, now: datetime) -> Due:
    """Whichever comes first: days since it was done, or hours the machine has run since."""
    used, due_at = 0.0, None
    if plan.every_days is not None:
        every = timedelta(days=plan.every_days)
        due_at = plan.since + every
        used = (now - plan.since) / every
    if plan.every_running_h is not None:
        used = max(used, plan.running_h / plan.every_running_h)
    return Due(used, due_at)


@dataclass(frozen=True, slots=True)
class Ordering:
    """Whether to order a part now, by when, and why."""

    order_now: bool
    order_by: datetime | None
    reason_en: str
    reason_zh: str


def ordering(part: SparePart, now: datetime) -> Ordering:
    """Stock against its minimum, and what findings ask for against the time that a delivery takes."""
    short = part.wanted > part.stock
    order_by = part.needed_by - timedelta(days=part.lead_time_days) if short and part.needed_by is not None else None
    if order_by is not None and order_by <= now:
        return Ordering(True, order_by, "needed sooner than a later order would arrive", "若不立即订购将赶不上所需时间")
    if short and part.needed_by is None:
        return Ordering(True, None, "findings ask for more than there is", "诊断所需数量超过库存")
    if part.stock < part.minimum:
        return Ordering(True, order_by, "stock is below its minimum", "库存低于最低量")
    return Ordering(False, order_by, "", "")
