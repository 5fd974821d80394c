-- Every interval knows how long its machine had been in each state before it began: what a machine did between two
-- moments is then the difference of two rows, however far apart they are.

alter table machine_state add column seconds_before float8[];

-- Seconds by state, in this order; a state that is not among them is not counted.
create function counted_states() returns text[] language sql immutable parallel safe as $$
    select array['running', 'idle', 'starting', 'stopped', 'down', 'maintenance', 'off_line']
$$;

create function note_seconds_before() returns trigger language plpgsql as $$
declare
    last machine_state;
    place int;
begin
    select * into last from machine_state
    where machine_id = new.machine_id and started_at < new.started_at order by started_at desc limit 1;
    if not found then
        new.seconds_before := array_fill(0::float8, array[cardinality(counted_states())]);
        return new;
    end if;
    new.seconds_before := last.seconds_before;
    place := array_position(counted_states(), last.state);
    if place is not null then
        new.seconds_before[place] := new.seconds_before[place] + extract(epoch from last.ended_at - last.started_at);
    end if;
    return new;
end $$;

create trigger machine_state_totals before insert on machine_state
    for each row when (new.seconds_before is null) execute function note_seconds_before();

update machine_state set seconds_before = total.before
from (
    select machine_id, started_at, array[
        coalesce(sum(seconds) filter (where state = 'running') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'idle') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'starting') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'stopped') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'down') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'maintenance') over earlier, 0),
        coalesce(sum(seconds) filter (where state = 'off_line') over earlier, 0)
    ] as before
    from (
        select machine_id, started_at, state, extract(epoch from ended_at - started_at)::float8 as seconds
        from machine_state
    ) as interval_
    window earlier as (partition by machine_id order by started_at rows between unbounded preceding and 1 preceding)
) as total
where machine_state.machine_id = total.machine_id and machine_state.started_at = total.started_at;
