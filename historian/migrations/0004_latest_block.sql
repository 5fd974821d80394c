-- Newest readings by blocks of 64 signal ids instead of by machine: at ten thousand machines a second's notes
-- are some hundred rows, each updated in place. The writer fills the new table at its next start.

drop table machine_latest;

create table latest_block (
    block int not null,                          -- signal id / 64
    writer int2 not null,                        -- writers note what they have seen themselves; the newest counts
    times timestamptz[] not null,                -- at signal id % 64 + 1; -infinity: nothing yet
    readings float8[] not null,
    qualities int2[] not null,
    primary key (block, writer)
) with (fillfactor = 45);

-- Of the tenant at work, a row a signal that has been read.
create view signal_latest with (security_barrier) as
select signal.id as signal_id, signal.machine_id, newest.time, newest.value, newest.quality
from signal
cross join lateral (
    select times[signal.id % 64 + 1] as time, readings[signal.id % 64 + 1] as value,
        qualities[signal.id % 64 + 1] as quality
    from latest_block where block = signal.id / 64 and times[signal.id % 64 + 1] > '-infinity'
    order by times[signal.id % 64 + 1] desc limit 1
) newest
where signal.tenant_id = nullif(current_setting('brain.tenant_id', true), '')::int;

grant select on signal_latest to brain_api;
