-- One machine.

-- name: machine.condition
select coalesce(condition.state, 'off_line') as state, condition.health, condition.risk,
    extract(epoch from now() - seen.time)::float8 as reading_age_s
from machine
left join machine_condition condition on condition.machine_id = machine.id
left join lateral (
    select max(time) as time from signal_latest where signal_latest.machine_id = machine.id
) seen on true
where machine.id = nullif(${machine:sqlstring}, '')::int

-- name: machine.trend
-- Readings up to two hours, minutes up to a fortnight, hours beyond. The length of the range is a constant when the
-- database plans, so that two of the three are not even opened (unique keys of signal and time). :units chooses signals.
select $__timeGroupAlias(entry.time, $__interval), entry.metric,
    case ${statistic:sqlstring} when 'minimum' then min(entry.minimum) when 'maximum' then max(entry.maximum)
        else sum(entry.average * entry.count) / sum(entry.count) end as value
from (
    select reading.time, signal.key || ' [' || signal.unit || ']' as metric, reading.value as average,
        reading.value as minimum, reading.value as maximum, 1 as count
    from signal join tenant_reading reading on reading.signal_id = signal.id
    where $__unixEpochTo() - $__unixEpochFrom() <= 7200
        and signal.machine_id = nullif(${machine:sqlstring}, '')::int and signal.key in (${signal:sqlstring})
        and signal.unit :units and $__timeFilter(reading.time)
        and reading.since >= date_trunc('hour', $__timeFrom()::timestamptz, 'UTC') and reading.since <= $__timeTo()
        and reading.value is not null and reading.quality < 2
    union all
    select minute.bucket, signal.key || ' [' || signal.unit || ']', minute.average, minute.minimum, minute.maximum,
        minute.count
    from signal join tenant_reading_1min minute on minute.signal_id = signal.id
    where $__unixEpochTo() - $__unixEpochFrom() > 7200 and $__unixEpochTo() - $__unixEpochFrom() <= 1209600
        and signal.machine_id = nullif(${machine:sqlstring}, '')::int and signal.key in (${signal:sqlstring})
        and signal.unit :units and $__timeFilter(minute.bucket)
    union all
    select hour.bucket, signal.key || ' [' || signal.unit || ']', hour.average, hour.minimum, hour.maximum, hour.count
    from signal join tenant_reading_1h hour on hour.signal_id = signal.id
    where $__unixEpochTo() - $__unixEpochFrom() > 1209600
        and signal.machine_id = nullif(${machine:sqlstring}, '')::int and signal.key in (${signal:sqlstring})
        and signal.unit :units and $__timeFilter(hour.bucket)
) as entry
group by 1, 2 order by 1

-- name: machine.states
-- Intervals that touch the range (primary key machine_state); the last row ends what is known, and draws nothing after it.
select greatest(started_at, $__timeFrom()) as time, state
from machine_state
where machine_id = nullif(${machine:sqlstring}, '')::int and ended_at > $__timeFrom() and started_at < $__timeTo()
union all
select max(ended_at), null from machine_state
where machine_id = nullif(${machine:sqlstring}, '')::int and ended_at > $__timeFrom() and started_at < $__timeTo()
having max(ended_at) < $__timeTo()
order by 1

-- name: machine.findings
-- Open ones, and those that were open in the range.
select failure_mode, probability, severity, opened_at, act_before, closed_at from finding
where machine_id = nullif(${machine:sqlstring}, '')::int and opened_at < $__timeTo()
    and (closed_at is null or closed_at > $__timeFrom())
order by closed_at desc nulls first, probability desc limit 100

-- name: machine.alarms
select limit_key, severity, raised_at, cleared_at, value, threshold, acknowledged_by from alarm
where machine_id = nullif(${machine:sqlstring}, '')::int and raised_at < $__timeTo()
    and (cleared_at is null or cleared_at > $__timeFrom())
order by raised_at desc limit 100

-- name: machine.signals
-- Newest readings; the view is asked for the machine, or it would look up those of all.
select signal.key as signal, latest.value, signal.unit, latest.time as measured_at, latest.quality
from signal
left join (
    select * from signal_latest where machine_id = nullif(${machine:sqlstring}, '')::int
) latest on latest.signal_id = signal.id
where signal.machine_id = nullif(${machine:sqlstring}, '')::int order by signal.id

-- name: machine.jobs
select kind, state as job_state, title, opened_at, closed_at, labour_h * labour_rate + parts_cost as cost
from work_order
where machine_id = nullif(${machine:sqlstring}, '')::int and opened_at < $__timeTo()
    and (closed_at is null or closed_at > $__timeFrom())
order by opened_at desc limit 100
