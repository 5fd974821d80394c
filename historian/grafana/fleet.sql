-- The fleet: one row a machine from the small tables, never a look at readings.

-- name: fleet.counts
-- Conditions by primary key; alarms and findings by their partial indexes of what is open.
select count(*) as machines,
    count(*) filter (where condition.state in ('running', 'idle', 'starting')) as operating,
    count(*) filter (where condition.state is null or condition.state = 'off_line') as off_line,
    count(*) filter (where condition.risk >= 0.1) as at_risk,
    coalesce(sum(alarms.active), 0)::int as active_alarms
from machine join site on site.id = machine.site_id
left join machine_condition condition on condition.machine_id = machine.id
left join (
    select machine_id, count(*) as active from alarm where cleared_at is null group by machine_id
) alarms on alarms.machine_id = machine.id
where site.key in (${site:sqlstring})

-- name: fleet.ranking
-- The riskiest first, each with its most probable open finding (index finding_open_once).
select machine.id as machine_id, machine.code as machine, machine.name, site.key as site, machine.line,
    coalesce(condition.state, 'off_line') as state, condition.health, condition.risk, worst.failure_mode,
    worst.probability, worst.act_before, condition.judged_at
from machine join site on site.id = machine.site_id
left join machine_condition condition on condition.machine_id = machine.id
left join lateral (
    select failure_mode, probability, act_before from finding
    where finding.machine_id = machine.id and closed_at is null order by probability desc limit 1
) worst on true
where site.key in (${site:sqlstring})
order by condition.risk desc nulls last, machine.code limit 200

-- name: fleet.states
select coalesce(condition.state, 'off_line') as state, count(*) as machines
from machine join site on site.id = machine.site_id
left join machine_condition condition on condition.machine_id = machine.id
where site.key in (${site:sqlstring}) group by 1 order by 2 desc

-- name: fleet.alarms_raised
-- Alarms by the time they were raised (index alarm_by_time).
select $__timeGroupAlias(alarm.raised_at, $__interval), alarm.severity as metric, count(*)::float8 as value
from alarm join machine on machine.id = alarm.machine_id join site on site.id = machine.site_id
where $__timeFilter(alarm.raised_at) and site.key in (${site:sqlstring})
group by 1, 2 order by 1

-- name: fleet.alarms_active
-- What wants a person now, newest first (index alarm_active_once).
select machine.id as machine_id, machine.code as machine, site.key as site, alarm.limit_key, alarm.severity,
    alarm.raised_at, alarm.value, alarm.threshold, alarm.acknowledged_by
from alarm join machine on machine.id = alarm.machine_id join site on site.id = machine.site_id
where alarm.cleared_at is null and site.key in (${site:sqlstring})
order by alarm.raised_at desc limit 200
