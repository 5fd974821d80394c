"""What KPIs are computed from, for any period: states, stops, jobs, energy, pieces and alarms, added up in SQL.

Of sites, lines and templates whole hours come from the roll-up (:mod:`historian.kpi_rollup`); what is before and
after them, and single machines, from the rows themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from historian import kpi_rollup
from historian.database import Connection
from historian.kpi_sums import KpiSums

Span = tuple[datetime, datetime]

GROUP_KEYS = {"site": "site.key", "line": "machine.line", "template": "machine.template", "machine": "machine.code"}
# As counted_states() in the migrations.
_STATES = ("running", "idle", "starting", "stopped", "down", "maintenance", "off_line")

# Machines asked for and spans of time; every statement below begins with it.
# $1: starts, $2: ends, $3: site or null, $4: machine or null, $5: template or null, $6: time zone or null.
_CHOSEN = """
with chosen as (
    select machine.id, {key} as key, site.id as site_id, site.currency, site.operators, machine.downtime_cost_per_h,
        machine.replacement_value, machine.numerically_controlled, machine.scrapped_at,
        coalesce(machine.commissioned_at, '-infinity') as born, coalesce(machine.scrapped_at, 'infinity') as gone,
        case jsonb_typeof(machine.nameplate -> 'rated_power')
            when 'number' then (machine.nameplate ->> 'rated_power')::float8 else 0 end as rated_kw
    from machine join site on site.id = machine.site_id
    where ($3::text is null or site.key = $3) and ($4::int is null or machine.id = $4)
        and ($5::text is null or machine.template = $5) and ($6::text is null or site.time_zone = $6)
), span as materialized (
    select since, until, number::int from unnest($1::timestamptz[], $2::timestamptz[])
        with ordinality as entry (since, until, number)
)
"""
COUNT = """
select count(*) from machine join site on site.id = machine.site_id
where ($1::text is null or site.key = $1) and ($2::int is null or machine.id = $2)
    and ($3::text is null or machine.template = $3) and ($4::text is null or site.time_zone = $4)
"""
# A machine counts from commissioning to scrapping, and until now. Most machines share these: counted together.
MACHINES = """
select key, number, sum(count)::float8 as machines,
    sum(count * extract(epoch from greatest(least(until, gone, now()) - greatest(since, born), interval '0')))::float8
        as asked_s,
    sum(value)::float8 as replacement_value, sum(controlled)::float8 as controlled,
    coalesce(sum(count) filter (where scrapped_at >= since and scrapped_at < until), 0)::float8 as scrapped,
    array_agg(distinct currency) as currencies, min(site_id) as site_id,
    (select sum(operators) from site where id = any(array_agg(distinct site_id)))::float8 as operators
from (
    select key, born, gone, scrapped_at, site_id, currency, count(*) as count, sum(replacement_value) as value,
        count(*) filter (where numerically_controlled) as controlled
    from chosen group by 1, 2, 3, 4, 5, 6
) as alike
cross join span
where born < until and gone > since
group by 1, 2
"""
# Machines that sent anything in the span: their newest reading lies in it, or the last interval before its end, which
# is never time off-line, reaches into it (primary key machine_state).
NETWORKED = """
select key, number, count(*)::float8 as networked
from chosen cross join span left join machine_condition newest on newest.machine_id = chosen.id
where newest.judged_at >= since and newest.judged_at < until or exists (
    select from (
        select ended_at from machine_state where machine_id = chosen.id and started_at < span.until
        order by started_at desc limit 1
    ) as last where last.ended_at > span.since
)
group by 1, 2
"""
_SECONDS = """
        until.seconds_before[{place}] - coalesce(since.seconds_before[{place}], 0)
            + case until.state when '{state}' then until.seconds else 0 end
            - case since.state when '{state}' then since.seconds else 0 end as {state}"""
# Seconds in each state, clipped to the span: of each machine the difference between the interval that holds the
# span's end, or is the last before it, and the one that does so for its start, which is mostly the same (primary key
# machine_state).
STATES = f"""
select key, number, {", ".join(f"sum({state})::float8 as {state}_s" for state in _STATES)},
    count(*) filter (where {" + ".join(state for state in _STATES if state != "off_line")} > 1e-6)::float8 as networked
