"""Key performance indicators: definitions as data, formulas as pure functions of what a period held.

Every value comes with how much of the period was seen; below a floor there is no value, and the reason is
said. Time off-line counts neither for nor against anything.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from scipy.stats import chi2

from historian import Connection, KpiMachine, load_kpi_machines

_SECONDS_PER_H = 3600.0
_LEAST_SEEN_H = 1.0
_LEAST_COVERAGE = 0.05
_OPERATING = ("running", "idle", "starting")
GROUPS = ("site", "line", "template", "machine")


@dataclass(frozen=True, slots=True)
class Period:
    """Sums over some machines in a period [h]; costs in ``currency`` (empty where they differ).

    asked: machine hours of the whole period; seen: of those, with data; operating: running, idle, starting
    """

    machines: int
    asked: float
    seen: float
    operating: float
    planned: float
    unplanned: float
    failures: int
    repair: float
    downtime_cost: float
    maintenance_cost: float
    networked: int
    currency: str

    @property
    def planned_busy(self) -> float:
        """Time seen in which the machines were meant to run (ISO 22400-2: planned busy time)."""
        return max(0.0, self.seen - self.planned)


@dataclass(frozen=True, slots=True)
class KpiValue:
    """One KPI: ``value`` is None where there is too little to say one, ``reason`` then says why.

    bound: the value is a lower bound (no failure was seen); n: what it rests on; coverage: share of the
    period that was seen
    """

    key: str
    value: float | None
    unit: str
    coverage: float
    n: int
    bound: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class KpiGroup:
    """The KPIs of a site, line, template or machine."""

    key: str
    group_by: str
    machines: int
    currency: str
    values: list[KpiValue] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KpiDefinition:
    """What a KPI is, for people and for the computation.

    formula: (value, n, bound) of a period; needs_time: whether it says nothing without observed time
    """

    key: str
    unit: str
    name_en: str
    name_zh: str
    text_en: str
    text_zh: str
    standard: str
    formula: Callable[[Period], tuple[float | None, int, bool]]
    needs_time: bool = True


def mtbf_lower_bound(operating_h: float, failures: int, confidence: float = 0.95) -> float:
    """One-sided lower bound of the mean time between failures, MTBF >= 2 T / chi2(confidence; 2 n + 2) [h]."""
    return float(2 * operating_h / chi2.ppf(confidence, 2 * failures + 2))


def _availability(period: Period) -> tuple[float | None, int, bool]:
    if period.planned_busy <= 0:
        return None, 0, False
    return max(0.0, 1 - period.unplanned / period.planned_busy), period.machines, False


def _mtbf(period: Period) -> tuple[float | None, int, bool]:
    if period.operating <= 0:
        return None, period.failures, False
    if period.failures == 0:
        return mtbf_lower_bound(period.operating, 0), 0, True
    return period.operating / period.failures, period.failures, False


def _mttr(period: Period) -> tuple[float | None, int, bool]:
    return (period.repair / period.failures if period.failures else None), period.failures, False


DEFINITIONS: tuple[KpiDefinition, ...] = (
    KpiDefinition(
        "availability", "1", "Availability", "可用率",
        "Share of the planned time seen in which the machines were not down unplanned.",
        "在可见的计划时间内，设备未发生非计划停机的比例。",
        "ISO 22400-2; SMRP 2.2", _availability,
    ),
    KpiDefinition(
        "mtbf", "h", "Mean time between failures", "平均无故障时间",
        "Operating time over failures; with no failure a lower bound at 95 % confidence.",
        "运行时间除以故障次数；无故障时给出95%置信度的下限。",
        "ISO 22400-2; SMRP 3.5.1", _mtbf,
    ),
    KpiDefinition(
        "mttr", "h", "Mean time to repair", "平均修复时间",
        "Mean length of the unplanned stops that began in the period.",
        "期内开始的非计划停机的平均时长。",
        "ISO 22400-2; SMRP 3.5.2", _mttr,
    ),
    KpiDefinition(
        "unplanned_downtime_h", "h", "Unplanned downtime", "非计划停机",
        "Hours in which machines that should run did not.",
        "应运行而未运行的小时数。",
        "SMRP 3.4", lambda period: (period.unplanned, period.failures, False),
    ),
    KpiDefinition(
        "planned_downtime_h", "h", "Planned downtime", "计划停机",
        "Hours of stops that the calendar or a person called planned.",
        "日历或人工标记为计划的停机小时数。",
        "SMRP 3.3", lambda period: (period.planned, period.machines, False),
    ),
    KpiDefinition(
        "unplanned_downtime_cost", "currency", "Cost of unplanned downtime", "非计划停机损失",
        "Unplanned hours of each machine times its cost per hour; apart from maintenance cost.",
        "每台设备非计划停机小时数乘以其小时损失；与维护成本分列。",
        "SMRP 3.4", lambda period: (period.downtime_cost, period.failures, False),
    ),
    KpiDefinition(
        "maintenance_cost", "currency", "Maintenance cost", "维护成本",
        "Labour and parts of the work orders closed in the period.",
        "期内完成工单的人工与备件费用。",
        "EN 15341; SMRP 5.1", lambda period: (period.maintenance_cost, period.machines, False), needs_time=False,
    ),
    KpiDefinition(
        "networked_share", "1", "Share of machines networked", "设备联网率",
        "Machines that sent anything in the period over all machines.",
        "期内有数据上传的设备占全部设备的比例。",
        "Zhejiang smart-manufacturing indicator",
        lambda period: (period.networked / max(period.machines, 1), period.machines, False),
        needs_time=False,
    ),
)  # fmt: skip


def period_of(machines: Sequence[KpiMachine], hours: float) -> Period:
    """Sums over machines for a period of ``hours``; means are never averaged, time is added."""
    seen = operating = planned = unplanned = repair = downtime_cost = maintenance = 0.0
    failures = networked = 0
    for machine in machines:
        known = {state: seconds / _SECONDS_PER_H for state, seconds in machine.seconds.items() if state != "off_line"}
        seen += sum(known.values())
        operating += sum(known.get(state, 0.0) for state in _OPERATING)
        networked += bool(known)
        for is_planned, seconds, begun in machine.stops:
            stop = seconds / _SECONDS_PER_H
            if is_planned:
                planned += stop
                continue
            unplanned += stop
            downtime_cost += stop * machine.cost_per_h
            if begun:
                failures += 1
                repair += stop
        maintenance += machine.maintenance_cost
    currencies = {machine.currency for machine in machines}
    return Period(
        len(machines),
        hours * len(machines),
        seen,
        operating,
        planned,
        unplanned,
        failures,
        repair,
        downtime_cost,
        maintenance,
        networked,
        currencies.pop() if len(currencies) == 1 else "",
    )


def evaluate(definition: KpiDefinition, period: Period) -> KpiValue:
    """The value of a KPI for a period."""
    coverage = min(1.0, period.seen / period.asked) if period.asked else 0.0
    unit = (period.currency or "mixed") if definition.unit == "currency" else definition.unit
    if definition.needs_time and (period.seen < _LEAST_SEEN_H or coverage < _LEAST_COVERAGE):
        reason = f"not enough data: {period.seen:.1f} of {period.asked:.1f} machine hours seen"
        return KpiValue(definition.key, None, unit, coverage, 0, reason=reason)
    value, n, bound = definition.formula(period)
    if value is None or not math.isfinite(value):
        return KpiValue(definition.key, None, unit, coverage, n, reason="not enough data: nothing to divide by")
    return KpiValue(definition.key, value, unit, coverage, n, bound)


async def compute_kpis(
    connection: Connection,
    *,
    start: datetime,
    end: datetime,
    site: str | None = None,
    machine: int | None = None,
    group_by: str = "site",
) -> list[KpiGroup]:
    """The KPIs of the tenant at work in [start, end), by site, line, template or machine.

    Raises ``ValueError`` for a period that ends before it begins or an unknown grouping.
    """
    if end <= start:
        raise ValueError("the period ends before it begins")
    if group_by not in GROUPS:
        raise ValueError(f"group_by must be one of {', '.join(GROUPS)}")
    hours = (end - start).total_seconds() / _SECONDS_PER_H
    groups: dict[str, list[KpiMachine]] = {}
    for entry in await load_kpi_machines(connection, start, end, site=site, machine=machine):
        key = {"site": entry.site, "line": entry.line, "template": entry.template, "machine": entry.code}[group_by]
        groups.setdefault(key, []).append(entry)
    return [
        KpiGroup(key, group_by, period.machines, period.currency, [evaluate(entry, period) for entry in DEFINITIONS])
        for key, machines in groups.items()
        for period in [period_of(machines, hours)]
    ]
