"""`brain bench queries`: how long every query of API and console takes on a large plant, quiet and under load."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import historian
from analytics import compute_kpis
from brain.bench.fill import fill
from brain.bench.flow import Load, collecting
from brain.bench.site import BenchServer
from brain.product import Product
from brain.settings import Settings
from historian import Connection, Database, ensure_tenant

_SEED = 5
_LOAD_SETTLES_S = 10.0
# Counted by the server; a search that reads a table of readings from end to end is a fault.
SEQUENTIAL = """
select relname, seq_scan from pg_stat_user_tables where relname like 'reading%' or relname like '%hyper%'
"""

Ask = Callable[[Connection, "Someone"], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Someone:
    """What one call asks for: a machine that has readings, one of its signals, and the moment."""

    machine: int
    signal: int
    now: datetime

    def ago(self, **span: float) -> datetime:
        """A moment so long ago."""
        return self.now - timedelta(**span)


# Every query of API and console, as they call it.
QUERIES: Mapping[str, Ask] = {
    "fleet": lambda c, _: historian.list_fleet(c),
    "sites": lambda c, _: historian.list_sites(c),
    "machine": lambda c, it: historian.get_machine(c, it.machine),
    "machine_detail": lambda c, it: historian.get_detail(c, it.machine),
    "machine_signals": lambda c, it: historian.list_signals(c, it.machine),
    "machine_states": lambda c, it: historian.list_states(c, it.machine, it.ago(days=7), it.now),
    "trend_hour": lambda c, it: historian.read_trend(c, it.signal, it.ago(hours=1), it.now, 1000),
    "trend_day": lambda c, it: historian.read_trend(c, it.signal, it.ago(days=1), it.now, 1000),
    "trend_quarter": lambda c, it: historian.read_trend(c, it.signal, it.ago(days=90), it.now, 1000),
    "export_hour": lambda c, it: historian.export_rows(c, it.signal, it.ago(hours=1), it.now),
    "findings_open": lambda c, _: historian.list_findings(c, is_open=True),
    "findings_machine": lambda c, it: historian.list_findings(c, machine_id=it.machine),
    "alarms_active": lambda c, _: historian.list_alarms(c, is_active=True),
    "alarms": lambda c, _: historian.list_alarms(c),
    "downtime": lambda c, _: historian.list_downtime(c),
    "work_orders": lambda c, _: historian.list_work_orders(c),
    "quarantine": lambda c, _: historian.list_quarantine(c),
    "kpis_week": lambda c, it: compute_kpis(c, start=it.ago(days=7), end=it.now),
    "kpis_quarter": lambda c, it: compute_kpis(c, start=it.ago(days=90), end=it.now),
    "kpis_quarter_line": lambda c, it: compute_kpis(c, start=it.ago(days=90), end=it.now, group_by="line"),
    "kpis_quarter_machine": lambda c, it: compute_kpis(c, start=it.ago(days=90), end=it.now, machine=it.machine),
}
# Of the services, across tenants.
SERVICE_QUERIES: Mapping[str, Ask] = {
    "latest_all": lambda c, _: historian.read_latest(c),
    "overview": lambda c, _: historian.read_overview(c),
    "pipeline": lambda c, _: historian.pipeline_counts(c),
}


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of a query on a quiet server (first: on a new connection), and while readings pour in."""

    first_ms: float
    p50_ms: float
    p95_ms: float
    p50_under_load_ms: float | None = None
    p95_under_load_ms: float | None = None


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """The plant to be asked, and how often; rate: readings a second that arrive meanwhile, 0 for none."""

    machines: int = 10_000
    days: int = 90
    calls: int = 20
    rate: float = 100_000


