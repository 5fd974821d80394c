"""What API and console show of machines, findings, alarms and quarantine: reading, on a tenant's connection."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from historian.blocks import hour_of
from historian.database import Connection

# Every machine with its condition and worst open finding, one of its own before its part in a matter of the whole bus:
# one row a machine, never a look at readings.
FLEET = """
select machine.id, machine.code, machine.name, site.key as site, machine.line, machine.template,
    coalesce(condition.state, 'off_line') as state, condition.state_since, condition.health, condition.risk,
    condition.judged_at, worst.failure_mode, worst.probability, worst.severity, worst.opened_at, worst.act_before,
    worst.id as finding_id, coalesce(alarms.active, 0)::int as active_alarms, worst.origin, worst.bus, worst.part_of,
    condition.held_since
from machine
join site on site.id = machine.site_id
left join machine_condition condition on condition.machine_id = machine.id
left join lateral (
    select id, failure_mode, probability, severity, opened_at, act_before, origin, bus, part_of from finding
    where finding.machine_id = machine.id and closed_at is null
    order by part_of is not null, probability desc limit 1
) worst on true
left join lateral (
    select count(*) as active from alarm where alarm.machine_id = machine.id and cleared_at is null
) alarms on true
"""
MACHINE = FLEET + " where machine.id = $1"

DETAIL = """
select machine.nameplate, machine.area, site.name as site_name, site.time_zone, site.currency,
    machine.downtime_cost_per_h, condition.explanation, condition.model_version
from machine join site on site.id = machine.site_id
left join machine_condition condition on condition.machine_id = machine.id
where machine.id = $1
"""
# Signals of a machine with their newest readings (one or two blocks of them; the view is asked for the machine, or it
# would look up the newest readings of all).
SIGNALS = """
select signal.id, signal.key, signal.unit, latest.time, latest.value, latest.quality
from signal left join (select * from signal_latest where machine_id = $1) latest on latest.signal_id = signal.id
where signal.machine_id = $1 order by signal.id
"""
SIGNAL_ID = "select id, unit from signal where machine_id = $1 and key = $2"

_FINDING = """
select finding.id, machine.id as machine_id, machine.code as machine, site.key as site, finding.failure_mode,
    finding.probability, finding.severity, finding.opened_at, finding.updated_at, finding.closed_at,
    finding.onset_at, finding.act_before, finding.peer_evidence || finding.evidence as evidence, finding.ranking,
    finding.model_version, finding.origin, finding.bus, finding.part_of,
    said.verdict, said.found_mode, said.note, said.by, said.at
from finding join machine on machine.id = finding.machine_id join site on site.id = machine.site_id
left join lateral (
    select * from (
        select finding.verdict, finding.found_mode, finding.verdict_note as note, finding.verdict_by as by,
            finding.verdict_at as at
        where finding.verdict is not null
        union all
        select verdict, found_mode, found, assignee, closed_at from work_order
        where finding_id = finding.id and state in ('done', 'closed') and verdict is not null
    ) as each order by at desc nulls last limit 1
) said on true
"""
# Findings, newest first, after a cursor (index finding_by_time).
FINDINGS = (
    _FINDING
    + """
where ($1::int is null or machine.id = $1)
    and ($2::boolean is null or (finding.closed_at is null) = $2)
    and ($3::timestamptz is null or (finding.opened_at, finding.id) < ($3, $4::bigint))
    and ($6::bigint is null or finding.part_of = $6)
    and (not $7::boolean or finding.part_of is null)
    and (not $8 or finding.closed_at is null and not exists (
        select from work_order where finding_id = finding.id and state <> 'cancelled'
    ))
order by finding.opened_at desc, finding.id desc limit $5
"""
)
FINDING = _FINDING + " where finding.id = $1"

_ALARM = """
select alarm.id, machine.id as machine_id, machine.code as machine, site.key as site, machine.template,
    alarm.limit_key, alarm.severity, alarm.raised_at, alarm.cleared_at, alarm.threshold, alarm.value,
    alarm.acknowledged_at, alarm.acknowledged_by, alarm.acknowledge_note, alarm.shelved_until, alarm.shelved_by,
    alarm.template_version, alarm.limit_row
from alarm join machine on machine.id = alarm.machine_id join site on site.id = machine.site_id
"""
# Alarms, newest first, after a cursor (index alarm_by_time).
ALARMS = (
    _ALARM
    + """
