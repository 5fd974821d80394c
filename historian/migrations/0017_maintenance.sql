-- Jobs with evidence, check list, labour, parts and what was found; plans; spare parts; documents of a machine.

alter table work_order
    add column evidence jsonb not null default '[]',          -- of the finding it answers, as it was then
    add column checklist jsonb not null default '[]',         -- list of {text_en, text_zh, done}
    add column attachments jsonb not null default '[]',       -- list of references; the files lie elsewhere
    add column meter_readings jsonb not null default '{}',    -- name -> value, as read by a person
    add column due_at timestamptz,
    add column plan_id int,
    add column verdict text check (verdict in ('confirmed', 'other_fault', 'nothing_found')),
    add column found_mode text;                               -- the failure mode that was found
create index work_order_by_finding on work_order (finding_id) where finding_id is not null;

create table spare_part (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    key text not null,
    name text not null,
    stock float8 not null default 0 check (stock >= 0),
    minimum float8 not null default 0 check (minimum >= 0),
    lead_time_days float8 not null default 0 check (lead_time_days >= 0),
    unit_cost float8 not null default 0 check (unit_cost >= 0),
    failure_modes text[] not null default '{}',               -- that ask for it
    unique (tenant_id, key)
);
create table work_labour (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    work_order_id bigint not null references work_order,
    person text not null,
    hours float8 not null check (hours > 0),
    rate float8 not null check (rate >= 0),
    noted_at timestamptz not null default now()
);
create index work_labour_by_order on work_labour (work_order_id);
create table work_part (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    work_order_id bigint not null references work_order,
    part_id int not null references spare_part,
    quantity float8 not null check (quantity > 0),
    unit_cost float8 not null check (unit_cost >= 0),
    noted_at timestamptz not null default now()
);
create index work_part_by_order on work_part (work_order_id);
create table maintenance_plan (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    title text not null,
    kind text not null check (kind in ('preventive', 'inspection')),
    every_days float8 check (every_days > 0),
    every_running_h float8 check (every_running_h > 0),
    starts_at timestamptz not null default now(),             -- from when on it counts, until it was done once
    checklist jsonb not null default '[]',
    check (every_days is not null or every_running_h is not null)
);
create index maintenance_plan_by_machine on maintenance_plan (machine_id);
alter table work_order add foreign key (plan_id) references maintenance_plan;
create table machine_document (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    title text not null,
    reference text not null,                                  -- where it lies
    added_at timestamptz not null default now()
);
create index machine_document_by_machine on machine_document (machine_id);

do $$
declare
    name text;
begin
    foreach name in array array['spare_part', 'work_labour', 'work_part', 'maintenance_plan', 'machine_document'] loop
        execute format('alter table %I enable row level security', name);
        execute format('create policy tenant_only on %I using (tenant_id = (select current_tenant()))', name);
        execute format('grant select, insert, update, delete on %I to brain_api', name);
    end loop;
end $$;
grant update (commissioned_at, scrapped_at, replacement_value, numerically_controlled) on machine to brain_api;
