"""The monthly report of a site: what is in it."""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from analytics import (
    MICRO_STOP_S,
    Compared,
    MachinePair,
    ParetoRow,
    Saving,
    Span,
    compare_kpis,
    kpi_series,
    pareto,
    savings,
    to_utc,
)
from api.problems import Problem, not_found
from historian import Connection, KpiAsk, KpiSums, list_calendars, load_kpi_sums, stops_by_reason


@dataclass(frozen=True, slots=True)
class Report:
    """A month of a site. baseline: what savings are measured against; None where none is set."""

    site: str
    month: str
    zone: str
    span: Span
    baseline: Span | None
    month_kpis: Compared
    days: list[Compared]
    reasons: list[ParetoRow]
    worst: list[tuple[str, float, int]]
    saved: list[Saving]


def month_span(month: str, zone: ZoneInfo) -> Span:
    """A month like 2026-10 in a zone; raises :class:`Problem` for anything else."""
    try:
        first = datetime.strptime(month, "%Y-%m").date()  # noqa: DTZ007 - a date
        after = first + timedelta(days=calendar.monthrange(first.year, first.month)[1])
        return to_utc(first, time(), zone), to_utc(after, time(), zone)
    except (ValueError, OverflowError):
        raise Problem(
            422,
            f"{month!r} is not a month: write 2026-10.",
            detail_zh=f"{month!r} 不是月份，请写成 2026-10。",
            field="month",
        ) from None


async def gather_report(connection: Connection, site: str, month: str) -> Report:
    """Compute a month's report for the tenant at work; raises :class:`Problem` where there is nothing to report."""
    found = await list_calendars(connection, site)
    if not found:
        raise not_found("site", site)
    zone = ZoneInfo(found[0].time_zone)
    start, end = month_span(month, zone)
    if start >= datetime.now(UTC):
        raise Problem(
            422, f"{month} has not begun: ask for a month that has.", detail_zh=f"{month} 尚未开始。", field="month"
        )
    baseline = None
    if found[0].baseline_start is not None and found[0].baseline_end is not None:
        baseline = (found[0].baseline_start, found[0].baseline_end)
    compared = await compare_kpis(connection, start, end, KpiAsk("site", site), baseline)
    if not compared:
        raise Problem(
            404, f"Site {site} had no machines in {month}.", detail_zh=f"{month} 厂区 {site} 没有设备。", field="month"
        )
    spans = [(start, end), *([baseline] if baseline is not None else [])]
    machines: dict[str, dict[int, KpiSums]] = {}
    for row in await load_kpi_sums(connection, spans, KpiAsk("machine", site)):
        machines.setdefault(row.key, {})[row.span] = row.sums
    worst = sorted(
        ((key, sums[0].unplanned_s / 3600, int(sums[0].failures)) for key, sums in machines.items() if 0 in sums),
        key=lambda entry: -entry[1],
    )
    pairs = [_pair(sums[1], sums[0]) for sums in machines.values() if {0, 1} <= sums.keys()]
    asked = [sum(sums[n].asked_s for sums in machines.values() if n in sums) / 3600 for n in (1, 0)]
    return Report(
        site,
        month,
        found[0].time_zone,
        (start, end),
        baseline,
        compared[0],
        await kpi_series(connection, start, min(end, datetime.now(UTC)), "day", KpiAsk("site", site)),
        pareto(await stops_by_reason(connection, start, end, MICRO_STOP_S, site=site)),
        [entry for entry in worst if entry[1] > 0][:10],
        savings(pairs, compared[0].group.currency, (asked[0], asked[1])) if baseline is not None else [],
    )


def _pair(before: KpiSums, after: KpiSums) -> MachinePair:
    return MachinePair(
        before.seen_s / 3600,
        after.seen_s / 3600,
        before.unplanned_s / 3600,
        after.unplanned_s / 3600,
        int(before.failures),
        int(after.failures),
        before.downtime_cost,
        after.downtime_cost,
        before.maintenance_cost,
        after.maintenance_cost,
        int(before.jobs_planned + before.jobs_unplanned),
    )
