"""Key performance indicators of a period."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel

from analytics import DEFINITIONS, compute_kpis
from api.context import TenantConnection
from api.machines import check_period

router = APIRouter(tags=["kpis"])

_NAMES = {definition.key: definition for definition in DEFINITIONS}


class KpiValue(BaseModel):
    """A KPI's value; null with a reason where there is too little data. ``bound``: it is a lower bound.

    coverage: share of the period that was seen; n: what the value rests on
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
    standard: str


class Exposure(BaseModel):
    """What a group's values rest on, in machine hours."""

    asked_h: float
    seen_h: float
    operating_h: float
    failures: int


class KpiGroup(BaseModel):
    """The KPIs of a site, line, template or machine."""

    key: str
    group_by: str
    machines: int
    currency: str
    exposure: Exposure
    values: list[KpiValue]


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
    start: Annotated[AwareDatetime | None, Query(description="seven days before end by default")] = None,
    end: Annotated[AwareDatetime | None, Query(description="now by default")] = None,
    group_by: Literal["site", "line", "template", "machine"] = "site",
) -> Kpis:
    """Availability, MTBF, MTTR, downtime and cost; each with coverage and what it rests on."""
    end = end or datetime.now(UTC)
    start = start or end - timedelta(days=7)
    check_period(start, end)
    groups = await compute_kpis(connection, start=start, end=end, site=site, machine=machine, group_by=group_by)
    items = [
        KpiGroup(
            key=group.key,
            group_by=group.group_by,
            machines=group.machines,
            currency=group.currency,
            exposure=Exposure.model_validate(group.exposure, from_attributes=True),
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
                    standard=_NAMES[value.key].standard,
                )
                for value in group.values
            ],
        )
        for group in groups
    ]
    return Kpis(start=start, end=end, items=items)
