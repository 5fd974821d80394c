-- Work orders go from state to state, and it is kept who took them there; what is sent twice is noted once.

alter table work_order drop constraint work_order_state_check;
alter table work_order add constraint work_order_state_check check (
    state in ('open', 'assigned', 'in_progress', 'waiting_for_parts', 'done', 'closed', 'cancelled')
);
create table work_step (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    work_order_id bigint not null references work_order,
    from_state text not null,
    to_state text not null,
    taken_by text not null default '',
    taken_at timestamptz not null default now()
);
create index work_step_by_order on work_step (work_order_id, id);
alter table work_step enable row level security;
create policy tenant_only on work_step using (tenant_id = (select current_tenant()));
grant select, insert on work_step to brain_api;

-- Given by whoever sends it, so that sending it again changes nothing.
alter table work_labour add column request text, add unique (work_order_id, request);
alter table work_part add column request text, add unique (work_order_id, request);

-- A job counts from the moment it was done, whether or not somebody has closed it since.
drop index work_order_by_closing;
create index work_order_by_closing on work_order (tenant_id, closed_at) where state in ('done', 'closed');

drop function kpi_count_jobs(int[], text[], timestamptz[], float8[], int[]);

-- Jobs that are done. sign: 1 adds, -1 takes away.
create function kpi_count_jobs(jobs work_order[], sign int) returns void language sql
    set search_path = public, pg_temp as $$
    insert into kpi_rollup as known (tenant_id, hours, bucket, site_id, line, template, corrective_cost,
        preventive_cost, condition_based_cost, inspection_cost, jobs_planned, jobs_unplanned)
    select machine.tenant_id, width.hours, date_trunc(width.unit, job.closed_at, 'UTC'), machine.site_id, machine.line,
        machine.template,
        coalesce(sum(sign * spent.cost) filter (where job.kind = 'corrective'), 0),
        coalesce(sum(sign * spent.cost) filter (where job.kind = 'preventive'), 0),
        coalesce(sum(sign * spent.cost) filter (where job.kind = 'condition_based'), 0),
        coalesce(sum(sign * spent.cost) filter (where job.kind = 'inspection'), 0),
        coalesce(sum(sign) filter (where job.kind <> 'corrective'), 0),
        coalesce(sum(sign) filter (where job.kind = 'corrective'), 0)
    from unnest(jobs) as job
    join machine on machine.id = job.machine_id
    cross join lateral (select job.labour_h * job.labour_rate + job.parts_cost as cost) as spent
    cross join kpi_widths() as width
    where job.state in ('done', 'closed') and job.closed_at is not null
    group by 1, 2, 3, 4, 5, 6 order by 1, 2, 3, 4, 5, 6
    on conflict (tenant_id, hours, bucket, site_id, line, template) do update
    set corrective_cost = known.corrective_cost + excluded.corrective_cost,
        preventive_cost = known.preventive_cost + excluded.preventive_cost,
        condition_based_cost = known.condition_based_cost + excluded.condition_based_cost,
        inspection_cost = known.inspection_cost + excluded.inspection_cost,
        jobs_planned = known.jobs_planned + excluded.jobs_planned,
        jobs_unplanned = known.jobs_unplanned + excluded.jobs_unplanned
$$;
revoke all on function kpi_count_jobs(work_order[], int) from public;

create or replace function kpi_count_machines(int[], int) returns void language plpgsql
    set search_path = public, pg_temp as $$
begin
    perform kpi_count_states(array_agg(machine_id), array_agg(state), array_agg(started_at), array_agg(ended_at),
        array_agg($2)) from machine_state where machine_id = any($1);
    perform kpi_count_stops(array_agg(event), $2) from downtime_event event where machine_id = any($1);
    perform kpi_count_jobs(array_agg(job), $2) from work_order job where machine_id = any($1);
    perform kpi_count_alarms(array_agg(machine_id), array_agg(raised_at), array_agg($2))
        from alarm where machine_id = any($1);
    perform kpi_count_energy(array_agg(machine_id), array_agg(bucket), array_agg(kwh), array_agg(seconds),
        array_agg($2)) from machine_energy where machine_id = any($1);
end $$;

create or replace function kpi_jobs_changed() returns trigger language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    if tg_op <> 'INSERT' then
        perform kpi_count_jobs(array_agg(row(old_rows.*)::work_order), -1) from old_rows;
    end if;
    if tg_op <> 'DELETE' then
        perform kpi_count_jobs(array_agg(row(new_rows.*)::work_order), 1) from new_rows;
    end if;
    return null;
end $$;
