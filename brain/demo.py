"""`brain demo`: a simulated plant in front of the whole product."""

import asyncio
import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from brain.failure import Failure
from brain.installation import ensure_administrator, install, record_maintenance
from brain.product import Product
from brain.run import greet
from brain.services import until_told_to_stop
from brain.services.collect import LANE
from brain.services.serve import check_port
from brain.services.simulate import PLAN_FILE, STATE_FILE, load_plan, replace_file
from brain.settings import Settings
from brain.status_line import StatusLine
from historian import Database, load_positions, refresh_rollups
from ingest import Spool, spool_status
from plant import SignalDirectory, WorkRecord, to_microseconds
from simulators import PlantPlan, PlantSimulation, simulate_history, simulate_plan

HISTORY = timedelta(days=3.5)
HISTORY_LANE = "history"
_STATE = "demo"
_DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line asks of the demo."""

    machines: int
    seed: int
    seconds: float | None
    truth: Path | None


async def run_demo(settings: Settings, options: DemoOptions, console: Console) -> dict[str, int]:
    """Run the demo until told to stop; the final counts (sent, stored, quarantined, waiting)."""
    told = until_told_to_stop()
    check_port(settings.host, settings.port)
    async with Product.open(settings) as product:
        plan = _plan(settings, options)
        if options.truth is not None:
            options.truth.write_text(json.dumps(plan.truth(), indent=1))
        directory = await install(settings, product.database_url, plan.specs)
        await record_maintenance(settings, product.database_url, demo_maintenance(plan))
        password = await ensure_administrator(settings, product.database_url)
        async with Database.open(product.database_url, max_size=2) as database:
            await product.start("ingest")
            await _back_fill(product, database, plan, directory, console, told)
            if told.is_set():
                return await _final_counts(product, database)
            await _start_live(product)
            greet(settings, password, console)
            line = asyncio.create_task(StatusLine(product, console).run())
            try:
                async with asyncio.timeout(options.seconds):
                    await told.wait()
            except TimeoutError:
                pass
            finally:
                line.cancel()
                await asyncio.gather(line, return_exceptions=True)
            console.print("stopping: letting what is under way arrive ...")
            await product.supervisor.stop("simulate")
            await _settle(product)
            await product.supervisor.stop("collect")
            await _drained(product, database, _DRAIN_S)
            return await _final_counts(product, database)


def _plan(settings: Settings, options: DemoOptions) -> PlantPlan:
    known = load_plan(settings.data_dir)
    if known is not None:
        if len(known.specs) != options.machines:
            raise Failure(
                f"{settings.data_dir} holds a plant of {len(known.specs)} machines, not {options.machines}: "
                f"give --machines {len(known.specs)} or another --data-dir"
            )
        return known
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    plan = simulate_plan(options.machines, options.seed, datetime.now(UTC), HISTORY)
    replace_file(settings.data_dir / PLAN_FILE, plan.to_json())
    return plan


async def _back_fill(
    product: Product,
    database: Database,
    plan: PlantPlan,
    directory: SignalDirectory,
    console: Console,
    told: asyncio.Event,
) -> None:
    """History through the same spool and writer as live readings, once."""
    if product.run_directory.read(_STATE).get("history") == "complete":
        return
    start = to_microseconds(plan.now - plan.history)
    simulation = PlantSimulation(plan)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("readings"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task(f"back-filling {plan.history / timedelta(days=1):.1f} days of history", total=None)
        progress.update(task, total=plan.expected_readings(60))
        async with Spool.open(product.settings.spool_dir, HISTORY_LANE) as spool:
            sent = 0
            reached = start
            # The second round closes the minute or so that the first one took.
            for _ in range(2):
                end = to_microseconds(datetime.now(UTC))
                blocks = simulate_history(simulation, directory, reached, end, 60)
                while (batch := await asyncio.to_thread(next, blocks, None)) is not None and not told.is_set():
                    await spool.put(batch)
                    sent += len(batch)
                    progress.update(
                        task, completed=await _stored(database), total=max(sent, plan.expected_readings(60))
                    )
                reached = end
        while not told.is_set() and await _waiting(product, database):
            progress.update(task, completed=await _stored(database), total=sent)
            await asyncio.sleep(0.2)
        progress.update(task, completed=sent, total=sent)
    if told.is_set():
        return
    async with database.connection() as connection:
        await refresh_rollups(connection)
    replace_file(product.settings.data_dir / STATE_FILE, simulation.to_bytes())
    product.run_directory.write(_STATE, {"history": "complete", "readings": sent})


async def _start_live(product: Product) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        opcua_url = f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/industry-brain"
    await product.start(
        "collect",
        environment={
            "BRAIN_OPCUA": json.dumps([{"name": "demo-opcua", "url": opcua_url, "root": "Objects"}]),
            "BRAIN_MQTT": json.dumps([{"name": "demo-mqtt", "url": product.mqtt_url, "client_id": "brain-demo"}]),
        },
    )
    await product.start("analyze")
    await product.start("serve")
    # A broker keeps messages only for a session that exists: first the subscriber, then the devices.
    await _subscribed(product)
    await product.start("simulate", "--opcua-url", opcua_url, "--mqtt-url", product.mqtt_url)


async def _subscribed(product: Product) -> None:
    for _ in range(300):
        sources = product.run_directory.read("collect").get("sources", [])
        if any(source["connected"] for source in sources if source["name"] == "demo-mqtt"):
            return
        await asyncio.sleep(0.1)
    raise Failure(f"the collector did not reach the broker within 30 s: see {product.supervisor.log_path('collect')}")


async def _settle(product: Product) -> None:
    """Wait until the collector takes nothing new in (three equal looks), at most ten seconds."""
    equal, before = 0, -1
    for _ in range(20):
        sources = product.run_directory.read("collect").get("sources", [])
        taken = sum(source["readings"] for source in sources)
        equal = equal + 1 if taken == before else 0
        if equal == 3:
            return
        before = taken
        await asyncio.sleep(0.5)


async def _stored(database: Database) -> int:
    try:
        async with database.connection() as connection:
            positions = await load_positions(connection)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return 0
    return sum(position.stored_readings for position in positions.values())


async def _waiting(product: Product, database: Database) -> int:
    """Readings in the spool that are not in the table; at least one where the database is away."""
    try:
        async with database.connection() as connection:
            positions = await load_positions(connection)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return 1
    status = await asyncio.to_thread(spool_status, product.settings.spool_dir, positions)
    return status.waiting_readings


async def _drained(product: Product, database: Database, patience_s: float) -> None:
    for _ in range(int(patience_s / 0.2)):
        if not await _waiting(product, database):
            return
        await asyncio.sleep(0.2)


async def _final_counts(product: Product, database: Database) -> dict[str, int]:
    counts = product.run_directory.read("simulate").get("counts", {})
    async with database.connection() as connection:
        positions = await load_positions(connection)
    live = positions.get(LANE)
    status = await asyncio.to_thread(spool_status, product.settings.spool_dir, positions)
    return {
        "sent": sum(int(value) for key, value in counts.items() if key.endswith("_sent")),
        "stored": live.stored_readings if live else 0,
        "quarantined": live.quarantined if live else 0,
        "waiting": status.waiting_readings,
    }


def demo_maintenance(plan: PlantPlan) -> Sequence[WorkRecord]:
    """Jobs of the last days: what the stops took to mend, and routine."""
    site = plan.specs[0].site
    jobs = [
        WorkRecord(
            site,
            outage.machine,
            "corrective",
            "Restart after trip",
            outage.start,
            outage.end,
            labour_h=round((outage.end - outage.start) / timedelta(hours=1), 2),
            labour_rate=180.0,
            parts_cost=350.0,
            found="coupling element worn",
        )
        for outage in plan.outages
    ]
    for index, spec in enumerate(plan.specs):
        if index % 8:
            continue
        opened = plan.now - timedelta(days=1 + index % 4, hours=index % 6)
        jobs.append(
            WorkRecord(
                spec.site,
                spec.machine,
                "preventive",
                "Regrease bearings, clean fan cover",
                opened,
                opened + timedelta(hours=2),
                labour_h=2.0,
                labour_rate=180.0,
                parts_cost=120.0,
                found="nothing unusual",
            )
        )
    return jobs
