-- The account Grafana reads with: no writing, no accounts or tokens, readings through the tenant's views only.
-- Safe to run again. psql variable: password.

-- Whoever may send SQL of his own may change a session setting, so the binding below keeps tenants apart
-- only as long as there is one. With more it must not exist at all.
do $$
begin
    if (select count(*) from tenant) <> 1 then
        raise exception 'this database holds % tenants: Grafana''s account serves a database of one', (select count(*) from tenant);
    end if;
end $$;

select 'create role grafana_reader login'
where not exists (select from pg_roles where rolname = 'grafana_reader') \gexec

alter role grafana_reader with login nosuperuser nocreatedb nocreaterole nobypassrls noreplication
    connection limit 20 password :'password';
alter role grafana_reader set default_transaction_read_only = on;
alter role grafana_reader set statement_timeout = '30s';
alter role grafana_reader reset brain.tenant_id;
-- Bound by its name: whatever it sets in a session, it stays this tenant's.
insert into sql_role (role_name, tenant_id) select 'grafana_reader', id from tenant
on conflict (role_name) do update set tenant_id = excluded.tenant_id;

grant usage on schema public to grafana_reader;
grant select on tenant, site, machine, signal, signal_latest, machine_condition, machine_state, alarm, finding,
    planned_stop, downtime_event, work_order, quarantine, tenant_reading, tenant_reading_1min, tenant_reading_1h,
    machine_seen, pipeline_health
    to grafana_reader;
-- TimescaleDB looks chunks up in the name of who asks; the right to read them stays with the owner.
select 'grant usage on schema _timescaledb_internal to grafana_reader'
where exists (select from pg_namespace where nspname = '_timescaledb_internal') \gexec
