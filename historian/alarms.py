"""Limit alarms as analytics raises and clears them; acknowledging and shelving belong to people."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from historian.database import Connection

ACTIVE = "select machine_id, limit_key, raised_at, value from alarm where cleared_at is null"
# One active alarm a machine and limit (unique index alarm_active_once).
RAISE = """
insert into alarm (tenant_id, machine_id, limit_key, template_version, severity, raised_at, threshold, value, limit_row)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (machine_id, limit_key) where cleared_at is null do nothing
"""
CLEAR = """
update alarm set cleared_at = $3, value = $4 where machine_id = $1 and limit_key = $2 and cleared_at is null
"""


@dataclass(frozen=True, slots=True)
class RaisedAlarm:
    """An alarm to raise: source time, the limit's number, the value that broke it, and the limit as it was."""

    tenant_id: int
    machine_id: int
    limit_key: str
    template_version: int
    severity: str
    raised_at: datetime
    threshold: float
    value: float
    limit_row: dict[str, Any] = field(default_factory=dict)


async def active_alarms(connection: Connection) -> dict[tuple[int, str], tuple[datetime, float]]:
    """(machine, limit) -> since when and worst value, of all alarms that are active."""
    rows = await connection.fetch(ACTIVE)
    return {(row["machine_id"], row["limit_key"]): (row["raised_at"], row["value"]) for row in rows}


async def raise_alarm(connection: Connection, alarm: RaisedAlarm) -> None:
    """Raise an alarm; nothing happens where it is active already."""
    await connection.execute(
        RAISE,
        alarm.tenant_id,
        alarm.machine_id,
        alarm.limit_key,
        alarm.template_version,
        alarm.severity,
        alarm.raised_at,
        alarm.threshold,
        alarm.value,
        alarm.limit_row,
    )


async def clear_alarm(connection: Connection, machine_id: int, limit_key: str, at: datetime, worst: float) -> None:
    """Clear an active alarm."""
    await connection.execute(CLEAR, machine_id, limit_key, at, worst)
