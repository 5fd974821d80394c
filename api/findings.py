"""Findings: what analytics concludes of a machine, what people say of it, and how often it was right."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from analytics import hit_rate
from api.context import TenantConnection
from api.identity import Engineer
from api.paging import Cursor, Limit, Page, decode_time_cursor, encode_cursor
from api.problems import Problem, not_found
from historian import Connection, FindingRow, get_finding, list_findings, verdicts
from plant import fault_library

router = APIRouter(tags=["findings"])

Verdict = Literal["confirmed", "other_fault", "nothing_found"]


class Rate(BaseModel):
    """How often something was right, as people found it; low and high of 95 %, null with too few answers to say."""

    right: int
    n: int
    low: float | None
    high: float | None
    text_en: str
    text_zh: str


class Answer(BaseModel):
    """What a person said of a finding last, on the finding or by closing the job that answered it."""

    verdict: Verdict
    found_mode: str | None
    note: str | None
    by: str | None
    at: datetime


class Finding(BaseModel):
    """A finding; advice and names in both languages come from the fault library.

    standard, source: of the failure mode's symptoms and limits; hit_rate: how often it was right so far
    origin: where a fault of the supply arises: the bus, this machine's feeder, or unknown; null before it was compared,
        and for all others
    part_of: the finding that stands for a disturbance of the whole bus; null for that one, and for all others
    """

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
    standard: str
    source: str
    model_version: int | None
    answer: Answer | None
    hit_rate: Rate
    origin: Literal["bus", "feeder", "unknown"] | None
    bus: str | None
    part_of: int | None


class FindingAnswer(BaseModel):
    """What a person says of a finding."""

    verdict: Verdict
    found_mode: str | None = Field(None, description="the failure mode that was found")
    note: str | None = Field(None, max_length=2000)


class SymptomRate(Rate):
    """How often findings of a mode that this symptom spoke for were right."""

    indicator: str


class ModeRate(Rate):
    """What was found where a failure mode had been said; precision: confirmed over all that were answered."""

    failure_mode: str
    confirmed: int
    other_fault: int
    nothing_found: int
    precision: float
    symptoms: list[SymptomRate]


def to_finding(row: FindingRow, rates: Mapping[str, Rate]) -> Finding:
    """A stored finding with the words of the fault library; rates: of :func:`rates_by_mode`."""
    fault = fault_library().get(row.failure_mode)
    words = fault.words(row.origin) if fault else None
    return Finding(
        id=row.id,
        machine=row.machine,
        machine_id=row.machine_id,
        site=row.site,
        failure_mode=row.failure_mode,
        kind=fault.kind if fault else "machine",
        name_en=words.name_en if words else row.failure_mode,
        name_zh=words.name_zh if words else row.failure_mode,
        probability=row.probability,
        severity=row.severity,
        opened_at=row.opened_at,
        updated_at=row.updated_at,
        closed_at=row.closed_at,
        onset_at=row.onset_at,
        act_before=row.act_before,
        evidence=row.evidence,
        ranking=row.ranking,
        advice=list(words.advice_en) if words else [],
        advice_zh=list(words.advice_zh) if words else [],
        first_check=words.first_check_en if words else "",
        first_check_zh=words.first_check_zh if words else "",
        cause=words.cause_en if words else "",
        cause_zh=words.cause_zh if words else "",
        standard=fault.standard if fault else "",
        source=fault.source if fault else "",
        model_version=row.model_version,
        origin=row.origin,
        bus=row.bus,
        part_of=row.part_of,
        answer=to_answer(row),
        hit_rate=rates.get(row.failure_mode, to_rate(0, 0)),
    )


def to_answer(row: FindingRow) -> Answer | None:
    """What was said of a finding last."""
    if row.verdict is None:
        return None
    return Answer.model_validate(
        {
            "verdict": row.verdict,
            "found_mode": row.found_mode,
            "note": row.verdict_note or None,
            "by": row.verdict_by,
            "at": row.verdict_at,
        }
    )


def to_rate(right: int, n: int) -> Rate:
    """A share of right diagnoses as it is shown."""
    return Rate.model_validate(hit_rate(right, n), from_attributes=True)


async def rates_by_mode(connection: Connection) -> dict[str, Rate]:
    """How often findings were right so far, by failure mode."""
    return {
        row.failure_mode: to_rate(row.confirmed, row.answered) for row in await verdicts.answers_by_mode(connection)
    }


@router.get("/findings")
async def findings(
    connection: TenantConnection,
    machine: int | None = None,
    open: bool | None = None,  # noqa: A002 - the word of the contract
    part_of: Annotated[int | None, Query(description="those that point at this finding")] = None,
    grouped: Annotated[bool, Query(description="a disturbance of a whole bus once, not for each machine")] = False,
    unanswered: Annotated[bool, Query(description="only open ones that no work order answers")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Finding]:
    """Findings, newest first."""
    rows = await list_findings(
        connection,
        machine_id=machine,
        is_open=open,
        part_of=part_of,
        grouped=grouped,
        unanswered=unanswered,
        after=decode_time_cursor(cursor),
        limit=limit + 1,
    )
    rates = await rates_by_mode(connection)
    page = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[to_finding(row, rates) for row in page],
        next_cursor=encode_cursor(page[-1].opened_at.isoformat(), page[-1].id) if more else None,
    )


@router.get("/findings/{finding_id}")
async def finding(connection: TenantConnection, finding_id: int) -> Finding:
    """One finding."""
    row = await get_finding(connection, finding_id)
    if row is None:
        raise not_found("finding", finding_id)
    return to_finding(row, await rates_by_mode(connection))


@router.post("/findings/{finding_id}/verdict")
async def answer(connection: TenantConnection, user: Engineer, finding_id: int, body: FindingAnswer) -> Finding:
    """Say that a finding is right, that it was another fault, or that nothing was found; the last word counts."""
    check_answer(body.verdict, body.found_mode)
    if not await verdicts.answer_finding(connection, finding_id, body.verdict, body.found_mode, body.note, user.name):
        raise not_found("finding", finding_id)
    return await finding(connection, finding_id)


def check_answer(verdict: str, found_mode: str | None) -> None:
    """Raise :class:`Problem` where a failure mode is named that nobody knows, or where nothing was found."""
    if found_mode is None:
        return
    if found_mode not in fault_library():
        raise Problem(422, f"found_mode must be one of {', '.join(fault_library())}.")
    if verdict == "nothing_found":
        raise Problem(422, "found_mode says what was found: leave it out, or choose another verdict.")


@router.get("/findings-statistics")
async def statistics(connection: TenantConnection) -> list[ModeRate]:
    """How often findings were right, by failure mode and symptom, as people found it; each with its interval."""
    symptoms: dict[str, list[SymptomRate]] = {}
    for row in await verdicts.answers_by_symptom(connection):
        rate = to_rate(row.confirmed, row.answered)
        symptoms.setdefault(row.failure_mode, []).append(SymptomRate(indicator=row.indicator, **rate.model_dump()))
    return [
        ModeRate(
            failure_mode=row.failure_mode,
            confirmed=row.confirmed,
            other_fault=row.other_fault,
            nothing_found=row.nothing_found,
            precision=row.confirmed / row.answered,
            symptoms=symptoms.get(row.failure_mode, []),
            **to_rate(row.confirmed, row.answered).model_dump(),
        )
        for row in await verdicts.answers_by_mode(connection)
    ]
