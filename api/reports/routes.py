"""Reports for programs: the file, and the savings in it."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel

from api.context import TenantConnection
from api.machines import finite
from api.reports.content import Report, gather_report
from api.reports.render import MEDIA_TYPES, Format, file_name, render

router = APIRouter(prefix="/reports", tags=["reports"])

Month = Annotated[str, Query(description="in the site's time zone, like 2026-10")]


class Saving(BaseModel):
    """An amount saved in the month, and the share of what would have been without; low and high at 95 %.

    low: null also where all may as well have become worse; claim: whether the interval leaves zero out
    reason: why there is no number at all
    """

    key: str
    unit: str
    saved: float | None
    share: float | None
    low: float | None
    high: float | None
    claim: bool
    reason: str | None
    reason_zh: str | None


class Savings(BaseModel):
    """What a month saved; no items, and no baseline, where none is set."""

    site: str
    month: str
    baseline_start: AwareDatetime | None
    baseline_end: AwareDatetime | None
    items: list[Saving]


@router.get("", response_class=Response, responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}}})
async def report(
    connection: TenantConnection,
    site: str,
    month: Month,
    format: Format = "pdf",  # noqa: A002 - the word of the contract
    language: Literal["en", "zh"] = "en",
) -> Response:
    """The month of a site as a file: KPIs, downtime by day, reason and machine, savings."""
    found = await gather_report(connection, site, month)
    content = await asyncio.to_thread(render, found, format, language)
    name = quote(file_name(site, month, language, format))
    return Response(
        content, media_type=MEDIA_TYPES[format], headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    )


@router.get("/savings")
async def savings(connection: TenantConnection, site: str, month: Month) -> Savings:
    """What a month saved against the site's baseline, with intervals; no number where there is too little data."""
    return savings_of(await gather_report(connection, site, month))


def savings_of(report: Report) -> Savings:
    """The savings of a report as programs get them: JSON has no infinity."""
    start, end = report.baseline or (None, None)
    return Savings(
        site=report.site,
        month=report.month,
        baseline_start=start,
        baseline_end=end,
        items=[
            Saving.model_validate({**asdict(entry), "low": finite(entry.low), "high": finite(entry.high)})
            for entry in report.saved
        ],
    )
