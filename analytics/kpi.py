"""Key performance indicators of groups of machines: sums of a period in, values with coverage out.

Every value comes with how much of the period was seen; below a floor there is no value, and the reason is
said. Time off-line counts neither for nor against anything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analytics.kpi_catalogue import DEFINITIONS, LEAST_COUNTED, Evidence, KpiDefinition
from historian import GROUP_KEYS, Connection, KpiAsk, KpiSums, count_machines, load_kpi_sums, whole_hours

_SECONDS_PER_H = 3600.0
_LEAST_SEEN_H = 1.0
_LEAST_COVERAGE = 0.05
# What lies before and after whole hours is looked up machine by machine: for so many of them, or where it matters.
_MOST_EXACT = 2_000
_SHORT = timedelta(days=2)
GROUPS = tuple(GROUP_KEYS)


@dataclass(frozen=True, slots=True)
class KpiValue:
    """One KPI: ``value`` is None where there is too little to say one, ``reason`` then says why.

    bound: the value is a lower bound (no failure was seen); n: what it rests on; coverage: share of the
    period that was seen; low, high: what the value could be, were the unseen time the worst or the best
    """

    key: str
    value: float | None
    unit: str
    coverage: float
    n: int
    bound: bool = False
    reason: str | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the values of a group rest on [machine hours]."""

    asked_h: float
    seen_h: float
    operating_h: float
    failures: int


@dataclass(frozen=True, slots=True)
class KpiGroup:
    """The KPIs of a site, line, template or machine in [start, end)."""

    key: str
    group_by: str
    machines: int
    currency: str
    start: datetime
    end: datetime
    exposure: Exposure
    values: list[KpiValue] = field(default_factory=list)


def coverage_of(needs: Evidence, sums: KpiSums) -> tuple[float, str | None]:
    """Share of the period that speaks to a KPI, and why that is too little (None: it is enough)."""
    asked = sums.asked_s / _SECONDS_PER_H
    seen = {"energy": sums.energy_s, "pieces": sums.counted_s}.get(needs, sums.seen_s) / _SECONDS_PER_H
    coverage = min(1.0, seen / asked) if asked > 0 else 0.0
    if needs == "none":
        return coverage, None
    if seen < _LEAST_SEEN_H or coverage < _LEAST_COVERAGE:
        what = {"energy": "with power measured", "pieces": "with pieces counted"}.get(needs, "seen")
        return coverage, f"not enough data: {seen:.1f} of {asked:.1f} machine hours {what}"
    if needs == "pieces" and sums.counted_s < LEAST_COUNTED * sums.operating_s:
        operating = sums.operating_s / _SECONDS_PER_H
        return coverage, f"not enough data: pieces counted in {seen:.1f} of {operating:.1f} operating hours"
    return coverage, None


def evaluate(definition: KpiDefinition, sums: KpiSums, currency: str = "") -> KpiValue:
    """The value of a KPI for sums over machines and time."""
    unit = definition.unit.replace("currency", currency or "mixed")
    coverage, reason = coverage_of(definition.needs, sums)
    if reason is not None:
        return KpiValue(definition.key, None, unit, coverage, 0, reason=reason)
    answer = definition.formula(sums)
    if answer.value is None or not math.isfinite(answer.value):
        # Machines do not add up over a series of many spans: see load_kpi_sums.
        unknown = answer.value is not None and math.isnan(answer.value)
        reason = "not counted over a long series" if unknown else "not enough data: nothing to divide by"
        return KpiValue(definition.key, None, unit, coverage, answer.n, reason=reason)
    return KpiValue(
        definition.key, answer.value, unit, coverage, answer.n, answer.bound, low=answer.low, high=answer.high
    )


def group_of(key: str, ask: KpiAsk, span: tuple[datetime, datetime], currency: str, sums: KpiSums) -> KpiGroup:
    """All KPIs of a group's sums."""
    exposure = Exposure(
        sums.asked_s / _SECONDS_PER_H,
        sums.seen_s / _SECONDS_PER_H,
        sums.operating_s / _SECONDS_PER_H,
        int(sums.failures),
    )
    values = [evaluate(entry, sums, currency) for entry in DEFINITIONS]
    return KpiGroup(key, ask.group_by, int(sums.machines), currency, *span, exposure, values)


async def compute_kpis(
    connection: Connection,
    *,
    start: datetime,
    end: datetime,
    site: str | None = None,
    machine: int | None = None,
    template: str | None = None,
    group_by: str = "site",
) -> list[KpiGroup]:
    """The KPIs of the tenant at work in [start, end), by site, line, template or machine.

    Of more than 2,000 machines at once a period longer than two days is widened to whole hours: the groups say so.

    Raises ``ValueError`` for a period that ends before it begins or an unknown grouping.
    """
    ask = KpiAsk(group_by, site, machine, template)
    return await compute_spans(connection, [await period_counted(connection, start, end, ask)], ask)


async def period_counted(
    connection: Connection, start: datetime, end: datetime, ask: KpiAsk
) -> tuple[datetime, datetime]:
    """The period that is counted where [start, end) is asked for: of many machines the whole hours that hold it."""
    if ask.group_by == "machine" or end - start <= _SHORT or await count_machines(connection, ask) <= _MOST_EXACT:
        return start, end
    return whole_hours(start, end)


async def compute_spans(
    connection: Connection, spans: Sequence[tuple[datetime, datetime]], ask: KpiAsk
) -> list[KpiGroup]:
    """The KPIs of several spans of time, groups in order and their spans in order.

    Raises ``ValueError`` for a span that ends before it begins or an unknown grouping.
    """
    if any(end <= start for start, end in spans):
        raise ValueError("the period ends before it begins")
    if ask.group_by not in GROUPS:
        raise ValueError(f"group_by must be one of {', '.join(GROUPS)}")
    rows = await load_kpi_sums(connection, spans, ask)
    return [group_of(row.key, ask, spans[row.span], row.currency, row.sums) for row in rows]
