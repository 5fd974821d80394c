-- People and Grafana may send their own SQL, and could then set any session setting: such a role is bound to its
-- tenant by its name. The session setting binds brain_api alone, in which only the application's own SQL runs.

create table sql_role (
    role_name name primary key,
    tenant_id int not null references tenant
);
revoke all on sql_role from public;

create function tenant_of_role(name) returns int language sql stable security definer
    set search_path = pg_catalog, pg_temp
    as $$ select tenant_id from public.sql_role where role_name = $1 $$;

create function current_tenant() returns int language sql stable as $$
    select case current_user
        when 'brain_api' then nullif(current_setting('brain.tenant_id', true), '')::int
        else public.tenant_of_role(current_user)
    end
$$;

-- Asked once a statement, not once a row: hence the selects.
do $$
declare
    name text;
begin
    foreach name in array array[
        'site', 'machine', 'signal', 'quarantine', 'machine_condition', 'machine_state',
        'normal_model', 'alarm', 'finding', 'planned_stop', 'downtime_event', 'work_order'
    ] loop
        execute format('alter policy tenant_only on %I using (tenant_id = (select current_tenant()))', name);
    end loop;
end $$;
alter policy tenant_only on tenant using (id = (select current_tenant()));

create or replace view tenant_reading with (security_barrier) as
select reading.time, reading.signal_id, reading.value, reading.quality, reading.since
from reading_all as reading join signal on signal.id = reading.signal_id
where signal.tenant_id = (select current_tenant());

create or replace view tenant_reading_1min with (security_barrier) as
select rollup.*
from reading_1min as rollup join signal on signal.id = rollup.signal_id
where signal.tenant_id = (select current_tenant());

create or replace view tenant_reading_1h with (security_barrier) as
select rollup.*
from reading_1h as rollup join signal on signal.id = rollup.signal_id
where signal.tenant_id = (select current_tenant());

create or replace view signal_latest with (security_barrier) as
select signal.id as signal_id, signal.machine_id, newest.time, newest.value, newest.quality
from signal
cross join lateral (
    select times[signal.id % 64 + 1] as time, readings[signal.id % 64 + 1] as value,
        qualities[signal.id % 64 + 1] as quality
    from latest_block where block = signal.id / 64 and times[signal.id % 64 + 1] > '-infinity'
    order by times[signal.id % 64 + 1] desc limit 1
) newest
where signal.tenant_id = (select current_tenant());

-- The account that Grafana has had, where there was one.
insert into sql_role (role_name, tenant_id)
select 'grafana_reader', (select id from tenant)
where (select count(*) from tenant) = 1 and exists (select from pg_roles where rolname = 'grafana_reader');
