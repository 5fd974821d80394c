-- What stops cost. The formulas are those of analytics/kpi.py, and a test holds the two together.

-- name: kpis.by_site
-- Time in states is the difference of two rows a machine (0009), however long the range; sites have one currency each.
with chosen as (
    select machine.id, machine.downtime_cost_per_h as cost_per_h, site.key as site, site.currency
    from machine join site on site.id = machine.site_id
    where site.key in (${site:sqlstring}) and machine.id in (${machine:sqlstring})
), spent as (
    select chosen.*, between_.operating, between_.seen
    from chosen cross join lateral (
        select sum(moment.sign * (seconds_before[1] + seconds_before[2] + seconds_before[3]
                + case when state in ('running', 'idle', 'starting') then seconds else 0 end)) as operating,
            sum(moment.sign * (seconds_before[1] + seconds_before[2] + seconds_before[3] + seconds_before[4]
                + seconds_before[5] + seconds_before[6] + case when state <> 'off_line' then seconds else 0 end)) as seen
        from (values (1, $__timeTo()::timestamptz), (-1, $__timeFrom()::timestamptz)) as moment (sign, at)
        cross join lateral (
            select state, seconds_before, extract(epoch from least(ended_at, moment.at) - started_at)::float8 as seconds
            from machine_state where machine_id = chosen.id and started_at < moment.at
            order by started_at desc limit 1
        ) as last
    ) between_
), stopped as (
    select machine_id, count(*) filter (where begun and not planned and not seen_again) as failures,
        coalesce(sum(seconds) filter (where planned), 0) as planned,
        coalesce(sum(seconds) filter (where not planned), 0) as unplanned,
        coalesce(sum(seconds) filter (where begun and not planned), 0) as repair,
        coalesce(sum(doubtful) filter (where not planned), 0) as doubtful
    from (
        select event.machine_id, event.planned, event.seen_again,
            event.started_at >= $__timeFrom() and event.started_at < $__timeTo() as begun,
            extract(epoch from greatest(interval '0',
                least(stop.until, $__timeTo()) - greatest(event.started_at, $__timeFrom())))::float8 as seconds,
            extract(epoch from greatest(interval '0',
                least(event.started_at, $__timeTo()) - greatest(possible.since, $__timeFrom()))
            + greatest(interval '0', least(possible.until, $__timeTo()) - greatest(stop.until, $__timeFrom())))::float8
                as doubtful
        from downtime_event event cross join lateral (
            select coalesce(event.ended_at, (
                select ended_at from machine_state where machine_state.machine_id = event.machine_id
                order by started_at desc limit 1
            ), event.started_at) as until
        ) stop
        cross join lateral (
            select coalesce(event.earliest_start, event.started_at) as since, greatest(stop.until, coalesce(
                event.latest_end, case when event.ended_at is null then now() end)) as until
        ) possible
        where possible.since < $__timeTo() and possible.until > $__timeFrom()
    ) clipped group by machine_id
), worked as (
    select machine_id, sum(labour_h * labour_rate + parts_cost) as cost from work_order
    where state in ('done', 'closed') and closed_at >= $__timeFrom() and closed_at < $__timeTo() group by machine_id
), summed as (
    select spent.site, spent.currency, count(*) as machines,
        coalesce(sum(spent.seen), 0) / 3600 as seen, coalesce(sum(spent.operating), 0) / 3600 as operating,
        count(*) * ($__unixEpochTo() - $__unixEpochFrom()) / 3600.0 as asked,
        coalesce(sum(stopped.failures), 0) as failures, coalesce(sum(stopped.planned), 0) / 3600 as planned,
        coalesce(sum(stopped.unplanned), 0) / 3600 as unplanned, coalesce(sum(stopped.repair), 0) / 3600 as repair,
        coalesce(sum(stopped.doubtful), 0) / 3600 as doubtful,
        coalesce(sum(stopped.unplanned / 3600 * spent.cost_per_h), 0) as downtime_cost,
        coalesce(sum(worked.cost), 0) as maintenance_cost,
        count(*) filter (where spent.seen > 0.000001) as networked
    from spent left join stopped on stopped.machine_id = spent.id left join worked on worked.machine_id = spent.id
    group by spent.site, spent.currency
), judged as (
    select *, least(1, seen / asked) as coverage, seen >= 1 and seen >= 0.05 * asked as enough from summed
)
select site, machines,
    case when enough then 1 - (unplanned + doubtful)
        / nullif(greatest(seen - planned, operating + unplanned) + doubtful, 0) end::float8 as availability,
    case when enough and operating > 0 then operating / coalesce(nullif(failures, 0), -ln(0.05)) end::float8 as mtbf_h,
    case when enough then repair / nullif(failures, 0) end::float8 as mttr_h,
    case when enough then failures end::int as failures,
    case when enough then unplanned end::float8 as unplanned_h,
    case when enough then planned end::float8 as planned_h,
    case when enough then downtime_cost end::float8 as downtime_cost,
    maintenance_cost::float8, currency, (networked::float8 / machines) as networked_share, coverage::float8
