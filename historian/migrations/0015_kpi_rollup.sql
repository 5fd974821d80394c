-- Amounts that KPIs are computed from, by hour and day (UTC), added up over the machines of a site, line and template.
-- Kept right by triggers that add what comes and take away what goes: sums need no second look at what did not change.

create table kpi_rollup (
    tenant_id int not null references tenant,
    hours int2 not null check (hours in (1, 24)),         -- width of the bucket
    bucket timestamptz not null,                          -- its start
    site_id int not null references site,
    line text not null,
    template text not null,
    running_us bigint not null default 0,
    idle_us bigint not null default 0,
    starting_us bigint not null default 0,
    stopped_us bigint not null default 0,
    down_us bigint not null default 0,
    maintenance_us bigint not null default 0,
    off_line_us bigint not null default 0,
    planned_us bigint not null default 0,                 -- of stops that have ended
    unplanned_us bigint not null default 0,
    failures bigint not null default 0,                   -- unplanned stops that began here, and
    repair_us bigint not null default 0,                  -- their whole length
    downtime_cost float8 not null default 0,
    corrective_cost float8 not null default 0,            -- of jobs closed here
    preventive_cost float8 not null default 0,
    condition_based_cost float8 not null default 0,
    inspection_cost float8 not null default 0,
    jobs_planned bigint not null default 0,
    jobs_unplanned bigint not null default 0,
    alarms bigint not null default 0,
    kwh float8 not null default 0,
    energy_us bigint not null default 0,
    rated_kwh float8 not null default 0,
    primary key (tenant_id, hours, bucket, site_id, line, template)
);
alter table kpi_rollup enable row level security;
create policy tenant_only on kpi_rollup using (tenant_id = (select current_tenant()));
grant select on kpi_rollup to brain_api;
-- Stops that last are added when they are asked for.
create index downtime_lasting on downtime_event (machine_id) where ended_at is null;

create function kpi_widths() returns table (hours int2, unit text) language sql immutable as $$
    values (1::int2, 'hour'), (24::int2, 'day')
$$;

-- sign: 1 adds, -1 takes away. Rows are locked in one order by all.
create function kpi_count_states(int[], text[], timestamptz[], timestamptz[], int[]) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, running_us, idle_us,
        starting_us, stopped_us, down_us, maintenance_us, off_line_us)
    select machine.tenant_id, width.hours, date_trunc(width.unit, hour, 'UTC'), machine.site_id, machine.line,
        machine.template,
        coalesce(sum(us) filter (where state = 'running'), 0), coalesce(sum(us) filter (where state = 'idle'), 0),
        coalesce(sum(us) filter (where state = 'starting'), 0), coalesce(sum(us) filter (where state = 'stopped'), 0),
        coalesce(sum(us) filter (where state = 'down'), 0), coalesce(sum(us) filter (where state = 'maintenance'), 0),
        coalesce(sum(us) filter (where state = 'off_line'), 0)
    from unnest($1, $2, $3, $4, $5) as change (machine_id, state, since, until, sign)
    join machine on machine.id = change.machine_id
    cross join lateral generate_series(
        date_trunc('hour', since, 'UTC'), until - interval '1 microsecond', interval '1 hour') as hour
    cross join lateral (
        select sign * (extract(epoch from least(until, hour + interval '1 hour') - greatest(since, hour)) * 1e6)::bigint
            as us) as spent
    cross join kpi_widths() as width
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set running_us = known.running_us + excluded.running_us, idle_us = known.idle_us + excluded.idle_us,
        starting_us = known.starting_us + excluded.starting_us, stopped_us = known.stopped_us + excluded.stopped_us,
        down_us = known.down_us + excluded.down_us,
        maintenance_us = known.maintenance_us + excluded.maintenance_us,
        off_line_us = known.off_line_us + excluded.off_line_us
$$;

create function kpi_count_stops(int[], bool[], timestamptz[], timestamptz[], int[]) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, planned_us, unplanned_us,
        failures, repair_us, downtime_cost)
    select machine.tenant_id, width.hours, date_trunc(width.unit, hour, 'UTC'), machine.site_id, machine.line,
        machine.template,
        coalesce(sum(us) filter (where planned), 0), coalesce(sum(us) filter (where not planned), 0),
        coalesce(sum(sign) filter (where not planned and began), 0),
        coalesce(sum(whole_us) filter (where not planned and began), 0),
        coalesce(sum(us * downtime_cost_per_h / 3.6e9) filter (where not planned), 0)
    from unnest($1, $2, $3, $4, $5) as change (machine_id, planned, since, until, sign)
    join machine on machine.id = change.machine_id
    cross join lateral generate_series(
        date_trunc('hour', since, 'UTC'), greatest(until - interval '1 microsecond', since), interval '1 hour') as hour
    cross join lateral (
        select sign * (extract(epoch from least(until, hour + interval '1 hour') - greatest(since, hour)) * 1e6)::bigint
            as us, sign * (extract(epoch from until - since) * 1e6)::bigint as whole_us,
            hour = date_trunc('hour', since, 'UTC') as began) as spent
    cross join kpi_widths() as width
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set planned_us = known.planned_us + excluded.planned_us, unplanned_us = known.unplanned_us + excluded.unplanned_us,
        failures = known.failures + excluded.failures, repair_us = known.repair_us + excluded.repair_us,
        downtime_cost = known.downtime_cost + excluded.downtime_cost
