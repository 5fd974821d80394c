"""`brain bench kpi`: the product's KPIs on records that were not made here, to be checked by anyone's arithmetic."""

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from analytics import KpiGroup, KpiValue, compute_spans
from brain.bench.site import BenchServer
from brain.event_records import EventRecords, read_event_records
from brain.settings import Settings
from historian import Connection, Database, KpiAsk, ensure_tenant, import_history, register_machines

_SITE = "recorded"
_MOMENT = timedelta(microseconds=1)


async def bench_kpi(settings: Settings, data: Path) -> dict[str, Any]:
    """Load a directory of records into a database of its own and compute."""
    records = read_event_records(data, _SITE)
    with tempfile.TemporaryDirectory(prefix="brain-bench-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        async with (
            BenchServer.open(settings, directory, 0) as server,
            server.database() as url,
            Database.open(url, max_size=1, statement_s=600) as database,
        ):
            async with database.connection() as connection:
                tenant = await ensure_tenant(connection, settings.tenant, settings.tenant)
                await register_machines(connection, tenant, records.machines)
                await import_history(connection, tenant, _SITE, records.states, records.failures, records.work)
            async with database.tenant(tenant) as connection:
                return await _computed(connection, records)


async def _computed(connection: Connection, records: EventRecords) -> dict[str, Any]:
    first = min([records.start, *(job.closed_at for job in records.work)])
    last = max([records.end, *(job.closed_at for job in records.work)])
    # Failures count in the time in which they were recorded, jobs whenever they were done; the last moment is in it.
    spans = [(records.start, records.end + _MOMENT), (first, last + _MOMENT)]
    watched, whole = await compute_spans(connection, spans, KpiAsk("site", _SITE))
    machines = await compute_spans(connection, spans, KpiAsk("machine", _SITE))
    by_machine: dict[str, list[KpiGroup]] = {}
    for group in machines:
        by_machine.setdefault(group.key, []).append(group)
    return {
        "machines": watched.machines,
        **_figures(watched, whole),
        "exposure_h": round(watched.exposure.operating_h, 3),
        "exposure": records.exposure,
        "window": {"start": records.start, "end": records.end},
        "maintenance_window": {"start": first, "end": last},
        "per_machine": [{"machine": key, **_figures(*groups)} for key, groups in by_machine.items()],
    }


def _figures(watched: KpiGroup, whole: KpiGroup) -> dict[str, Any]:
    mtbf, stops = _value(watched, "mtbf"), _value(watched, "stops")
    planned = _value(whole, "planned_work_share")
    return {
        "failures": stops.n,
        "mtbf_h": mtbf.value,
        "mtbf_is_lower_bound": mtbf.bound,
        "mtbf_at_least_h": mtbf.value if mtbf.bound else mtbf.low,
        "maintenance_planned": round(planned.n * (planned.value or 0.0)),
        "maintenance_unplanned": planned.n - round(planned.n * (planned.value or 0.0)),
    }


def _value(group: KpiGroup, key: str) -> KpiValue:
    return next(value for value in group.values if value.key == key)