async def bench_queries(settings: Settings, order: QueryOrder, say: Callable[[str], None]) -> dict[str, Any]:
    """Fill a plant and time every query on it."""
    with tempfile.TemporaryDirectory(prefix="brain-bench-") as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)  # noqa: ASYNC240
        say(f"registering {order.machines:,} machines ...")
        async with BenchServer.open(settings, directory, order.machines) as server, server.database() as url:
            here = settings.model_copy(
                update={"database_url": url, "data_dir": directory / "run", "mqtt": [], "opcua": [], "workers": 1}
            )
            async with Database.open(url, max_size=1) as database, database.connection() as connection:
                rows = await fill(connection, order.machines, order.days, say)
                tenant = await ensure_tenant(connection, settings.tenant, settings.tenant)
                askers = await _askers(connection)
            say("asking the quiet server ...")
            quiet, scans = {}, {}
            async with Database.open(url, max_size=1) as database:
                for name in _NAMES:
                    before = await _scans(database)
                    quiet[name] = await _time(url, tenant, name, askers, order.calls)
                    after = await _scans(database)
                    if more := {table: n for table, n in after.items() if n > before.get(table, 0)}:
                        scans[name] = more
            loaded: dict[str, tuple[float, float]] = {}
            if order.rate:
                say(f"asking while {order.rate:,.0f} readings a second arrive ...")
                loaded = await _under_load(here, order, tenant, askers)
    queries = {
        name: asdict(Timed(first, *_percentiles(times), *loaded.get(name, ())))
        for name, (first, times) in quiet.items()
    }
    return {
        "machines": order.machines,
        "days": order.days,
        "edition": str(database.edition),
        "rows": rows,
        "queries": queries,
        "sequential_scans": scans,
    }


_NAMES = (*QUERIES, *SERVICE_QUERIES)


async def _askers(connection: Connection) -> list[Someone]:
    """Machines that have raw readings, in an order drawn by lot."""
    now = datetime.now(UTC)
    rows = await connection.fetch(
        "select id, machine_id from signal where key = 'current_u' and id in ("
        "select distinct signal_id from reading where time > now() - interval '3 hours') order by id"
    )
    askers = [Someone(row["machine_id"], row["id"], now) for row in rows]
    random.Random(_SEED).shuffle(askers)
    return askers


async def _time(url: str, tenant: int, name: str, askers: list[Someone], calls: int) -> tuple[float, list[float]]:
    """The first call on a new connection, and all others."""
    async with Database.open(url, max_size=1, statement_s=600) as database:
        taken = [await _ask(database, tenant, name, askers[number % len(askers)]) for number in range(calls + 1)]
    return taken[0], taken[1:]


async def _ask(database: Database, tenant: int, name: str, asker: Someone) -> float:
    began = time.perf_counter()
    if name in QUERIES:
        async with database.tenant(tenant) as connection:
            await QUERIES[name](connection, asker)
    else:
        async with database.connection() as connection:
            await SERVICE_QUERIES[name](connection, asker)
    return round((time.perf_counter() - began) * 1000, 2)


async def _under_load(
    settings: Settings, order: QueryOrder, tenant: int, askers: list[Someone]
) -> dict[str, tuple[float, float]]:
    found = {}
    async with Product.open(settings) as product:
        source = [{"name": "bench", "url": product.mqtt_url, "client_id": "brain-bench"}]
        for service in ("ingest", "collect"):
            await product.start(service, environment={"BRAIN_MQTT": json.dumps(source)})
        await collecting(product, 1)
        load = Load(product.mqtt_url, order.machines, "message", order.rate, "load")
        try:
            load.allow(1 << 50)
            await asyncio.sleep(_LOAD_SETTLES_S)
            for name in _NAMES:
                _, times = await _time(product.database_url, tenant, name, askers, order.calls)
                found[name] = _percentiles(times)
        finally:
            load.kill()
    return found


def _percentiles(times: list[float]) -> tuple[float, float]:
    return round(float(np.percentile(times, 50)), 2), round(float(np.percentile(times, 95)), 2)


async def _scans(database: Database) -> dict[str, int]:
    """Sequential scans of tables of readings so far; the counters of closed connections are in it."""
    await asyncio.sleep(0.3)
    async with database.connection() as connection:
        return {row["relname"]: row["seq_scan"] or 0 for row in await connection.fetch(SEQUENTIAL)}
