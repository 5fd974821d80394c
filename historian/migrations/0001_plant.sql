-- The plant's memory: small tables. Every one that belongs to a tenant carries tenant_id and a policy.
-- Readings and roll-ups are made by 0002 for the edition at hand; see historian/editions.

create table tenant (
    id int generated always as identity primary key,
    key text not null unique,
    name text not null
);

create table site (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    key text not null,
    name text not null,
    time_zone text not null default 'UTC',
    currency text not null default 'CNY',
    unique (tenant_id, key)
);

create table machine (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    site_id int not null references site,
    area text not null default '',
    line text not null,
    code text not null,                          -- unique within its site, part of topics and addresses
    name text not null,
    template text not null,
    nameplate jsonb not null default '{}',
    downtime_cost_per_h float8 not null default 0,
    commissioned_at timestamptz,
    registered_at timestamptz not null default now(),
    unique (site_id, code)
);
create index machine_by_tenant on machine (tenant_id, id);

create table signal (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    key text not null,
    unit text not null,
    unique (machine_id, key)
);

-- Newest reading of every signal, one row a machine: the fleet view never scans readings.
create table machine_latest (
    machine_id int primary key references machine,
    tenant_id int not null references tenant,
    signal_ids int[] not null,
    times timestamptz[] not null,
    readings float8[] not null,
    qualities int2[] not null
);

-- How far each spool lane is in the table; committed in the transaction of the readings themselves.
create table spool_position (
    lane text primary key,
    segment bigint not null,
    byte_offset bigint not null,
    committed_readings bigint not null default 0,     -- rows taken from the spool
    stored_readings bigint not null default 0,        -- of those, new to the table (the rest were repeats)
    quarantined bigint not null default 0,
    committed_at timestamptz not null default now()
);

create table quarantine (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    received_at timestamptz not null,
    source text not null,
    address text not null,
    reason text not null,
    detail text not null,
    raw bytea not null
);
create index quarantine_by_time on quarantine (tenant_id, received_at desc);

-- Minutes whose roll-up is older than their readings. Append-only: the writer never waits for the refresher.
create table rollup_dirty (
    id bigint generated always as identity primary key,
    bucket timestamptz not null                  -- start of the minute
);
create table rollup_dirty_hour (
    bucket timestamptz primary key               -- start of the hour; touched by the refresher alone
);

-- What analytics last thought of a machine.
create table machine_condition (
    machine_id int primary key references machine,
    tenant_id int not null references tenant,
    state text not null default 'off_line',      -- running, idle, starting, stopped, down, maintenance, off_line
    state_since timestamptz,
    judged_at timestamptz,                       -- source time of the newest reading judged
    health float8,                               -- 0..100, null while learning
    risk float8,                                 -- 0..1, null while learning
    model_version int,
    explanation jsonb not null default '{}'      -- newest indicators, scores and contributions
);

create table machine_state (
    machine_id int not null references machine,
    tenant_id int not null references tenant,
    started_at timestamptz not null,
    ended_at timestamptz not null,               -- until when it was seen to last; grows while it does
    state text not null,
    primary key (machine_id, started_at)
);

create table normal_model (
    machine_id int not null references machine,
    tenant_id int not null references tenant,
    version int not null,
    learned_at timestamptz not null,
    baseline_start timestamptz not null,
    baseline_end timestamptz not null,
    content bytea not null,                      -- npz of plain arrays, never pickle
    primary key (machine_id, version)
);

create table alarm (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    limit_key text not null,
    template_version int not null,
    severity text not null,
    raised_at timestamptz not null,              -- source time
    cleared_at timestamptz,
    threshold float8,
    value float8,                                -- worst value since raised
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledge_note text,
    shelved_until timestamptz,
    shelved_by text
);
create unique index alarm_active_once on alarm (machine_id, limit_key) where cleared_at is null;
create index alarm_by_time on alarm (tenant_id, raised_at desc);

