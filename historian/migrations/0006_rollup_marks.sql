-- Marks say more: a minute that a writer holds in memory is not computed from readings as long as it may still be
-- stored from there, and late readings of a few signals cost those signals' minutes alone.

alter table rollup_dirty
    add column writer bigint,                    -- holds the minute in memory; null: to be computed
    add column signal_ids int4[];                -- of these signals; null: of all

drop table rollup_dirty_hour;
create table rollup_dirty_hour (
    id bigint generated always as identity primary key,
    bucket timestamptz not null,                 -- start of the hour
    signal_ids int4[]                            -- of these signals; null: of all
);
-- Hours that were still to do, and the one that is filling.
insert into rollup_dirty_hour (bucket)
select distinct date_trunc('hour', bucket, 'UTC') from reading_1min where bucket > now() - interval '2 days';
