"""Findings: what analytics concludes of a machine, with its evidence and what to do."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from api.context import TenantConnection
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import not_found
from historian import FindingRow, get_finding, list_findings
from plant import fault_library

router = APIRouter(tags=["findings"])


class Finding(BaseModel):
    """A finding; advice and names in both languages come from the fault library."""

    id: int
    machine: str
    machine_id: int
    site: str
    failure_mode: str
    kind: str
    name_en: str
    name_zh: str
    probability: float
    severity: str
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    onset_at: datetime | None
    act_before: datetime | None
    evidence: list[dict[str, Any]]
    ranking: list[dict[str, Any]]
    advice: list[str]
    advice_zh: list[str]
    first_check: str
    first_check_zh: str
    cause: str
    cause_zh: str
    model_version: int | None


def to_finding(row: FindingRow) -> Finding:
    """A stored finding with the words of the fault library."""
    fault = fault_library().get(row.failure_mode)
    return Finding(
        id=row.id,
        machine=row.machine,
        machine_id=row.machine_id,
        site=row.site,
        failure_mode=row.failure_mode,
        kind=fault.kind if fault else "machine",
        name_en=fault.name_en if fault else row.failure_mode,
        name_zh=fault.name_zh if fault else row.failure_mode,
        probability=row.probability,
        severity=row.severity,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        closed_at=row.closed_at,
        onset_at=row.onset_at,
        act_before=row.act_before,
        evidence=row.evidence,
        ranking=row.ranking,
        advice=list(fault.advice_en) if fault else [],
        advice_zh=list(fault.advice_zh) if fault else [],
        first_check=fault.first_check_en if fault else "",
        first_check_zh=fault.first_check_zh if fault else "",
        cause=fault.cause_en if fault else "",
        cause_zh=fault.cause_zh if fault else "",
        model_version=row.model_version,
    )


@router.get("/findings")
async def findings(
    connection: TenantConnection,
    machine: int | None = None,
    open: bool | None = None,  # noqa: A002 - the word of the contract
    unanswered: Annotated[bool, Query(description="only open ones that no work order answers")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Finding]:
    """Findings, newest first."""
    rows = await list_findings(
        connection,
        machine_id=machine,
        is_open=open,
        unanswered=unanswered,
        after=decode_time_cursor(cursor),
        limit=limit + 1,
    )
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[to_finding(row) for row in page],
        next_cursor=encode_cursor(page[-1].opened_at.isoformat(), page[-1].id) if more else None,
    )


@router.get("/findings/{finding_id}")
async def finding(connection: TenantConnection, finding_id: int) -> Finding:
    """One finding."""
    row = await get_finding(connection, finding_id)
    if row is None:
        raise not_found("finding", finding_id)
    return to_finding(row)
