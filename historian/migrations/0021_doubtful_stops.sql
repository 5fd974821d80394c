-- A stop whose beginning or end nobody saw, because no data came: since when and until when it may have lasted.

alter table downtime_event
    add column earliest_start timestamptz,               -- null: it was seen to begin
    add column latest_end timestamptz,                   -- null: it was seen to end, or lasts
    add column seen_again boolean not null default false,  -- the stop before it goes on: no failure of its own
    add check (earliest_start <= started_at),
    add check (latest_end >= ended_at);
grant update (earliest_start, latest_end, seen_again) on downtime_event to brain_api;
alter table kpi_rollup add column doubtful_us bigint not null default 0;  -- of unplanned stops: before and after them

drop function kpi_count_stops(int[], bool[], timestamptz[], timestamptz[], int[]);

-- Stops that have ended. sign: 1 adds, -1 takes away.
create function kpi_count_stops(stops downtime_event[], sign int) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, planned_us, unplanned_us,
        doubtful_us, failures, repair_us, downtime_cost)
    select machine.tenant_id, width.hours, date_trunc(width.unit, hour, 'UTC'), machine.site_id, machine.line,
        machine.template,
        coalesce(sum(us) filter (where seen and planned), 0),
        coalesce(sum(us) filter (where seen and not planned), 0),
        coalesce(sum(us) filter (where not seen), 0),
        coalesce(sum(sign) filter (where seen and not planned and began and not seen_again), 0),
        coalesce(sum(sign * (extract(epoch from ended_at - started_at) * 1e6)::bigint)
            filter (where seen and not planned and began), 0),
        coalesce(sum(us * downtime_cost_per_h / 3.6e9) filter (where seen and not planned), 0)
    from unnest(stops) as stop
    join machine on machine.id = stop.machine_id
    cross join lateral (values
        (started_at, ended_at, true), (earliest_start, started_at, false), (ended_at, latest_end, false)
    ) as part (since, until, seen)
    cross join lateral generate_series(
        date_trunc('hour', since, 'UTC'), greatest(until - interval '1 microsecond', since), interval '1 hour') as hour
    cross join lateral (
        select sign * (extract(epoch from least(until, hour + interval '1 hour') - greatest(since, hour)) * 1e6)::bigint
            as us, hour = date_trunc('hour', since, 'UTC') as began) as spent
    cross join kpi_widths() as width
    where stop.ended_at is not null and (seen or not planned and since < until)
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set planned_us = known.planned_us + excluded.planned_us, unplanned_us = known.unplanned_us + excluded.unplanned_us,
        doubtful_us = known.doubtful_us + excluded.doubtful_us, failures = known.failures + excluded.failures,
        repair_us = known.repair_us + excluded.repair_us, downtime_cost = known.downtime_cost + excluded.downtime_cost
$$;
revoke all on function kpi_count_stops(downtime_event[], int) from public;

create or replace function kpi_count_machines(int[], int) returns void language plpgsql
    set search_path = public, pg_temp as $$
begin
    perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(started_at), array_agg(ended_at),
        array_agg($2)) from machine_state where machine_id = any($1);
    perform kpi_count_stops(array_agg(event), $2) from downtime_event event where machine_id = any($1);
    perform kpi_count_jobs(array_agg(machine_id), array_agg(kind), array_agg(closed_at),
        array_agg(labour_h * labour_rate + parts_cost), array_agg($2))
        from work_order where machine_id = any($1) and state = 'done' and closed_at is not null;
    perform kpi_count_alarms(array_agg(machine_id), array_agg(raised_at), array_agg($2))
        from alarm where machine_id = any($1);
    perform kpi_count_energy(array_agg(machine_id), array_agg(bucket), array_agg(kwh), array_agg(seconds),
        array_agg($2)) from machine_energy where machine_id = any($1);
end $$;

create or replace function kpi_stops_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op <> 'INSERT' then
        perform kpi_count_stops(array_agg(row(old_rows.*)::downtime_event), -1) from old_rows;
    end if;
    if tg_op <> 'DELETE' then
        perform kpi_count_stops(array_agg(row(new_rows.*)::downtime_event), 1) from new_rows;
    end if;
    return null;
end $$;
