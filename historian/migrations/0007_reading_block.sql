-- Closed hours in a twentieth of the space: a row holds one signal's readings of an hour (historian/blocks.py).
-- Used where the edition cannot compress tables itself. Queries see rows and blocks as one, through the views.

create table reading_block (
    signal_id int4 not null,
    hour timestamptz not null,                   -- start of the hour that all its readings are in
    first timestamptz not null,                  -- time of the first reading
    count int4 not null,
    unit int8 not null,                          -- microseconds; steps between readings are multiples of it
    step int8,                                   -- the step where all are alike
    steps int2[],                                -- else each, the first one 0; in the narrower of both that holds them
    wide_steps int8[],
    scale float8 not null,                       -- value = (base + whole number) / scale
    base int8 not null,
    small int2[],                                -- the whole numbers, in the narrower of both that holds them
    wide int4[],
    exact float8[],                              -- values that are no decimals, as they are
    qualities int2[],                            -- null: all good
    primary key (signal_id, hour)
);
create index reading_block_hour on reading_block (hour);

-- Blocks that are being made; nobody reads them before their readings leave the table of rows.
create unlogged table reading_block_new (like reading_block);

-- Ranges of readings into which something came late, noted by the writer beside it.
create table reading_late (
    id bigint generated always as identity primary key,
    since timestamptz not null,                  -- time of the oldest late reading of a batch
    until timestamptz not null                   -- and of the newest
);

create function reading_block_rows(block reading_block)
returns table ("time" timestamptz, "value" float8, quality int2) language sql stable parallel safe as $$
    select
        block.first + interval '1 microsecond' * (block.unit * case
            when block.steps is not null then sum(entry.step) over place
            when block.wide_steps is not null then (sum(entry.wide_step) over place)::int8
            else (entry.number - 1) * block.step
        end)::float8,
        case when block.exact is not null then entry.exact
            else (block.base + coalesce(entry.small, entry.wide))::float8 / block.scale end,
        coalesce(entry.quality, 0::int2)
    from unnest(block.steps, block.wide_steps, block.small, block.wide, block.exact, block.qualities)
        with ordinality as entry (step, wide_step, small, wide, exact, quality, number)
    window place as (order by entry.number rows unbounded preceding)
$$;

-- All readings, from rows and from blocks. Conditions on time alone would open every block of a signal: say as well
-- that `since`, where the row's stretch of time begins, is in [start of the first hour, end of the range).
create view reading_all as
select time, signal_id, value, quality, time as since from reading
union all
select entry.time, block.signal_id, entry.value, entry.quality, block.hour as since
from reading_block block cross join lateral reading_block_rows(block) as entry;

revoke all on reading_block, reading_block_new, reading_late, reading_all from public;

create or replace view tenant_reading with (security_barrier) as
select reading.time, reading.signal_id, reading.value, reading.quality, reading.since
from reading_all as reading join signal on signal.id = reading.signal_id
where signal.tenant_id = nullif(current_setting('brain.tenant_id', true), '')::int;

-- TimescaleDB looks chunks up by name once a table has statistics, in the name of who asks. The right to the chunks
-- themselves stays with the owner.
do $$ begin
    if exists (select from pg_namespace where nspname = '_timescaledb_internal') then
        grant usage on schema _timescaledb_internal to brain_api;
    end if;
end $$;
