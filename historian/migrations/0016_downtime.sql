-- Shifts of a site; stops with a reason of the tree, the moments between their phases, and no two of a machine at once.

create table shift (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    site_id int not null references site,
    name text not null,
    weekdays int[] not null check (weekdays <@ array[1, 2, 3, 4, 5, 6, 7] and cardinality(weekdays) > 0),
    starts time not null,                        -- in the site's time zone
    ends time not null,                          -- not after starts: on the next day
    unique (site_id, name)
);
alter table shift enable row level security;
create policy tenant_only on shift using (tenant_id = (select current_tenant()));
grant select, insert, delete on shift to brain_api;

-- What KPIs are compared with: the time before something was changed.
alter table site
    add column baseline_start timestamptz,
    add column baseline_end timestamptz,
    add check (baseline_start < baseline_end);
grant update (baseline_start, baseline_end, operators) on site to brain_api;

alter table downtime_event
    add column reason_key text,                  -- of the reason tree
    add column edited_by text,                   -- who set its borders; analytics leaves them alone then
    add column detected_at timestamptz,          -- phases: detect, notify, respond, repair, restart
    add column notified_at timestamptz,
    add column responded_at timestamptz,
    add column repaired_at timestamptz,
    add constraint downtime_order check (
        detected_at >= started_at and notified_at >= coalesce(detected_at, started_at)
        and responded_at >= coalesce(notified_at, detected_at, started_at)
        and repaired_at >= coalesce(responded_at, notified_at, detected_at, started_at)
    );
-- A stop that was still noted when a later one began ended then.
update downtime_event set ended_at = later.began
from (
    select id, lead(started_at) over (partition by machine_id order by started_at) as began from downtime_event
) as later
where later.id = downtime_event.id and (ended_at > later.began or ended_at is null and later.began is not null);
update downtime_event set ended_at = started_at where ended_at < started_at;
alter table downtime_event add constraint downtime_once exclude using gist (
    int4range(machine_id, machine_id, '[]') with &&, tstzrange(started_at, ended_at) with &&
);
grant insert, delete, update (reason_key, started_at, ended_at, edited_by, detected_at, notified_at, responded_at,
    repaired_at) on downtime_event to brain_api;
