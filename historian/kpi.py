"""What KPIs are computed from: time in each state, stops and costs of every machine in a period."""

from dataclasses import dataclass
from datetime import datetime

from historian.database import Connection

MACHINES = """
select machine.id, machine.code, machine.line, machine.template, site.key as site, site.currency,
    machine.downtime_cost_per_h
from machine join site on site.id = machine.site_id
where ($1::text is null or site.key = $1) and ($2::int is null or machine.id = $2)
order by machine.id
"""
_NOTHING_S = 1e-6
# As counted_states() in the migrations.
_STATES = ("running", "idle", "starting", "stopped", "down", "maintenance", "off_line")
_SECONDS = """
    until.seconds_before[{place}] - coalesce(since.seconds_before[{place}], 0)
        + case until.state when '{state}' then until.seconds else 0 end
        - case since.state when '{state}' then since.seconds else 0 end as {state}"""
# Seconds in each state, clipped to the period: of each machine the difference between the interval that holds the
# period's end, or is the last before it, and the one that does so for its start (primary key machine_state).
STATES = f"""
select machine.id as machine_id,{",".join(_SECONDS.format(place=n + 1, state=key) for n, key in enumerate(_STATES))}
from machine
cross join lateral (
    select state, seconds_before, extract(epoch from least(ended_at, $2) - started_at)::float8 as seconds
    from machine_state where machine_id = machine.id and started_at < $2 order by started_at desc limit 1
) until
left join lateral (
    select state, seconds_before, extract(epoch from least(ended_at, $1) - started_at)::float8 as seconds
    from machine_state where machine_id = machine.id and started_at < $1 order by started_at desc limit 1
) since on true
{{some_machines}}
"""
# Stops that touch the period, clipped; a stop that lasts ends where its machine was last seen (primary key
# machine_state, asked for those alone).
STOPS = """
select event.machine_id, event.planned,
    extract(epoch from greatest(least(stop.until, $2), $1))::float8 as until,
    extract(epoch from greatest(event.started_at, $1))::float8 as since,
    event.started_at >= $1 as begun
from downtime_event event
cross join lateral (
    select coalesce(
        event.ended_at,
        (select ended_at from machine_state where machine_state.machine_id = event.machine_id
            order by started_at desc limit 1),
        event.started_at
    ) as until
) as stop
where event.started_at < $2 and stop.until > $1 {some}
"""
# Cost of jobs closed in the period.
WORK = """
select machine_id, sum(labour_h * labour_rate + parts_cost)::float8 as cost, count(*) as jobs
from work_order where state = 'done' and closed_at >= $1 and closed_at < $2 {some} group by machine_id
"""


@dataclass(frozen=True, slots=True)
class KpiMachine:
    """What is known of one machine in a period.

    seconds: state -> seconds seen in it; stops: (planned, seconds, begun in the period) of each stop
    """

    id: int
    code: str
    line: str
    template: str
    site: str
    currency: str
    cost_per_h: float
    seconds: dict[str, float]
    stops: tuple[tuple[bool, float, bool], ...]
    maintenance_cost: float
    jobs: int


async def load_kpi_machines(
    connection: Connection, start: datetime, end: datetime, *, site: str | None = None, machine: int | None = None
) -> list[KpiMachine]:
    """All machines of the tenant at work (of a site, or one machine) with what happened in [start, end)."""
    machines = await connection.fetch(MACHINES, site, machine)
    if site is None and machine is None:
        arguments: list[object] = [start, end]
        some, some_machines = "", ""
    else:
        arguments = [start, end, [row["id"] for row in machines]]
        some, some_machines = "and machine_id = any($3)", "where machine.id = any($3)"
    seconds = {
        machine_id: {state: spent for state, spent in zip(_STATES, spans, strict=True) if spent > _NOTHING_S}
        for machine_id, *spans in await connection.fetch(STATES.format(some_machines=some_machines), *arguments)
    }
    stops: dict[int, list[tuple[bool, float, bool]]] = {}
    for row in await connection.fetch(STOPS.format(some=some), *arguments):
        stop = (row["planned"], max(0.0, row["until"] - row["since"]), row["begun"])
        stops.setdefault(row["machine_id"], []).append(stop)
    work = {
        row["machine_id"]: (row["cost"], row["jobs"])
        for row in await connection.fetch(WORK.format(some=some), *arguments)
    }
    return [
        KpiMachine(
            row["id"],
            row["code"],
            row["line"],
            row["template"],
            row["site"],
            row["currency"],
            row["downtime_cost_per_h"],
            seconds.get(row["id"], {}),
            tuple(stops.get(row["id"], ())),
            *work.get(row["id"], (0.0, 0)),
        )
        for row in machines
    ]
