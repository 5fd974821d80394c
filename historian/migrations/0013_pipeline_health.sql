-- Whether what is stored keeps up, for those who may only read, such as Grafana's account.

-- When a machine was last heard of: a row a machine, from blocks of 64 signals and never from readings.
create view machine_seen with (security_barrier) as
select signal.machine_id, max(block.times[signal.id % 64 + 1]) as time
from signal join latest_block block on block.block = signal.id / 64
where signal.tenant_id = (select current_tenant())
group by signal.machine_id
having max(block.times[signal.id % 64 + 1]) > '-infinity';

-- When a writer last committed. Lanes carry every tenant's readings, so that their counts are nobody's to see.
create view pipeline_health with (security_barrier) as
select (select max(committed_at) from spool_position) as committed_at
where (select current_tenant()) is not null;

revoke all on machine_seen, pipeline_health from public;
grant select on machine_seen, pipeline_health to brain_api;
-- An account that Grafana has had sees them without its script being run again.
do $$ begin
    if exists (select from sql_role where role_name = 'grafana_reader')
        and exists (select from pg_roles where rolname = 'grafana_reader') then
        grant select on machine_seen, pipeline_health to grafana_reader;
    end if;
end $$;
