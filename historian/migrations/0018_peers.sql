-- What other machines say of a finding: whether a disturbance is the bus's or one feeder's, and how a machine compares
-- with those of its type.

alter table finding
    add column origin text check (origin in ('bus', 'feeder', 'unknown')),   -- of a fault of the supply, once compared
    add column bus text,
    add column part_of bigint references finding on delete set null,         -- the finding that stands for the whole bus
    add column peer_evidence jsonb not null default '[]';                    -- rows like evidence
create index finding_by_part on finding (part_of) where part_of is not null;

-- A machine's levels on a day (UTC), from hours or minutes in which it ran throughout; days with enough of them.
create table machine_day (
    machine_id int not null references machine,
    tenant_id int not null references tenant,
    day date not null,
    hours float8 not null,
    levels jsonb not null,                       -- indicator -> value
    primary key (machine_id, day)
);
create index machine_day_by_day on machine_day (day);
alter table machine_day enable row level security;
create policy tenant_only on machine_day using (tenant_id = (select current_tenant()));
grant select on machine_day to brain_api;
