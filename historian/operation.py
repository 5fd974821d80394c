"""Machine states over time and the stops that follow from them, as analytics writes them."""

from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection

# What every machine has done since it was last seen at work, that included (primary key machine_state).
UNSETTLED = """
select machine_id, started_at, ended_at, state
from machine
cross join lateral (
    select coalesce((
        select started_at from machine_state
        where machine_id = machine.id and state in ('running', 'idle', 'starting') order by started_at desc limit 1
    ), '-infinity') as since
) as worked
join machine_state on machine_id = machine.id and started_at >= since
order by machine_id, started_at
"""
DELETE_FROM = "delete from machine_state where machine_id = $1 and started_at >= $2"
INSERT = "insert into machine_state (machine_id, tenant_id, started_at, ended_at, state) values ($1, $2, $3, $4, $5)"
# States that go on, many machines at once.
EXTEND = """
update machine_state set ended_at = entry.ended_at
from unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) as entry (machine_id, started_at, ended_at)
where machine_state.machine_id = entry.machine_id and machine_state.started_at = entry.started_at
"""
SET_STATES = """
insert into machine_condition (machine_id, tenant_id, state, state_since) values ($1, $2, $3, $4)
on conflict (machine_id) do update set state = excluded.state, state_since = excluded.state_since
where machine_condition.state <> excluded.state or machine_condition.state_since is distinct from excluded.state_since
"""
PLANNED = """
select started_at, ended_at from planned_stop
where ended_at > $2
    and tenant_id = (select tenant_id from machine where id = $1)
    and (machine_id = $1 or machine_id is null and site_id = (select site_id from machine where id = $1))
"""
# The finding that was open when the stop began is proposed as its reason. A stop inside of another is part of it.
OPEN_DOWNTIME = """
insert into downtime_event (tenant_id, machine_id, started_at, planned, failure_mode, earliest_start, seen_again)
values ($1, $2, $3, $4, (
    select failure_mode from finding
    where machine_id = $2 and opened_at <= $3 and (closed_at is null or closed_at >= $3)
    order by probability desc limit 1), $5, $6)
on conflict do nothing
"""
# Not beyond the stop that comes after it, and not where a person has set its borders.
END_DOWNTIME = """
update downtime_event set ended_at = border.ended_at, latest_end = border.latest_end
from (
    select least($3, min(later.started_at)) as ended_at, least($4, min(later.started_at)) as latest_end
    from downtime_event later where later.machine_id = $1 and later.started_at > $2
) as border
where machine_id = $1 and started_at = $2 and edited_by is null
    and row(downtime_event.ended_at, downtime_event.latest_end) is distinct from row(border.ended_at, border.latest_end)
"""


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state and how long it was seen to last."""

    started_at: datetime
    ended_at: datetime
    state: str


async def load_unsettled_states(connection: Connection) -> dict[int, list[StateRow]]:
    """Of every machine the state in which it was last seen at work and what followed, in order."""
    found: dict[int, list[StateRow]] = {}
    for row in await connection.fetch(UNSETTLED):
        found.setdefault(row["machine_id"], []).append(StateRow(row["started_at"], row["ended_at"], row["state"]))
    return found


async def replace_states(connection: Connection, machine_id: int, tenant_id: int, rows: list[StateRow]) -> None:
    """Put these intervals in place of everything from the first one's start on."""
    if not rows:
        return
    async with connection.transaction():
        await connection.execute(DELETE_FROM, machine_id, rows[0].started_at)
        await connection.executemany(
            INSERT, [(machine_id, tenant_id, row.started_at, row.ended_at, row.state) for row in rows]
        )


async def extend_states(connection: Connection, states: list[tuple[int, datetime, datetime]]) -> None:
    """(machine, start, new end) of intervals that are known and go on."""
    if states:
        await connection.execute(EXTEND, *(list(column) for column in zip(*states, strict=True)))


async def set_states(connection: Connection, states: list[tuple[int, int, str, datetime]]) -> None:
    """(machine, tenant, state, since) of now; the other columns of the condition are left alone."""
    await connection.executemany(SET_STATES, states)


async def load_planned_stops(
    connection: Connection, machine_id: int, since: datetime
) -> list[tuple[datetime, datetime]]:
    """(start, end) of a machine's planned stops that end after a moment; those of its site count."""
    return [(row["started_at"], row["ended_at"]) for row in await connection.fetch(PLANNED, machine_id, since)]


async def open_downtime(
    connection: Connection,
    tenant_id: int,
    machine_id: int,
    started_at: datetime,
    *,
    planned: bool,
    earliest_start: datetime | None = None,
    seen_again: bool = False,
) -> None:
    """Note a stop that began; nothing happens where it is noted already.

    earliest_start: since when it may have lasted, where no data came before it; seen_again: it goes on with the one
    before it, and is no failure of its own
    """
    await connection.execute(OPEN_DOWNTIME, tenant_id, machine_id, started_at, planned, earliest_start, seen_again)


async def end_downtime(
    connection: Connection,
    machine_id: int,
    started_at: datetime,
    ended_at: datetime,
    latest_end: datetime | None = None,
) -> None:
    """Note the end of a stop; latest_end: until when it may have lasted, where no data came after it."""
    await connection.execute(END_DOWNTIME, machine_id, started_at, ended_at, latest_end)