$$;

create function kpi_count_jobs(int[], text[], timestamptz[], float8[], int[]) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, corrective_cost,
        preventive_cost, condition_based_cost, inspection_cost, jobs_planned, jobs_unplanned)
    select machine.tenant_id, width.hours, date_trunc(width.unit, closed_at, 'UTC'), machine.site_id, machine.line,
        machine.template,
        coalesce(sum(sign * cost) filter (where kind = 'corrective'), 0),
        coalesce(sum(sign * cost) filter (where kind = 'preventive'), 0),
        coalesce(sum(sign * cost) filter (where kind = 'condition_based'), 0),
        coalesce(sum(sign * cost) filter (where kind = 'inspection'), 0),
        coalesce(sum(sign) filter (where kind <> 'corrective'), 0),
        coalesce(sum(sign) filter (where kind = 'corrective'), 0)
    from unnest($1, $2, $3, $4, $5) as change (machine_id, kind, closed_at, cost, sign)
    join machine on machine.id = change.machine_id
    cross join kpi_widths() as width
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set corrective_cost = known.corrective_cost + excluded.corrective_cost,
        preventive_cost = known.preventive_cost + excluded.preventive_cost,
        condition_based_cost = known.condition_based_cost + excluded.condition_based_cost,
        inspection_cost = known.inspection_cost + excluded.inspection_cost,
        jobs_planned = known.jobs_planned + excluded.jobs_planned,
        jobs_unplanned = known.jobs_unplanned + excluded.jobs_unplanned
$$;

create function kpi_count_alarms(int[], timestamptz[], int[]) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, alarms)
    select machine.tenant_id, width.hours, date_trunc(width.unit, raised_at, 'UTC'), machine.site_id, machine.line,
        machine.template, sum(sign)
    from unnest($1, $2, $3) as change (machine_id, raised_at, sign)
    join machine on machine.id = change.machine_id
    cross join kpi_widths() as width
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set alarms = known.alarms + excluded.alarms
$$;

create function kpi_count_energy(int[], timestamptz[], float8[], float8[], int[]) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, kwh, energy_us, rated_kwh)
    select machine.tenant_id, width.hours, date_trunc(width.unit, change.bucket, 'UTC'), machine.site_id, machine.line,
        machine.template, sum(sign * change.kwh), sum(sign * (seconds * 1e6)::bigint),
        sum(sign * seconds / 3600 * case jsonb_typeof(nameplate -> 'rated_power')
            when 'number' then (nameplate ->> 'rated_power')::float8 else 0 end)
    from unnest($1, $2, $3, $4, $5) as change (machine_id, bucket, kwh, seconds, sign)
    join machine on machine.id = change.machine_id
    cross join kpi_widths() as width
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set kwh = known.kwh + excluded.kwh, energy_us = known.energy_us + excluded.energy_us,
        rated_kwh = known.rated_kwh + excluded.rated_kwh
$$;

-- Everything of these machines, where it is registered now.
create function kpi_count_machines(int[], int) returns void language plpgsql
    set search_path = public, pg_temp as $$
begin
    perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(started_at), array_agg(ended_at),
        array_agg($2)) from machine_state where machine_id = any($1);
    perform kpi_count_stops(array_agg(machine_id), array_agg(planned), array_agg(started_at), array_agg(ended_at),
        array_agg($2)) from downtime_event where machine_id = any($1) and ended_at is not null;
    perform kpi_count_jobs(array_agg(machine_id), array_agg(kind), array_agg(closed_at),
        array_agg(labour_h * labour_rate + parts_cost), array_agg($2))
        from work_order where machine_id = any($1) and state = 'done' and closed_at is not null;
    perform kpi_count_alarms(array_agg(machine_id), array_agg(raised_at), array_agg($2))
        from alarm where machine_id = any($1);
    perform kpi_count_energy(array_agg(machine_id), array_agg(bucket), array_agg(kwh), array_agg(seconds),
        array_agg($2)) from machine_energy where machine_id = any($1);
end $$;

-- The triggers work for the owner: who changes a stop may not write here himself.
create function kpi_states_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(started_at), array_agg(ended_at),
            array_agg(1)) from new_rows;
    elsif tg_op = 'DELETE' then
        perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(started_at), array_agg(ended_at),
            array_agg(-1)) from old_rows;
    else
        -- A state that goes on: only what is new of it is looked at.
        perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(since), array_agg(until),
            array_agg(sign))
        from (
            select later.machine_id, later.state, least(earlier.ended_at, later.ended_at) as since,
                greatest(earlier.ended_at, later.ended_at) as until,
                case when later.ended_at > earlier.ended_at then 1 else -1 end as sign
            from new_rows later join old_rows earlier using (machine_id, started_at)
            where later.state = earlier.state and later.ended_at <> earlier.ended_at
            union all
            select earlier.machine_id, earlier.state, earlier.started_at, earlier.ended_at, -1
            from old_rows earlier left join new_rows later using (machine_id, started_at)
            where later.state is distinct from earlier.state
            union all
            select later.machine_id, later.state, later.started_at, later.ended_at, 1
            from new_rows later left join old_rows earlier using (machine_id, started_at)
            where earlier.state is distinct from later.state
        ) as change;
    end if;
    return null;
