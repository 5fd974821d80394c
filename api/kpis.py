"""Key performance indicators of a period."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from analytics import DEFINITIONS, Compared, compare_kpis, compute_kpis, kpi_series
from analytics import KpiGroup as AnalyzedGroup
from api.context import TenantConnection
from api.identity import Engineer
from api.machines import check_period
from api.problems import Problem, not_found
from historian import KpiAsk, list_calendars, set_baseline

router = APIRouter(tags=["kpis"])

GroupBy = Literal["site", "line", "template", "machine", "day", "week", "month", "shift"]
EVERY = ("day", "week", "month", "shift")
_NAMES = {definition.key: definition for definition in DEFINITIONS}


class KpiValue(BaseModel):
    """A KPI's value; null with a reason where there is too little data. ``bound``: it is a lower bound.

    coverage: share of the period that was seen; n: what the value rests on; low, high: what it could be, were the
    unseen time the worst or the best; previous, baseline: of the period before and of the baseline
    """

    key: str
    name_en: str
    name_zh: str
    value: float | None
    unit: str
    coverage: float
    n: int
    bound: bool
    reason: str | None
    low: float | None
    high: float | None
    previous: float | None
    baseline: float | None
    standard: str


class Exposure(BaseModel):
    """What a group's values rest on, in machine hours."""

    asked_h: float
    seen_h: float
    operating_h: float
    failures: int


class KpiGroup(BaseModel):
    """The KPIs of a site, line, template or machine; of a site by day, week, month or shift (``label``: its name).

    start, end: the time that was counted: more than two days of more than 2,000 machines are widened to whole hours
    previous_exposure, baseline_exposure: null where the values are not compared
    """

    key: str
    group_by: str
    label: str
    start: datetime
    end: datetime
    machines: int
    currency: str
    exposure: Exposure
    previous_exposure: Exposure | None
    baseline_exposure: Exposure | None
    values: list[KpiValue]


class Baseline(BaseModel):
    """The period that a site's KPIs are compared with."""

    start: AwareDatetime
    end: AwareDatetime


class Kpis(BaseModel):
    """KPIs of [start, end)."""

    start: datetime
    end: datetime
    items: list[KpiGroup]


@router.get("/kpis")
async def kpis(
    connection: TenantConnection,
    site: str | None = None,
    machine: int | None = None,
    template: str | None = None,
    start: Annotated[AwareDatetime | None, Query(description="seven days before end by default")] = None,
    end: Annotated[AwareDatetime | None, Query(description="now by default")] = None,
    group_by: Annotated[GroupBy, Query(description="days, weeks, months and shifts are those of each site")] = "site",
    compare: Annotated[
        bool, Query(description="with the period before, and the baseline where one is given or the site has one")
    ] = False,
    baseline_start: AwareDatetime | None = None,
    baseline_end: AwareDatetime | None = None,
) -> Kpis:
    """Availability, MTBF, MTTR, OEE, downtime, cost and energy; each with coverage and what it rests on."""
    end = end or datetime.now(UTC)
    start = start or end - timedelta(days=7)
    check_period(start, end)
    try:
        if group_by in EVERY:
            found = await kpi_series(connection, start, end, group_by, KpiAsk("site", site, machine, template))
        elif compare:
            baseline = await _baseline(connection, site, baseline_start, baseline_end)
            ask = KpiAsk(group_by, site, machine, template)
            found = await compare_kpis(connection, start, end, ask, baseline)
        else:
            groups = await compute_kpis(
                connection, start=start, end=end, site=site, machine=machine, template=template, group_by=group_by
            )
            found = [Compared(group) for group in groups]
    except ValueError as problem:
        raise Problem(422, f"{problem}.") from None
    return Kpis(start=start, end=end, items=[_group(entry) for entry in found])


@router.put("/sites/{site}/baseline", status_code=204)
async def put_baseline(connection: TenantConnection, _user: Engineer, site: str, body: Baseline) -> None:
    """Say which period a site's KPIs are compared with."""
    check_period(body.start, body.end)
    if not await set_baseline(connection, site, body.start, body.end):
        raise not_found("site", site)


async def _baseline(
    connection: Any, site: str | None, start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime] | None:
    """The baseline asked for, else that of the one site asked for."""
    if start is not None and end is not None:
        check_period(start, end)
        return start, end
    if site is None:
        return None
    for known in await list_calendars(connection, site):
        if known.baseline_start is not None and known.baseline_end is not None:
            return known.baseline_start, known.baseline_end
    return None


def _group(entry: Compared) -> KpiGroup:
    group = entry.group
    before, base = (
        {value.key: value.value for value in other.values} if other is not None else {}
        for other in (entry.previous, entry.baseline)
    )
    return KpiGroup(
        key=group.key,
        group_by=group.group_by,
        label=entry.label,
        start=group.start,
        end=group.end,
        machines=group.machines,
        currency=group.currency,
        exposure=Exposure.model_validate(group.exposure, from_attributes=True),
        previous_exposure=_exposure(entry.previous),
        baseline_exposure=_exposure(entry.baseline),
        values=[
            KpiValue(
                key=value.key,
                name_en=_NAMES[value.key].name_en,
                name_zh=_NAMES[value.key].name_zh,
                value=value.value,
                unit=value.unit,
                coverage=value.coverage,
                n=value.n,
                bound=value.bound,
                reason=value.reason,
                low=value.low,
                high=value.high,
                previous=before.get(value.key),
                baseline=base.get(value.key),
                standard=_NAMES[value.key].standard,
            )
            for value in group.values
        ],
    )


def _exposure(group: AnalyzedGroup | None) -> Exposure | None:
    return Exposure.model_validate(group.exposure, from_attributes=True) if group is not None else None
