"""Energy of every machine and hour, from the minutes as far as they say something: nothing is filled in.

Three ways, the best that a machine's signals allow: a meter that counts (``energy``), active power (``power``), or
currents, voltages and power factor; where the last is not measured, that of the nameplate is assumed, and said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from historian.database import Connection

SIGNALS = {
    "energy": ("energy",),
    "power": ("power",),
    "current": ("current", "current_u", "current_v", "current_w"),
    "voltage": ("voltage", "voltage_uv", "voltage_vw", "voltage_wu"),
    "power_factor": ("power_factor",),
}
_COLUMNS = ", ".join(
    f"avg(average) filter (where signal.key in ({', '.join(repr(key) for key in keys)})) as {name}"
    for name, keys in SIGNALS.items()
    if name != "energy"
)
_KEYS = ", ".join(repr(key) for keys in SIGNALS.values() for key in keys)
# Whole hours [$1, $2) computed anew from their minutes (BRIN reading_1min_time). Three-phase power is
# sqrt(3) V I PF / 1000 [kW] with the line voltage; generated (negative) power is not counted as used.
REFRESH = f"""
insert into machine_energy (machine_id, tenant_id, bucket, kwh, seconds, basis)
select machine_id, tenant_id, hour, coalesce(counter.kwh, known.kwh),
    60 * case when counter.kwh is not null then counter.minutes else known.minutes end,
    case when counter.kwh is not null then 'meter' else known.basis end
from (
    select machine_id, tenant_id, hour, sum(greatest(kw, 0)) / 60 as kwh, count(kw) as minutes,
        max(basis) filter (where kw is not null) as basis
    from (
        select minute.*,
            coalesce(power, sqrt(3) * voltage * current * coalesce(abs(power_factor), assumed) / 1000) as kw,
            case when power is not null then 'power' when power_factor is not null then 'power_factor'
                else 'assumed_power_factor' end as basis
        from (
            select signal.machine_id, signal.tenant_id, date_trunc('hour', bucket, 'UTC') as hour, bucket, {_COLUMNS}
            from reading_1min join signal on signal.id = reading_1min.signal_id
            where bucket >= $1 and bucket < $2 and signal.key in ({_KEYS})
            group by 1, 2, 3, 4
        ) as minute
        left join (
            select id, (nameplate ->> 'rated_power_factor')::float8 as assumed from machine
            where jsonb_typeof(nameplate -> 'rated_power_factor') = 'number'
        ) as plate on plate.id = minute.machine_id
    ) as powers
    group by 1, 2, 3
) as known
left join lateral (
    -- A meter that was changed or has run over counts backwards: its hour is not taken from it.
    select case when bool_and(rises) and count(*) > 1 then max(maximum) - min(minimum) end as kwh, count(*) as minutes
    from (
        select maximum, minimum, minimum >= coalesce(lag(maximum) over (order by bucket), minimum) as rises
        from reading_1min join signal on signal.id = reading_1min.signal_id
        where signal.machine_id = known.machine_id and signal.key = 'energy'
            and bucket >= known.hour and bucket < known.hour + interval '1 hour'
    ) as reading
) as counter on true
where counter.kwh is not null or known.minutes > 0
on conflict (machine_id, bucket) do update
set kwh = excluded.kwh, seconds = excluded.seconds, basis = excluded.basis
"""
# Energy of each machine of a template in a period, by how long it was measured (index machine_energy_by_time).
PEERS = """
select machine.id, machine.code as machine, site.key as site, sum(kwh)::float8 as kwh,
    (sum(seconds) / 3600)::float8 as hours,
    (machine.nameplate ->> 'rated_power')::float8 as rated_kw, array_agg(distinct basis) as basis
from machine_energy energy join machine on machine.id = energy.machine_id join site on site.id = machine.site_id
where machine.template = $1 and energy.bucket >= $2 and energy.bucket + interval '1 hour' <= $3
    and jsonb_typeof(machine.nameplate -> 'rated_power') = 'number'
group by machine.id, site.id
order by machine.id
"""


@dataclass(frozen=True, slots=True)
class EnergyPeer:
    """What a machine used [kWh] in hours measured [h], and what it is rated at [kW]."""

    id: int
    machine: str
    site: str
    kwh: float
    hours: float
    rated_kw: float
    basis: tuple[str, ...]


async def refresh_energy(connection: Connection, hours: Sequence[datetime]) -> None:
    """Compute these hours (their starts) from their minutes, for all tenants (service role)."""
    for hour in sorted(set(hours)):
        await connection.execute(REFRESH, hour, hour + timedelta(hours=1))


async def load_energy_peers(connection: Connection, template: str, start: datetime, end: datetime) -> list[EnergyPeer]:
    """Energy of the machines of a template, for the tenant at work."""
    return [
        EnergyPeer(**{**dict(row), "basis": tuple(row["basis"])})
        for row in await connection.fetch(PEERS, template, start, end)
    ]