end $$;

create function kpi_stops_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op <> 'INSERT' then
        perform kpi_count_stops(array_agg(machine_id), array_agg(planned), array_agg(started_at), array_agg(ended_at),
            array_agg(-1)) from old_rows where ended_at is not null;
    end if;
    if tg_op <> 'DELETE' then
        perform kpi_count_stops(array_agg(machine_id), array_agg(planned), array_agg(started_at), array_agg(ended_at),
            array_agg(1)) from new_rows where ended_at is not null;
    end if;
    return null;
end $$;

create function kpi_jobs_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op <> 'INSERT' then
        perform kpi_count_jobs(array_agg(machine_id), array_agg(kind), array_agg(closed_at),
            array_agg(labour_h * labour_rate + parts_cost), array_agg(-1))
            from old_rows where state = 'done' and closed_at is not null;
    end if;
    if tg_op <> 'DELETE' then
        perform kpi_count_jobs(array_agg(machine_id), array_agg(kind), array_agg(closed_at),
            array_agg(labour_h * labour_rate + parts_cost), array_agg(1))
            from new_rows where state = 'done' and closed_at is not null;
    end if;
    return null;
end $$;

create function kpi_alarms_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        perform kpi_count_alarms(array_agg(machine_id), array_agg(raised_at), array_agg(1)) from new_rows;
    else
        perform kpi_count_alarms(array_agg(machine_id), array_agg(raised_at), array_agg(-1)) from old_rows;
    end if;
    return null;
end $$;

create function kpi_energy_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op <> 'INSERT' then
        perform kpi_count_energy(array_agg(machine_id), array_agg(bucket), array_agg(kwh), array_agg(seconds),
            array_agg(-1)) from old_rows;
    end if;
    if tg_op <> 'DELETE' then
        perform kpi_count_energy(array_agg(machine_id), array_agg(bucket), array_agg(kwh), array_agg(seconds),
            array_agg(1)) from new_rows;
    end if;
    return null;
end $$;

-- A machine that moves to another line, or costs more, takes its past with it.
create function kpi_machine_changes() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    perform kpi_count_machines(array[old.id], case tg_when when 'BEFORE' then -1 else 1 end);
    return new;
end $$;

do $$
declare
    entry text[];
begin
    foreach entry slice 1 in array array[
        ['machine_state', 'kpi_states_changed'], ['downtime_event', 'kpi_stops_changed'],
        ['work_order', 'kpi_jobs_changed'], ['machine_energy', 'kpi_energy_changed'], ['alarm', 'kpi_alarms_changed']
    ] loop
        execute format('create trigger kpi_inserted after insert on %I referencing new table as new_rows
            for each statement execute function %I()', entry[1], entry[2]);
        execute format('create trigger kpi_deleted after delete on %I referencing old table as old_rows
            for each statement execute function %I()', entry[1], entry[2]);
        if entry[1] <> 'alarm' then  -- when and where an alarm was raised never changes
            execute format('create trigger kpi_updated after update on %I referencing old table as old_rows
                new table as new_rows for each statement execute function %I()', entry[1], entry[2]);
        end if;
        execute format('revoke all on function %I() from public', entry[2]);
    end loop;
end $$;
create trigger kpi_before_move before update on machine for each row
    when (row(old.site_id, old.line, old.template, old.downtime_cost_per_h, old.nameplate -> 'rated_power')
        is distinct from row(new.site_id, new.line, new.template, new.downtime_cost_per_h, new.nameplate -> 'rated_power'))
    execute function kpi_machine_changes();
create trigger kpi_after_move after update on machine for each row
    when (row(old.site_id, old.line, old.template, old.downtime_cost_per_h, old.nameplate -> 'rated_power')
        is distinct from row(new.site_id, new.line, new.template, new.downtime_cost_per_h, new.nameplate -> 'rated_power'))
    execute function kpi_machine_changes();
revoke all on function kpi_machine_changes(), kpi_count_machines(int[], int), kpi_widths(),
    kpi_count_states(int[], text[], timestamptz[], timestamptz[], int[]),
    kpi_count_stops(int[], bool[], timestamptz[], timestamptz[], int[]),
    kpi_count_jobs(int[], text[], timestamptz[], float8[], int[]),
    kpi_count_alarms(int[], timestamptz[], int[]),
    kpi_count_energy(int[], timestamptz[], float8[], float8[], int[]) from public;

-- A line at a time: each bucket is written once.
select kpi_count_machines(array_agg(id), 1) from machine group by site_id, line, template;
