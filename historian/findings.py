"""What analytics writes: conditions and findings."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from historian.database import Connection

OPEN = """
select id, machine_id, failure_mode, probability, opened_at from finding where closed_at is null
"""
# One open finding a machine and failure mode (unique index finding_open_once).
OPEN_ONE = """
insert into finding (tenant_id, machine_id, failure_mode, probability, severity, opened_at, updated_at, onset_at,
    act_before, evidence, ranking, model_version)
values ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11)
on conflict (machine_id, failure_mode) where closed_at is null do update
set probability = excluded.probability, updated_at = excluded.updated_at, evidence = excluded.evidence,
    ranking = excluded.ranking
returning id
"""
UPDATE = "update finding set probability = $2, updated_at = $3, evidence = $4, ranking = $5 where id = $1"
CLOSE = "update finding set closed_at = $2, updated_at = $2 where id = $1 and closed_at is null"
# Findings of a mode that were opened since a time. Asked once a baseline.
SPANS = """
select coalesce(onset_at, opened_at), closed_at from finding
where machine_id = $1 and failure_mode = $2 and opened_at >= $3 order by 1
"""

# Judgements of many machines at once; the state columns belong to another service and are left alone.
CONDITIONS = """
insert into machine_condition (machine_id, tenant_id, judged_at, health, risk, model_version, explanation)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (machine_id) do update
set judged_at = excluded.judged_at, health = excluded.health, risk = excluded.risk,
    model_version = excluded.model_version, explanation = excluded.explanation
"""
JUDGED = "select machine_id, judged_at, explanation from machine_condition where judged_at is not null"


@dataclass(frozen=True, slots=True)
class OpenFinding:
    """A finding that is open."""

    id: int
    machine_id: int
    failure_mode: str
    probability: float
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class NewFinding:
    """A finding to open; evidence and ranking as in the table's comments."""

    tenant_id: int
    machine_id: int
    failure_mode: str
    probability: float
    severity: str
    opened_at: datetime
    onset_at: datetime | None
    act_before: datetime
    evidence: list[dict[str, Any]]
    ranking: list[dict[str, Any]]
    model_version: int | None


@dataclass(frozen=True, slots=True)
class Condition:
    """A judgement to keep."""

    machine_id: int
    tenant_id: int
    judged_at: datetime
    health: float | None
    risk: float | None
    model_version: int | None
    explanation: dict[str, Any]


async def open_findings(connection: Connection) -> list[OpenFinding]:
    """All open findings (service role)."""
    return [OpenFinding(*row.values()) for row in await connection.fetch(OPEN)]


async def open_finding(connection: Connection, new: NewFinding) -> int:
    """Open a finding, or update the one that is open; its id."""
    finding_id: int = await connection.fetchval(
        OPEN_ONE,
        new.tenant_id,
        new.machine_id,
        new.failure_mode,
        new.probability,
        new.severity,
        new.opened_at,
        new.onset_at,
        new.act_before,
        new.evidence,
        new.ranking,
        new.model_version,
    )
    return finding_id


async def update_finding(
    connection: Connection,
    finding_id: int,
    probability: float,
    at: datetime,
    evidence: list[dict[str, Any]],
    ranking: list[dict[str, Any]],
) -> None:
    """Bring an open finding up to date."""
    await connection.execute(UPDATE, finding_id, probability, at, evidence, ranking)


async def close_finding(connection: Connection, finding_id: int, at: datetime) -> None:
    """Close a finding."""
    await connection.execute(CLOSE, finding_id, at)


async def finding_spans(
    connection: Connection, machine_id: int, failure_mode: str, since: datetime
) -> list[tuple[datetime, datetime | None]]:
    """(begun, ended) of findings of a mode opened since a time, oldest first; None for one that is open."""
    return [tuple(row.values()) for row in await connection.fetch(SPANS, machine_id, failure_mode, since)]


async def store_conditions(connection: Connection, conditions: list[Condition]) -> None:
    """Keep the newest judgement of machines."""
    await connection.executemany(
        CONDITIONS,
        [
            (
                entry.machine_id,
                entry.tenant_id,
                entry.judged_at,
                entry.health,
                entry.risk,
                entry.model_version,
                entry.explanation,
            )
            for entry in conditions
        ],
    )


async def load_judged(connection: Connection) -> dict[int, tuple[datetime, dict[str, Any]]]:
    """Until when each machine was judged, and the explanation then."""
    rows = await connection.fetch(JUDGED)
    return {row["machine_id"]: (row["judged_at"], row["explanation"]) for row in rows}