from (
    select chosen.key, span.number,{",".join(_SECONDS.format(place=n + 1, state=key) for n, key in enumerate(_STATES))}
    from span cross join chosen
    cross join lateral (
        select state, seconds_before, started_at, ended_at,
            extract(epoch from least(ended_at, span.until) - started_at)::float8 as seconds
        from machine_state where machine_id = chosen.id and started_at < span.until order by started_at desc limit 1
    ) until
    left join lateral (
        select until.state, until.seconds_before,
            extract(epoch from least(until.ended_at, span.since) - until.started_at)::float8 as seconds
        where until.started_at < span.since
        union all (
            select state, seconds_before,
                extract(epoch from least(ended_at, span.since) - started_at)::float8 as seconds
            from machine_state
            where machine_id = chosen.id and started_at < span.since and until.started_at >= span.since
            order by started_at desc limit 1
        )
    ) since on true
) as spent
group by 1, 2
"""
# Stops that touch the span, clipped; a stop that lasts ends where its machine was last seen (primary key
# machine_state, asked for those alone). A repair belongs to the span in which its stop began, as a whole. In doubt is
# the time without data before and after an unplanned stop, of one that lasts until now.
STOPS = """
select key, number,
    coalesce(sum(inside) filter (where planned), 0)::float8 as planned_s,
    coalesce(sum(inside) filter (where not planned), 0)::float8 as unplanned_s,
    coalesce(sum(doubtful) filter (where not planned), 0)::float8 as doubtful_s,
    coalesce(sum(inside / 3600 * downtime_cost_per_h) filter (where not planned), 0)::float8 as downtime_cost,
    count(*) filter (where not planned and begun and not seen_again)::float8 as failures,
    coalesce(sum(whole) filter (where not planned and begun), 0)::float8 as repair_s
from (
    select chosen.key, span.number, event.planned, event.seen_again, chosen.downtime_cost_per_h,
        extract(epoch from greatest(interval '0',
            least(stop.until, span.until) - greatest(event.started_at, span.since))) as inside,
        extract(epoch from greatest(interval '0',
            least(event.started_at, span.until) - greatest(possible.since, span.since))
        + greatest(interval '0', least(possible.until, span.until) - greatest(stop.until, span.since))) as doubtful,
        extract(epoch from stop.until - event.started_at) as whole,
        event.started_at >= span.since and event.started_at < span.until as begun
    from downtime_event event
    join chosen on chosen.id = event.machine_id
    cross join lateral (
        select coalesce(
            event.ended_at,
            (select greatest(ended_at, event.started_at) from machine_state
                where machine_state.machine_id = event.machine_id order by started_at desc limit 1),
            event.started_at
        ) as until
    ) as stop
    cross join lateral (
        select coalesce(event.earliest_start, event.started_at) as since, greatest(stop.until, coalesce(
            event.latest_end, case when event.ended_at is null then least(now(), chosen.gone) end)) as until
    ) as possible
    join span on possible.since < span.until and (possible.until > span.since or event.started_at >= span.since)
    {which}
) as touched
group by 1, 2
"""
# Jobs closed in the span (index work_order_by_closing). A corrective job is one that nobody had planned.
WORK = """
select key, number,
    coalesce(sum(cost) filter (where kind = 'corrective'), 0)::float8 as corrective_cost,
    coalesce(sum(cost) filter (where kind = 'preventive'), 0)::float8 as preventive_cost,
    coalesce(sum(cost) filter (where kind = 'condition_based'), 0)::float8 as condition_based_cost,
    coalesce(sum(cost) filter (where kind = 'inspection'), 0)::float8 as inspection_cost,
    count(*) filter (where kind <> 'corrective')::float8 as jobs_planned,
    count(*) filter (where kind = 'corrective')::float8 as jobs_unplanned
from (
    select machine_id, kind, closed_at, labour_h * labour_rate + parts_cost as cost from work_order
    where state in ('done', 'closed')
        and closed_at >= (select min(since) from span) and closed_at < (select max(until) from span)
) as job
join chosen on chosen.id = job.machine_id join span on closed_at >= since and closed_at < until
group by 1, 2
"""
# Whole hours of energy (index machine_energy_by_time).
ENERGY = """
select key, number, sum(kwh)::float8 as kwh, sum(seconds)::float8 as energy_s,
    sum(seconds / 3600 * rated_kw)::float8 as rated_kwh
from machine_energy energy
join chosen on chosen.id = energy.machine_id
join span on energy.bucket >= since and energy.bucket + interval '1 hour' <= until
where energy.bucket >= (select min(since) from span) and energy.bucket < (select max(until) from span)
group by 1, 2
"""
PRODUCTION = """
select key, number, sum(pieces)::float8 as pieces, sum(good)::float8 as good, sum(pieces * ideal_s)::float8 as ideal_s,
    sum(extract(epoch from ended_at - started_at))::float8 as counted_s
