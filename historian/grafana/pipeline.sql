-- Whether readings arrive and are stored.

-- name: pipeline.now
-- A row a machine, from blocks of 64 signals (view machine_seen).
select extract(epoch from now() - max(seen.time))::float8 as newest_age_s,
    extract(epoch from now() - (select committed_at from pipeline_health))::float8 as commit_age_s,
    count(*) filter (where seen.time > now() - interval '5 minutes') as sending,
    count(*) filter (where seen.time is null or seen.time <= now() - interval '5 minutes') as silent
from machine join site on site.id = machine.site_id left join machine_seen seen on seen.machine_id = machine.id
where site.key in (${site:sqlstring})

-- name: pipeline.rate
-- Readings a minute by the time they were measured: minutes up to six hours, hours beyond (BRIN on bucket). Added up
-- before they are put into steps, so that millions of rows are hashed and never sorted.
select $__timeGroupAlias(entry.time, $__interval), entry.metric, avg(entry.readings) as value
from (
    select minute.bucket as time, site.key as metric, sum(minute.count)::float8 as readings
    from tenant_reading_1min minute join signal on signal.id = minute.signal_id
    join machine on machine.id = signal.machine_id join site on site.id = machine.site_id
    where $__unixEpochTo() - $__unixEpochFrom() <= 21600 and $__timeFilter(minute.bucket)
        and site.key in (${site:sqlstring})
    group by 1, 2
    union all
    select hour.bucket, site.key, sum(hour.count)::float8 / 60
    from tenant_reading_1h hour join signal on signal.id = hour.signal_id
    join machine on machine.id = signal.machine_id join site on site.id = machine.site_id
    where $__unixEpochTo() - $__unixEpochFrom() > 21600 and $__timeFilter(hour.bucket)
        and site.key in (${site:sqlstring})
    group by 1, 2
) as entry
group by 1, 2 order by 1

-- name: pipeline.silent
-- Machines that have not been heard of for five minutes, longest first; never is longest.
select machine.id as machine_id, machine.code as machine, site.key as site, machine.line, seen.time as measured_at,
    extract(epoch from now() - seen.time)::float8 as reading_age_s
from machine join site on site.id = machine.site_id left join machine_seen seen on seen.machine_id = machine.id
where (seen.time is null or seen.time <= now() - interval '5 minutes') and site.key in (${site:sqlstring})
order by seen.time nulls first, machine.code limit 200

-- name: pipeline.quarantine
-- What could not be taken as a reading (index quarantine_by_time).
select $__timeGroupAlias(received_at, $__interval), reason as metric, count(*)::float8 as value
from quarantine where $__timeFilter(received_at) group by 1, 2 order by 1

-- name: pipeline.quarantined
select received_at, source, address, reason as quarantine_reason, detail
from quarantine where $__timeFilter(received_at) order by received_at desc limit 100