where ($1::int is null or machine.id = $1)
    and ($2::boolean is null or (alarm.cleared_at is null) = $2)
    and ($3::timestamptz is null or (alarm.raised_at, alarm.id) < ($3, $4::bigint))
order by alarm.raised_at desc, alarm.id desc limit $5
"""
)
ALARM = _ALARM + " where alarm.id = $1"
ACKNOWLEDGE = """
update alarm set acknowledged_at = coalesce(acknowledged_at, now()), acknowledged_by = coalesce(acknowledged_by, $2),
    acknowledge_note = coalesce($3, acknowledge_note)
where id = $1 returning id
"""
SHELVE = "update alarm set shelved_until = $2, shelved_by = $3 where id = $1 returning id"

# What could not be taken as a reading, newest first (index quarantine_by_time).
QUARANTINE = """
select id, received_at, source, address, reason, detail, raw from quarantine
where ($1::timestamptz is null or (received_at, id) < ($1, $2::bigint))
order by received_at desc, id desc limit $3
"""
SITES = """
select site.key, site.name, site.time_zone, site.currency, count(machine.id)::int as machines
from site left join machine on machine.site_id = site.id group by site.id order by site.key
"""
STATES = """
select started_at, ended_at, state from machine_state
where machine_id = $1 and ended_at > $2 and started_at < $3 order by started_at
"""
EXPORT = """
select time, value, quality from tenant_reading
where signal_id = $1 and time >= $2 and time < $3 and since >= $4 and since < $3
order by time
"""
# Spool lanes and how far they are (service role; it belongs to no tenant).
PIPELINE = """
select coalesce(sum(stored_readings), 0)::bigint as stored, coalesce(sum(quarantined), 0)::bigint as quarantined,
    max(committed_at) as committed_at from spool_position
"""


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A machine as lists show it; held_since: when the oldest value was measured that health rests on."""

    id: int
    code: str
    name: str
    site: str
    line: str
    template: str
    state: str
    state_since: datetime | None
    health: float | None
    risk: float | None
    judged_at: datetime | None
    failure_mode: str | None
    probability: float | None
    severity: str | None
    finding_since: datetime | None
    act_before: datetime | None
    finding_id: int | None
    active_alarms: int
    origin: str | None
    bus: str | None
    part_of: int | None
    held_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignalRow:
    """A signal with its newest reading."""

    id: int
    key: str
    unit: str
    time: datetime | None
    value: float | None
    quality: int | None


@dataclass(frozen=True, slots=True)
class MachineDetail:
    """What one machine's page needs beside the list's row."""

    nameplate: dict[str, Any]
    area: str
    site_name: str
    time_zone: str
    currency: str
    downtime_cost_per_h: float
    explanation: dict[str, Any] | None
    model_version: int | None


@dataclass(frozen=True, slots=True)
class FindingRow:
    """A finding as it is stored, and what was said of it last: on itself, or by the job that answered it."""

    id: int
    machine_id: int
    machine: str
    site: str
    failure_mode: str
    probability: float
    severity: str
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None
    onset_at: datetime | None
    act_before: datetime | None
    evidence: list[dict[str, Any]]
    ranking: list[dict[str, Any]]
    model_version: int | None
    origin: str | None
    bus: str | None
    part_of: int | None
    verdict: str | None
    found_mode: str | None
    verdict_note: str | None
    verdict_by: str | None
    verdict_at: datetime | None


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """An alarm as it is stored; limit_row: the limit as it was when it was raised."""

    id: int
    machine_id: int
    machine: str
    site: str
    template: str
    limit_key: str
    severity: str
    raised_at: datetime
    cleared_at: datetime | None
    threshold: float | None
    value: float | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledge_note: str | None
    shelved_until: datetime | None
    shelved_by: str | None
    template_version: int
    limit_row: dict[str, Any]


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """A message that could not be taken as readings."""

    id: int
    received_at: datetime
    source: str
    address: str
    reason: str
    detail: str
    raw: bytes


async def list_fleet(connection: Connection) -> list[FleetRow]:
    """All machines of the tenant."""
    return [FleetRow(*row.values()) for row in await connection.fetch(FLEET + " order by machine.id")]


async def get_machine(connection: Connection, machine_id: int) -> FleetRow | None:
    """One machine, None where the tenant has none of this id."""
    row = await connection.fetchrow(MACHINE, machine_id)
    return FleetRow(*row.values()) if row is not None else None