from judged order by site

-- name: kpis.downtime
-- Unplanned hours in steps of the range, clipped to each step (index downtime_by_time).
select step.start as time, site.key as metric, sum(extract(epoch from
    least(stop.until, step.start + '$__interval'::interval, $__timeTo()) - greatest(event.started_at, step.start)
))::float8 / 3600 as value
from downtime_event event
join machine on machine.id = event.machine_id join site on site.id = machine.site_id
cross join lateral (
    select coalesce(event.ended_at, (
        select ended_at from machine_state where machine_state.machine_id = event.machine_id
        order by started_at desc limit 1
    ), event.started_at) as until
) stop
join generate_series($__timeFrom()::timestamptz, $__timeTo()::timestamptz, '$__interval'::interval) as step (start)
    on step.start < stop.until and step.start + '$__interval'::interval > event.started_at
    and step.start < $__timeTo()
where not event.planned and event.started_at < $__timeTo() and stop.until > $__timeFrom()
    and site.key in (${site:sqlstring}) and machine.id in (${machine:sqlstring})
group by 1, 2 order by 1

-- name: kpis.pareto
-- What unplanned stops were put down to; without a person's reason the finding that came before it.
select coalesce(event.reason, event.failure_mode, 'unknown') as reason, count(*) as stops,
    sum(extract(epoch from least(stop.until, $__timeTo()) - greatest(event.started_at, $__timeFrom())))::float8 / 3600
        as unplanned_h
from downtime_event event
join machine on machine.id = event.machine_id join site on site.id = machine.site_id
cross join lateral (
    select coalesce(event.ended_at, (
        select ended_at from machine_state where machine_state.machine_id = event.machine_id
        order by started_at desc limit 1
    ), event.started_at) as until
) stop
where not event.planned and event.started_at < $__timeTo() and stop.until > $__timeFrom()
    and site.key in (${site:sqlstring}) and machine.id in (${machine:sqlstring})
group by 1 order by 3 desc limit 15

-- name: kpis.worst
-- The machines whose unplanned stops cost most.
select machine.id as machine_id, machine.code as machine, site.key as site, count(*) as stops,
    sum(stop.hours) as unplanned_h, sum(stop.hours) * machine.downtime_cost_per_h as downtime_cost, site.currency
from downtime_event event
join machine on machine.id = event.machine_id join site on site.id = machine.site_id
cross join lateral (
    select extract(epoch from least(until, $__timeTo()) - greatest(event.started_at, $__timeFrom()))::float8 / 3600
        as hours
    from (select coalesce(event.ended_at, (
        select ended_at from machine_state where machine_state.machine_id = event.machine_id
        order by started_at desc limit 1
    ), event.started_at) as until) as end_
    where until > $__timeFrom()
) stop
where not event.planned and event.started_at < $__timeTo()
    and site.key in (${site:sqlstring}) and machine.id in (${machine:sqlstring})
group by machine.id, site.id order by downtime_cost desc, unplanned_h desc limit 20
