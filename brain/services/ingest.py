"""``brain ingest``: the writer (spool to table), the roll-ups and retention, in one process."""

from datetime import timedelta

from brain.services.lifetime import run_until_told, until_told_to_stop
from brain.services.workers import Worker
from brain.settings import Settings
from historian import Database, ensure_tenant
from ingest import RollupRefresher, Upkeep, Writer

_STATEMENT_S = 30.0
_UPKEEP_STATEMENT_S = 1800.0


async def ingest(settings: Settings, database_url: str, worker: Worker) -> None:
    """Write this worker's share of what the spool holds into the historian until told to stop."""
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    told = until_told_to_stop()
    async with (
        Database.open(database_url, max_size=4, patience_s=3600, statement_s=_STATEMENT_S) as database,
        # Reading a day back takes longer than anything that the writer may wait for.
        Database.open(database_url, max_size=1, patience_s=3600, statement_s=_UPKEEP_STATEMENT_S) as for_upkeep,
    ):
        async with database.connection() as connection:
            tenant_id = await ensure_tenant(connection, settings.tenant, settings.tenant)
        writer = Writer(database, settings.spool_dir, tenant_id=tenant_id, worker=worker.number, workers=worker.count)
        by_tenant = {tenant: timedelta(days=days) for tenant, days in settings.tenant_retention_days.items()}
        upkeep = Upkeep(for_upkeep, timedelta(days=settings.retention_days), by_tenant)
        # What one process can do for all is done by the first.
        alone = [RollupRefresher(database).run(), upkeep.run()] if worker.number == 0 else []
        await run_until_told(writer.run(), *alone, told=told)
