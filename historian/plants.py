"""Tenants, sites, machines and signals: registering them, and the directory collectors map names with."""

from collections.abc import Sequence
from dataclasses import dataclass

from historian.database import Connection
from plant import MachineEntry, MachineSpec, SignalDirectory, TemplateError, template_library, to_microseconds

ENSURE_TENANT = "insert into tenant (key, name) values ($1, $2) on conflict (key) do nothing"
TENANT_ID = "select id from tenant where key = $1"

UPSERT_SITE = """
insert into site (tenant_id, key, name, time_zone, currency) values ($1, $2, $3, $4, $5)
on conflict (tenant_id, key) do update
set name = excluded.name, time_zone = excluded.time_zone, currency = excluded.currency
returning id
"""
UPSERT_MACHINE = """
insert into machine
    (tenant_id, site_id, area, line, code, name, template, nameplate, downtime_cost_per_h, commissioned_at,
        replacement_value, numerically_controlled)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (site_id, code) do update
set area = excluded.area, line = excluded.line, name = excluded.name, template = excluded.template,
    nameplate = excluded.nameplate, downtime_cost_per_h = excluded.downtime_cost_per_h,
    commissioned_at = coalesce(excluded.commissioned_at, machine.commissioned_at),
    replacement_value = excluded.replacement_value, numerically_controlled = excluded.numerically_controlled
returning id
"""
INSERT_SIGNALS = """
insert into signal (tenant_id, machine_id, key, unit)
select $1, $2, entry.key, entry.unit from unnest($3::text[], $4::text[]) as entry (key, unit)
on conflict (machine_id, key) do nothing
"""

# All signals of a tenant with the time of their newest reading (one row a signal; small tables only).
DIRECTORY = """
select site.key as site, machine.line, machine.code, machine.template, signal.key, signal.id,
    (select nullif(max(times[signal.id % 64 + 1]), '-infinity') from latest_block where block = signal.id / 64)
        as last_time
from machine
join site on site.id = machine.site_id
join signal on signal.machine_id = machine.id
where machine.tenant_id = $1
order by machine.id, signal.id
"""

# Gateways that may send for a tenant, with their site.
GATEWAYS = """
select edge_gateway.key, site.key as site from edge_gateway join site on site.id = site_id
where edge_gateway.tenant_id = $1 and revoked_at is null
"""

# Every machine with its signals, for services that work on all tenants.
MACHINES = """
select machine.id, machine.tenant_id, site.key as site, site.time_zone, machine.line, machine.code, machine.template,
    machine.nameplate, machine.commissioned_at, machine.registered_at,
    array_agg(signal.key order by signal.id) as keys, array_agg(signal.id order by signal.id) as signal_ids
from machine join site on site.id = machine.site_id join signal on signal.machine_id = machine.id
group by machine.id, site.id
order by machine.id
"""

# Every machine of a tenant as it was registered (small tables only).
SPECS = """
select site.key as site, machine.line, machine.code as machine, machine.name, machine.template, machine.area,
    machine.nameplate, machine.downtime_cost_per_h, machine.commissioned_at,
    site.name as site_name, site.time_zone, site.currency
from machine join site on site.id = machine.site_id
where machine.tenant_id = $1
order by site.key, machine.line, machine.code
"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A registered machine with its complete nameplate and the ids of its signals."""

    id: int
    tenant_id: int
    site: str
    time_zone: str
    line: str
    code: str
    template: str
    nameplate: dict[str, float | str]
    signal_ids: dict[str, int]


async def ensure_tenant(connection: Connection, key: str, name: str) -> int:
    """The id of a tenant, made when missing."""
    await connection.execute(ENSURE_TENANT, key, name)
    tenant_id: int = await connection.fetchval(TENANT_ID, key)
    return tenant_id


async def register_machines(connection: Connection, tenant_id: int, specs: Sequence[MachineSpec]) -> None:
    """Register machines with the signals of their templates, or bring them up to date.

    Raises ``plant.TemplateError`` naming the machine where template or nameplate is wrong; nothing is
    registered then.
    """
    library = template_library()
    async with connection.transaction():
        for spec in specs:
            template = library.get(spec.template)
            if template is None:
                raise TemplateError(f"machine {spec.site}/{spec.machine}: template {spec.template!r} is not known")
            try:
                nameplate = template.complete_nameplate(spec.nameplate)
            except TemplateError as problem:
                raise TemplateError(f"machine {spec.site}/{spec.machine}: {problem}") from None
            site_id = await connection.fetchval(
                UPSERT_SITE, tenant_id, spec.site, spec.site_name or spec.site, spec.time_zone, spec.currency
            )
            machine_id = await connection.fetchval(
                UPSERT_MACHINE,
                tenant_id,
                site_id,
                spec.area,
                spec.line,
                spec.machine,
                spec.name,
                spec.template,
                nameplate,
                spec.downtime_cost_per_h,
                spec.commissioned_at,
                spec.replacement_value,
                spec.numerically_controlled,
            )
            keys = [signal.key for signal in template.signals]
            units = [signal.unit for signal in template.signals]
            await connection.execute(INSERT_SIGNALS, tenant_id, machine_id, keys, units)


async def load_directory(connection: Connection, tenant_id: int) -> SignalDirectory:
    """The directory of a tenant's machines and gateways."""
    entries: dict[tuple[str, str], MachineEntry] = {}
    signals: dict[str, int]
    last_times: dict[str, int]
    for row in await connection.fetch(DIRECTORY, tenant_id):
        key = (row["site"], row["code"])
        if key not in entries:
            signals, last_times = {}, {}
            entries[key] = MachineEntry(row["site"], row["line"], row["code"], row["template"], signals, last_times)
        signals[row["key"]] = row["id"]
        if row["last_time"] is not None:
            last_times[row["key"]] = to_microseconds(row["last_time"])
    gateways = {row["key"]: row["site"] for row in await connection.fetch(GATEWAYS, tenant_id)}
    return SignalDirectory(entries.values(), gateways)


async def load_specs(connection: Connection, tenant_id: int) -> list[MachineSpec]:
    """A tenant's machines as they were registered, by site, line and key."""
    return [MachineSpec(**dict(row)) for row in await connection.fetch(SPECS, tenant_id)]


async def load_machines(connection: Connection) -> list[Machine]:
    """Every machine of every tenant (service role)."""
    library = template_library()
    return [
        Machine(
            row["id"],
            row["tenant_id"],
            row["site"],
            row["time_zone"],
            row["line"],
            row["code"],
            row["template"],
            library[row["template"]].complete_nameplate(row["nameplate"]),
            dict(zip(row["keys"], row["signal_ids"], strict=True)),
        )
        for row in await connection.fetch(MACHINES)
        if row["template"] in library
    ]