async def get_detail(connection: Connection, machine_id: int) -> MachineDetail:
    """More of one machine; it must exist."""
    return MachineDetail(*(await connection.fetchrow(DETAIL, machine_id)).values())


async def list_signals(connection: Connection, machine_id: int) -> list[SignalRow]:
    """Signals of a machine with their newest readings."""
    return [SignalRow(*row.values()) for row in await connection.fetch(SIGNALS, machine_id)]


async def find_signal(connection: Connection, machine_id: int, key: str) -> tuple[int, str] | None:
    """(id, unit) of a signal by its key."""
    row = await connection.fetchrow(SIGNAL_ID, machine_id, key)
    return (row["id"], row["unit"]) if row is not None else None


async def list_findings(
    connection: Connection,
    *,
    machine_id: int | None = None,
    is_open: bool | None = None,
    part_of: int | None = None,
    grouped: bool = False,
    unanswered: bool = False,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[FindingRow]:
    """Findings, newest first; ``after`` is (opened_at, id) of the last row of the page before.

    part_of: those that point at this one; grouped: those alone that point at no other
    unanswered: only open ones that no work order answers
    """
    moment, last_id = after or (None, None)
    rows = await connection.fetch(FINDINGS, machine_id, is_open, moment, last_id, limit, part_of, grouped, unanswered)
    return [FindingRow(*row.values()) for row in rows]


async def get_finding(connection: Connection, finding_id: int) -> FindingRow | None:
    """One finding."""
    row = await connection.fetchrow(FINDING, finding_id)
    return FindingRow(*row.values()) if row is not None else None


async def list_alarms(
    connection: Connection,
    *,
    machine_id: int | None = None,
    is_active: bool | None = None,
    after: tuple[datetime, int] | None = None,
    limit: int = 100,
) -> list[AlarmRow]:
    """Alarms, newest first; ``after`` is (raised_at, id) of the last row of the page before."""
    moment, last_id = after or (None, None)
    rows = await connection.fetch(ALARMS, machine_id, is_active, moment, last_id, limit)
    return [AlarmRow(*row.values()) for row in rows]


async def get_alarm(connection: Connection, alarm_id: int) -> AlarmRow | None:
    """One alarm."""
    row = await connection.fetchrow(ALARM, alarm_id)
    return AlarmRow(*row.values()) if row is not None else None


async def acknowledge_alarm(connection: Connection, alarm_id: int, user: str, note: str | None) -> bool:
    """Note that a person has seen an alarm; the first one counts. False where there is none."""
    return await connection.fetchval(ACKNOWLEDGE, alarm_id, user, note) is not None


async def shelve_alarm(connection: Connection, alarm_id: int, until: datetime, user: str) -> bool:
    """Put an alarm aside until a time. False where there is none."""
    return await connection.fetchval(SHELVE, alarm_id, until, user) is not None


async def list_quarantine(
    connection: Connection, *, after: tuple[datetime, int] | None = None, limit: int = 100
) -> list[QuarantineRow]:
    """Quarantine, newest first."""
    moment, last_id = after or (None, None)
    return [QuarantineRow(*row.values()) for row in await connection.fetch(QUARANTINE, moment, last_id, limit)]


async def list_sites(connection: Connection) -> list[dict[str, Any]]:
    """Sites with how many machines they have."""
    return [dict(row) for row in await connection.fetch(SITES)]


async def list_states(
    connection: Connection, machine_id: int, start: datetime, end: datetime
) -> list[tuple[datetime, datetime, str]]:
    """State intervals that touch [start, end), in order."""
    return [tuple(row.values()) for row in await connection.fetch(STATES, machine_id, start, end)]


async def export_rows(
    connection: Connection, signal_id: int, start: datetime, end: datetime
) -> list[tuple[datetime, float | None, int]]:
    """All readings of a signal in [start, end), in order."""
    return [tuple(row.values()) for row in await connection.fetch(EXPORT, signal_id, start, end, hour_of(start))]


async def pipeline_counts(connection: Connection) -> tuple[int, int, datetime | None]:
    """(stored readings, quarantined messages, last commit) of all lanes (service role)."""
    row = await connection.fetchrow(PIPELINE)
    return row["stored"], row["quarantined"], row["committed_at"]