from production_count made
join chosen on chosen.id = made.machine_id join span on made.started_at >= since and made.started_at < until
group by 1, 2
"""
# Alarms raised in the span (index alarm_by_time).
ALARMS = """
select key, number, count(*)::float8 as alarms
from alarm join chosen on chosen.id = alarm.machine_id join span on raised_at >= since and raised_at < until
where raised_at >= (select min(since) from span) and raised_at < (select max(until) from span)
group by 1, 2
"""
_FACTS = (STATES, STOPS.format(which=""), WORK, ENERGY, PRODUCTION, ALARMS)
_LASTING = STOPS.format(which="where event.ended_at is null")
_ENDED = STOPS.format(which="where event.ended_at is not null")
# Of less than an hour before and after whole hours: what does not come from the roll-up.
_EDGES = (STATES, _ENDED, WORK, ALARMS)
_NOT_SUMS = ("key", "number", "currencies", "site_id")
# Machines times spans; more of them are too many to look each up.
_MOST_LOOKED_UP = 50_000


@dataclass(frozen=True, slots=True)
class KpiAsk:
    """Which machines: of a site, of a template, one, of the sites in a time zone; ``None`` means all."""

    group_by: str = "site"
    site: str | None = None
    machine: int | None = None
    template: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class KpiRow:
    """Sums of a group in one of the spans asked for; ``currency`` is empty where there are several."""

    key: str
    span: int
    currency: str
    sums: KpiSums


async def count_machines(connection: Connection, ask: KpiAsk) -> int:
    """How many machines are asked for."""
    count: int = await connection.fetchval(COUNT, ask.site, ask.machine, ask.template, ask.zone)
    return count


async def load_kpi_sums(connection: Connection, spans: Sequence[Span], ask: KpiAsk) -> list[KpiRow]:
    """Sums by group and span, exact to the microsecond (energy: whole hours), for the tenant at work.

    ``networked`` is nan over a series of many spans of many machines: it does not add up, and would take seconds.
    """
    chosen = _CHOSEN.format(key=GROUP_KEYS[ask.group_by])
    since, until = [start for start, _ in spans], [end for _, end in spans]
    arguments = [since, until, ask.site, ask.machine, ask.template, ask.zone]
    machines = await connection.fetch(chosen + MACHINES, *arguments)
    found: dict[tuple[str, int], dict[str, float]] = {(row["key"], row["number"]): _amounts(row) for row in machines}

    async def add(statement: str, *values: object, numbers: Sequence[int] = (), without: Sequence[str] = ()) -> None:
        for row in await connection.fetch(statement, *values):
            number = numbers[row["number"] - 1] if numbers else row["number"]
            known = found.get((row["key"], number), {})
            for key, value in _amounts(row).items():
                if key not in without:
                    known[key] = known.get(key, 0.0) + value

    if ask.machine is None and ask.group_by in kpi_rollup.KEYS:
        whole, edges = kpi_rollup.divide(spans)
        if whole:
            statement = kpi_rollup.SUMS.format(key=kpi_rollup.KEYS[ask.group_by])
            await add(statement, *kpi_rollup.pieces(whole), ask.site, ask.template, ask.zone)
        if edges:
            numbers, *borders = (list(column) for column in zip(*edges, strict=True))
            for statement in _EDGES:
                await add(chosen + statement, *borders, *arguments[2:], numbers=numbers, without=("networked",))
        for statement in (_LASTING, PRODUCTION):
            await add(chosen + statement, *arguments)
        if sum(row["machines"] for row in machines) <= _MOST_LOOKED_UP:
            await add(chosen + NETWORKED, *arguments)
        else:
            for known in found.values():
                known["networked"] = float("nan")
    else:
        for statement in _FACTS:
            await add(chosen + statement, *arguments)
    order = {(row["key"], row["number"]): (row["site_id"], row["currencies"]) for row in machines}
    return [
        KpiRow(key, number - 1, currencies[0] if len(currencies) == 1 else "", KpiSums(**found[key, number]))
        for (key, number), (_, currencies) in sorted(order.items(), key=lambda item: (item[1][0], item[0]))
    ]


def _amounts(row: object) -> dict[str, float]:
    return {key: value for key, value in dict(row).items() if key not in _NOT_SUMS}  # type: ignore[call-overload]
