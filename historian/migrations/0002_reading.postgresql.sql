-- Readings and roll-ups on plain PostgreSQL: range partitions, made ahead and on demand (historian/partitions.py).

create table reading (
    time timestamptz not null,
    signal_id int4 not null,
    value float8,
    quality int2 not null
) partition by range (time);
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
) partition by range (bucket);
create unique index reading_1min_key on reading_1min (signal_id, bucket);
create index reading_1min_time on reading_1min using brin (bucket) with (pages_per_range = 32);
