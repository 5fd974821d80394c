-- Readings and roll-ups on TimescaleDB, either edition: hypertables.

create table reading (
    time timestamptz not null,
    signal_id int4 not null,
    value float8,
    quality int2 not null
);
select create_hypertable('reading', 'time', chunk_time_interval => interval '1 day', create_default_indexes => false);
create unique index reading_key on reading (signal_id, time);
create index reading_time on reading using brin (time) with (pages_per_range = 32);

create table reading_1min (
    bucket timestamptz not null,
    signal_id int4 not null,
    average float8 not null,
    minimum float8 not null,
    maximum float8 not null,
    count int4 not null,
    last float8 not null
);
select create_hypertable('reading_1min', 'bucket', chunk_time_interval => interval '7 days', create_default_indexes => false);
create unique index reading_1min_key on reading_1min (signal_id, bucket);
create index reading_1min_time on reading_1min using brin (bucket) with (pages_per_range = 32);

-- A role that may read a chunk reads every tenant's rows in it.
revoke all on schema _timescaledb_internal from public;
