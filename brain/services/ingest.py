"""``brain ingest``: the writer (spool to table), the roll-ups and retention, in one process."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from brain.services.lifetime import run_until_told, until_told_to_stop
from brain.services.workers import Worker
from brain.settings import Settings
from historian import Database, drop_older_than, ensure_tenant, prepare_ahead
from ingest import RollupRefresher, Writer

log = structlog.get_logger()

_UPKEEP_S = 3600.0
_STATEMENT_S = 30.0


async def ingest(settings: Settings, database_url: str, worker: Worker) -> None:
    """Write this worker's share of what the spool holds into the historian until told to stop."""
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    told = until_told_to_stop()
    async with Database.open(database_url, max_size=4, patience_s=3600, statement_s=_STATEMENT_S) as database:
        async with database.connection() as connection:
            tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        writer = Writer(database, settings.spool_dir, tenant_id=tenant_id, worker=worker.number, workers=worker.count)
        # What one process can do for all is done by the first.
        alone = (
            [RollupRefresher(database).run(), _upkeep(database, timedelta(days=settings.retention_days))]
            if worker.number == 0
            else []
        )
        await run_until_told(writer.run(), *alone, told=told)


async def _upkeep(database: Database, retention: timedelta) -> None:
    while True:
        async with database.connection() as connection:
            await prepare_ahead(connection)
            dropped = await drop_older_than(connection, datetime.now(UTC) - retention)
        if dropped:
            log.info("retention_applied", dropped=dropped)
        await asyncio.sleep(_UPKEEP_S)
