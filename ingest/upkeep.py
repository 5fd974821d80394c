"""Keeps the historian in shape beside the writer: ranges ahead, blocks for closed ones, retention."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from historian import Database, compact_closed, drop_empty, drop_older_than, forget_older_than, prepare_ahead

log = structlog.get_logger()


class Upkeep:
    """Does every hour what keeps tables small and answers fast.

    retention: of everything; by_tenant: shorter ones, by the tenant's key
    """

    def __init__(
        self,
        database: Database,
        retention: timedelta,
        by_tenant: Mapping[str, timedelta] | None = None,
        interval_s: float = 3600.0,
    ) -> None:
        self._database = database
        self._retention = retention
        self._by_tenant = by_tenant or {}
        self._interval_s = interval_s

    async def run(self) -> None:
        """Keep up until cancelled; what a database that is away prevented is done the next time."""
        while True:
            try:
                await self.once(datetime.now(UTC))
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
                log.warning("upkeep_left_undone", reason=f"{type(problem).__name__}: {problem}")
            await asyncio.sleep(self._interval_s)

    async def once(self, now: datetime) -> None:
        """One round."""
        async with self._database.connection() as connection:
            await prepare_ahead(connection)
            dropped = await drop_older_than(connection, now - self._retention)
            if dropped:
                log.info("retention_applied", dropped=dropped)
            moments = {tenant: now - kept for tenant, kept in self._by_tenant.items() if kept < self._retention}
            deleted = await forget_older_than(connection, moments)
            if deleted:
                log.info("tenants_retention_applied", rows=deleted)
            await compact_closed(connection, now)
            await drop_empty(connection, now)
