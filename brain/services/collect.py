"""``brain collect``: collectors and the spool, in one process."""

import asyncio
import os
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog

from brain.failure import Failure
from brain.rundir import RunDirectory
from brain.services.lifetime import run_until_told, until_told_to_stop
from brain.services.sources import collectors_of, now_us, report, require_sources
from brain.services.workers import Worker
from brain.settings import Settings
from collectors import ReportByException
from historian import Database, PlantWatch, ensure_tenant, load_directory
from ingest import CheckedSink, Spool
from plant import SignalDirectory

log = structlog.get_logger()


LANE = "collect"
_REFRESH_S = 5.0
_SETTLE_S = 0.2


class DirectoryKeeper:
    """The signal directory, kept fresh from the database and cached on disk for starts without one."""

    def __init__(self, database_url: str, tenant: str, cache: Path) -> None:
        self._url = database_url
        self._tenant = tenant
        self._cache = cache
        self._current = SignalDirectory()

    def __call__(self) -> SignalDirectory:
        """The newest directory known."""
        return self._current

    async def load(self) -> None:
        """Take the directory from the database, or else from the cache; :class:`Failure` without either."""
        try:
            async with asyncio.timeout(20), Database.open(self._url, max_size=1) as database:
                await self._load(database)
        except (OSError, asyncpg.PostgresError, TimeoutError) as problem:
            if not self._cache.is_file():
                raise Failure(
                    f"the database does not answer ({problem}) and no signal directory is cached in "
                    f"{self._cache}: start the database once, then collecting goes on without it"
                ) from problem
            self._current = SignalDirectory.from_json(self._cache.read_bytes())
            log.warning("directory_taken_from_cache", machines=len(self._current), reason=str(problem))

    async def keep_fresh(self) -> None:
        """Load again whenever the plant has changed, so that newly registered machines are collected."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                async with Database.open(self._url, max_size=2) as database:
                    watch = PlantWatch(database)
                    watching = asyncio.create_task(watch.run())
                    try:
                        await watch.wait()  # it listens: from here on no change is missed
                        while True:
                            async with asyncio.timeout(60):
                                await self._load(database)
                            await watch.wait()
                            await asyncio.sleep(_SETTLE_S)
                    finally:
                        watching.cancel()
                        await asyncio.gather(watching, return_exceptions=True)
            await asyncio.sleep(_REFRESH_S)

    async def _load(self, database: Database) -> None:
        async with database.connection() as connection:
            tenant_id = await ensure_tenant(connection, self._tenant, self._tenant)
            self._current = await load_directory(connection, tenant_id)
        scratch = self._cache.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_bytes(self._current.to_json())
        scratch.replace(self._cache)


async def collect(settings: Settings, database_url: str, worker: Worker) -> None:
    """Collect this worker's share of every source in the settings until told to stop."""
    require_sources(settings)
    run_directory = RunDirectory(settings.data_dir)
    run_directory.prepare()
    told = until_told_to_stop()
    keeper = DirectoryKeeper(database_url, settings.tenant, settings.data_dir / "directory.json")
    await keeper.load()
    name = worker.name(LANE)
    async with Spool.open(settings.spool_dir, name, max_bytes=int(settings.spool_max_gb * 1e9)) as spool:
        sink = CheckedSink(
            ReportByException(spool, keeper),
            retention=timedelta(days=settings.retention_days),
            ahead=timedelta(seconds=settings.time_ahead_s),
            clock=now_us,
        )
        collectors = collectors_of(settings, worker, keeper, sink)
        await run_until_told(
            *(collector.run() for collector in collectors),
            keeper.keep_fresh(),
            report(collectors, run_directory, name),
            told=told,
        )
