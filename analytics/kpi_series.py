"""KPIs by day, week, month and shift of each site's own calendar, and beside the period before and the baseline."""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from analytics.calendar import EVERY, Shift, Span, calendar_spans, shift_of, shift_spans
from analytics.kpi import GROUPS, KpiGroup, compute_spans, period_counted
from historian import Connection, KpiAsk, list_calendars, list_shifts

GROUP_BY = (*GROUPS, *EVERY)
_MOST_SPANS = 800


@dataclass(frozen=True, slots=True)
class Compared:
    """A group's KPIs, the same of the period before and of the baseline (None: not asked for, or none is set)."""

    group: KpiGroup
    label: str = ""
    previous: KpiGroup | None = None
    baseline: KpiGroup | None = None


async def compare_kpis(
    connection: Connection, start: datetime, end: datetime, ask: KpiAsk, baseline: Span | None = None
) -> list[Compared]:
    """KPIs of [start, end) with those of the period before of the same length, and of a baseline.

    Raises ``ValueError`` as :func:`analytics.compute_kpis`.
    """
    start, end = await period_counted(connection, start, end, ask)
    spans = [(start, end), (start - (end - start), start)]
    if baseline is not None:
        spans.append(await period_counted(connection, *baseline, ask))
    by_key: dict[str, dict[datetime, KpiGroup]] = {}
    for group in await compute_spans(connection, spans, ask):
        by_key.setdefault(group.key, {})[group.start] = group
    return [
        Compared(
            found[start],
            previous=found.get(spans[1][0]),
            baseline=found.get(spans[2][0]) if baseline is not None else None,
        )
        for found in by_key.values()
        if start in found
    ]


async def kpi_series(connection: Connection, start: datetime, end: datetime, every: str, ask: KpiAsk) -> list[Compared]:
    """KPIs of each site by day, week, month or shift of its calendar; each with the one before it.

    Raises ``ValueError`` where the series would be longer than anyone reads, or a site has no shifts.
    """
    start, end = await period_counted(connection, start, end, ask)
    sites = await list_calendars(connection, ask.site)
    shifts = await list_shifts(connection, ask.site) if every == "shift" else []
    found: list[Compared] = []
    # Sites that share zone and shifts are asked for at once.
    alike: dict[tuple[str, tuple[Shift, ...]], set[str]] = {}
    for site in sites:
        own = tuple(shift_of(row) for row in shifts if row.site == site.key)
        alike.setdefault((site.time_zone, own), set()).add(site.key)
    for (zone, own), keys in alike.items():
        if every == "shift":
            if not own:
                continue
            parts = [(span, shift.name) for span, shift in shift_spans(start, end, own, ZoneInfo(zone))]
        else:
            parts = [(span, "") for span in calendar_spans(start, end, every, ZoneInfo(zone))]
        if len(parts) > _MOST_SPANS:
            raise ValueError(f"{len(parts)} times a {every} are too many: ask for a shorter period")
        if not parts:
            continue
        labels = dict(parts)
        one = replace(ask, group_by="site", zone=zone, site=min(keys) if len(keys) == 1 else ask.site)
        before: dict[tuple[str, str], KpiGroup] = {}
        for group in await compute_spans(connection, [span for span, _ in parts], one):
            if group.key not in keys:
                continue
            label = labels[group.start, group.end]
            found.append(Compared(replace(group, group_by=every), label, before.get((group.key, label))))
            before[group.key, label] = group
    return found
