"""Models of normal behaviour: every version is kept, findings name the one that made them."""

from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection

# The newest version of every machine's model (primary key normal_model).
NEWEST = """
select distinct on (machine_id) machine_id, version, content, baseline_start, baseline_end
from normal_model order by machine_id, version desc
"""
INSERT = """
insert into normal_model (machine_id, tenant_id, version, learned_at, baseline_start, baseline_end, content)
values ($1, $2, (select coalesce(max(version), 0) + 1 from normal_model where machine_id = $1), now(), $3, $4, $5)
returning version
"""
# Machines that are other ones since: a finding was answered, or a look found that all is well (work_order_by_closing).
CHANGED = """
select machine_id, max(closed_at) as since from work_order
where state in ('done', 'closed') and closed_at >= $1
    and (finding_id is not null or verdict is not null) group by machine_id
"""
# First and last minute that is rolled up, of some signals (index reading_1min_key, both ends).
MINUTES_SPAN = """
select min(oldest.bucket) as first, max(newest.bucket) as last
from unnest($1::int[]) as wanted (id)
cross join lateral (select bucket from reading_1min where signal_id = wanted.id order by bucket limit 1) as oldest
cross join lateral (select bucket from reading_1min where signal_id = wanted.id order by bucket desc limit 1) as newest
"""
# The longest that signals said one value in a baseline, in minutes of so many readings at least (reading_1min_key).
CONSTANT = """
select signal_id, max(minutes) as minutes from (
    select signal_id, count(*) as minutes from (
        select signal_id, minimum, bucket - row_number() over (partition by signal_id, minimum order by bucket)
            * interval '1 minute' as island
        from reading_1min
        where signal_id = any($1::int[]) and bucket >= $2 and bucket < $3 and minimum = maximum and count >= $4
    ) as constant group by signal_id, minimum, island
) as run group by signal_id
"""
# First reading of some signals (index reading_key, oldest partition first; primary key reading_block).
FIRST_READING = """
select min(span.first) from unnest($1::int[]) as wanted (id) cross join lateral (
    (select time as first from reading where signal_id = wanted.id order by time limit 1)
    union all
    (select first from reading_block where signal_id = wanted.id order by hour limit 1)) as span
"""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model as it lies in the table; ``content`` is an npz of plain arrays."""

    machine_id: int
    version: int
    content: bytes
    baseline_start: datetime
    baseline_end: datetime


async def load_models(connection: Connection) -> dict[int, StoredModel]:
    """The newest model of every machine that has one."""
    rows = await connection.fetch(NEWEST)
    return {row["machine_id"]: StoredModel(*row.values()) for row in rows}


async def store_model(
    connection: Connection, machine_id: int, tenant_id: int, start: datetime, end: datetime, content: bytes
) -> int:
    """Keep a new version; its number."""
    version: int = await connection.fetchval(INSERT, machine_id, tenant_id, start, end, content)
    return version


async def changed_machines(connection: Connection, since: datetime) -> dict[int, datetime]:
    """Machine id -> when the last job was closed that answered a finding, or said what was found; from ``since`` on.

    Other jobs leave what is normal alone: a baseline that moves with every job would hide slow wear.
    """
    return {row["machine_id"]: row["since"] for row in await connection.fetch(CHANGED, since)}


async def minutes_span(connection: Connection, signal_ids: list[int]) -> tuple[datetime, datetime] | None:
    """First and last rolled-up minute of these signals, None where there is none."""
    row = await connection.fetchrow(MINUTES_SPAN, signal_ids)
    return (row["first"], row["last"]) if row["first"] is not None else None


async def first_reading(connection: Connection, signal_ids: list[int]) -> datetime | None:
    """Time of the first reading of these signals."""
    first: datetime | None = await connection.fetchval(FIRST_READING, signal_ids)
    return first


async def constant_minutes(
    connection: Connection, signal_ids: list[int], start: datetime, end: datetime, least_readings: int = 10
) -> dict[int, int]:
    """Signal id -> the most minutes in a row of [start, end) in which it said one value; those that ever did.

    A minute of fewer readings says nothing of that.
    """
    rows = await connection.fetch(CONSTANT, signal_ids, start, end, least_readings)
    return {row["signal_id"]: row["minutes"] for row in rows}
