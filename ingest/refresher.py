"""Keeps roll-ups and summaries of time fresh beside the writer."""

import asyncio

import asyncpg
import structlog

from historian import BlockSummaries, Database, refresh_rollups

log = structlog.get_logger()


class RollupRefresher:
    """Computes every couple of seconds what the writer has marked, and summarizes what it has added."""

    def __init__(self, database: Database, interval_s: float = 2.0) -> None:
        self._database = database
        self._interval_s = interval_s

    async def run(self) -> None:
        """Refresh until cancelled; a database that is away is tried again."""
        summaries = BlockSummaries()
        while True:
            try:
                async with self._database.connection() as connection:
                    # First, so that the roll-ups find their minute without reading the whole day.
                    await summaries.keep_up(connection)
                    await refresh_rollups(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
                log.warning("rollups_not_refreshed", reason=f"{type(problem).__name__}: {problem}")
            await asyncio.sleep(self._interval_s)
