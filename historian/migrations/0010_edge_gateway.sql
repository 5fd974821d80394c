-- Gateways that forward for a site, and the tokens by which new ones are let in. No secret is stored: of a token the
-- digest, of a credential the hash that the broker compares with.

create table edge_token (
    selector text primary key,                   -- the first half of a token, which finds it
    digest bytea not null,                       -- sha-256 of the second half, which proves it
    tenant_id int not null references tenant,
    site_id int not null references site,
    label text not null default '',
    issued_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz                          -- once only
);

create table edge_gateway (
    id int generated always as identity primary key,
    tenant_id int not null references tenant,
    site_id int not null references site,
    key text not null unique,                    -- client id, user at the broker, part of its topic
    name text not null default '',               -- what its own host calls it
    broker_hash text not null,                   -- a line of mosquitto's password file: $7$ (PBKDF2, SHA-512)
    enrolled_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index edge_gateway_by_tenant on edge_gateway (tenant_id, id);

do $$
declare
    name text;
begin
    foreach name in array array['edge_token', 'edge_gateway'] loop
        execute format('alter table %I enable row level security', name);
        execute format('create policy tenant_only on %I using (tenant_id = (select current_tenant()))', name);
    end loop;
end $$;
grant select (id, tenant_id, site_id, key, name, enrolled_at, revoked_at) on edge_gateway to brain_api;

-- Collectors take batches of the gateways that they know.
create trigger edge_gateway_changed after insert or update or delete on edge_gateway
    for each statement execute function tell_plant_changed();