create table finding (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    failure_mode text not null,
    probability float8 not null,
    severity text not null,
    opened_at timestamptz not null,              -- source time
    updated_at timestamptz not null,
    closed_at timestamptz,
    onset_at timestamptz,                        -- estimated begin of the departure
    act_before timestamptz,
    evidence jsonb not null,                     -- list of {indicator, value, limit, unit, direction, text_en, text_zh, weight}
    ranking jsonb not null default '[]',         -- list of {failure_mode, probability}
    model_version int
);
create unique index finding_open_once on finding (machine_id, failure_mode) where closed_at is null;
create index finding_by_time on finding (tenant_id, opened_at desc);

-- Time in which a site is not meant to run: shifts off, holidays, planned maintenance.
create table planned_stop (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    site_id int not null references site,
    machine_id int references machine,           -- null: the whole site
    started_at timestamptz not null,
    ended_at timestamptz not null,
    reason text not null default '',
    check (started_at < ended_at)
);

create table downtime_event (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    started_at timestamptz not null,
    ended_at timestamptz,
    planned boolean not null,
    reason text,
    reason_by text,
    failure_mode text,                           -- of the finding that preceded it, as a proposal
    unique (machine_id, started_at)
);
create index downtime_by_time on downtime_event (tenant_id, started_at desc);

create table work_order (
    id bigint generated always as identity primary key,
    tenant_id int not null references tenant,
    machine_id int not null references machine,
    kind text not null check (kind in ('corrective', 'preventive', 'condition_based', 'inspection')),
    state text not null default 'open' check (state in ('open', 'in_progress', 'done', 'cancelled')),
    title text not null,
    finding_id bigint references finding,
    assignee text,
    opened_at timestamptz not null default now(),
    closed_at timestamptz,
    labour_h float8 not null default 0 check (labour_h >= 0),
    labour_rate float8 not null default 0 check (labour_rate >= 0),
    parts_cost float8 not null default 0 check (parts_cost >= 0),
    found text not null default ''
);
create index work_order_by_time on work_order (tenant_id, opened_at desc);

create table user_account (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    name text not null unique,
    password_hash text not null,                 -- argon2id
    role text not null check (role in ('administrator', 'engineer', 'viewer')),
    created_at timestamptz not null default now(),
    disabled_at timestamptz
);

create table access_token (
    digest bytea primary key,                    -- sha-256 of the token; the token itself is never stored
    tenant_id int not null references tenant,
    user_id int not null references user_account,
    label text not null default '',
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null
);

-- Tenants are kept apart by the database. The API works as brain_api, which owns nothing and is bound
-- by these policies; brain.tenant_id is set by the application's own fixed SQL only.
do $$
begin
    if not exists (select from pg_roles where rolname = 'brain_api') then
        create role brain_api nologin nosuperuser nobypassrls;
    end if;
end $$;

do $$
declare
    name text;
begin
    foreach name in array array[
        'site', 'machine', 'signal', 'machine_latest', 'quarantine', 'machine_condition', 'machine_state',
        'normal_model', 'alarm', 'finding', 'planned_stop', 'downtime_event', 'work_order'
    ] loop
        execute format('alter table %I enable row level security', name);
        execute format(
            'create policy tenant_only on %I using (tenant_id = nullif(current_setting(''brain.tenant_id'', true), '''')::int)',
            name
        );
    end loop;
end $$;
alter table tenant enable row level security;
create policy tenant_only on tenant using (id = nullif(current_setting('brain.tenant_id', true), '')::int);

grant usage on schema public to brain_api;
grant select on tenant, site, machine, signal, machine_latest, quarantine, machine_condition, machine_state,
    alarm, finding, planned_stop, downtime_event, work_order to brain_api;
grant update (acknowledged_at, acknowledged_by, acknowledge_note, shelved_until, shelved_by) on alarm to brain_api;
grant update (reason, reason_by, planned) on downtime_event to brain_api;
grant insert, update on work_order to brain_api;
grant insert, delete on planned_stop to brain_api;
