-- What alert rules look at: one number a row, everything else becomes a label. They know neither variables nor ranges.

-- name: alerts.link_lost
-- Machines of a site that were heard of in the last week, and not for five minutes.
select site.key as site, count(*) filter (where seen.time <= now() - interval '5 minutes')::float8 as value
from machine join site on site.id = machine.site_id join machine_seen seen on seen.machine_id = machine.id
where seen.time > now() - interval '7 days' group by site.key

-- name: alerts.writer_behind
-- Seconds that the newest stored reading is old while a writer keeps committing: it works, and does not catch up.
select case when health.committed_at > now() - interval '1 minute'
    then greatest(0, extract(epoch from now() - max(seen.time)))::float8 else 0 end as value
from pipeline_health health left join machine_seen seen on true group by health.committed_at

-- name: alerts.machine_at_risk
-- Open findings of machines whose risk is high, as the console marks it; a disturbance of a whole bus counts once
-- (index finding_open_once).
select site.key as site, machine.code as machine, finding.failure_mode, max(condition.risk) as value
from finding
join machine on machine.id = finding.machine_id join site on site.id = machine.site_id
join machine_condition condition on condition.machine_id = machine.id
where finding.closed_at is null and finding.part_of is null and condition.risk >= 0.6
group by site.key, machine.code, finding.failure_mode order by value desc limit 50

-- name: alerts.alarm_flood
-- Alarms of a site in ten minutes (index alarm_by_time). IEC 62682 and EEMUA 191 call more than ten of them a flood.
select site.key as site, count(alarm.id)::float8 as value
from site left join machine on machine.site_id = site.id
left join alarm on alarm.machine_id = machine.id and alarm.raised_at > now() - interval '10 minutes'
group by site.key
