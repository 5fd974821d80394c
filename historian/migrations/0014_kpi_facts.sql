-- What KPIs are computed from beside states, stops and jobs: energy, pieces, what a machine is worth, who looks after it.

alter table machine
    add column replacement_value float8 not null default 0 check (replacement_value >= 0),  -- in the site's currency
    add column numerically_controlled boolean not null default false,
    add column scrapped_at timestamptz;
alter table site add column operators int not null default 1 check (operators > 0);   -- who answer its alarms at a time

-- Energy of a machine in an hour, as far as it was measured.
create table machine_energy (
    machine_id int not null references machine,
    tenant_id int not null references tenant,
    bucket timestamptz not null,                 -- start of the hour
    kwh float8 not null,
    seconds float8 not null,                     -- of the hour with a measured power
    basis text not null,                         -- meter, power, power_factor, assumed_power_factor
    primary key (machine_id, bucket)
);
create index machine_energy_by_time on machine_energy (tenant_id, bucket);

-- What a machine made; without such rows it has no performance, quality and OEE.
create table production_count (
    machine_id int not null references machine,
    tenant_id int not null references tenant,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    pieces float8 not null check (pieces >= 0),
    good float8 not null check (good >= 0 and good <= pieces),
    ideal_s float8 not null check (ideal_s > 0), -- planned run time per piece (ISO 22400-2: PRI)
    primary key (machine_id, started_at),
    check (started_at < ended_at)
);
create index production_count_by_time on production_count (tenant_id, started_at);
create index work_order_by_closing on work_order (tenant_id, closed_at) where state = 'done';

do $$
declare
    name text;
begin
    foreach name in array array['machine_energy', 'production_count'] loop
        execute format('alter table %I enable row level security', name);
        execute format('create policy tenant_only on %I using (tenant_id = (select current_tenant()))', name);
        execute format('grant select on %I to brain_api', name);
    end loop;
end $$;
grant insert, update on production_count to brain_api;
