-- Hourly roll-up, and the only way of the API's role to readings: views that join the tenant's own signals.

create table reading_1h (
    bucket timestamptz not null,
    signal_id int4 not null,
    average float8 not null,
    minimum float8 not null,
    maximum float8 not null,
    count int4 not null,
    last float8 not null,
    primary key (signal_id, bucket)
);

create view tenant_reading with (security_barrier) as
select reading.time, reading.signal_id, reading.value, reading.quality
from reading join signal on signal.id = reading.signal_id
where signal.tenant_id = nullif(current_setting('brain.tenant_id', true), '')::int;

create view tenant_reading_1min with (security_barrier) as
select rollup.*
from reading_1min as rollup join signal on signal.id = rollup.signal_id
where signal.tenant_id = nullif(current_setting('brain.tenant_id', true), '')::int;

create view tenant_reading_1h with (security_barrier) as
select rollup.*
from reading_1h as rollup join signal on signal.id = rollup.signal_id
where signal.tenant_id = nullif(current_setting('brain.tenant_id', true), '')::int;

revoke all on reading, reading_1min, reading_1h from public;
grant select on tenant_reading, tenant_reading_1min, tenant_reading_1h to brain_api;
