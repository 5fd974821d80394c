"""Hears when sites, machines or signals change, so that nobody has to read all of them every few seconds."""

import asyncio
from typing import Any

import asyncpg
import structlog

from historian.database import Database

log = structlog.get_logger()

_CHANNEL = "plant_changed"
# A notification may be lost on the way (a pooler between us); then a change is seen this much later.
_LOOK_ANYWAY_S = 300.0
_AGAIN_S = 2.0


class PlantWatch:
    """Counts changes; run :meth:`run` beside those who look at :attr:`revision`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = asyncio.Event()
        self.revision = 0

    async def wait(self) -> None:
        """Until something has changed since the last call."""
        await self._changed.wait()
        self._changed.clear()

    async def run(self) -> None:
        """Listen until cancelled; a connection that breaks is made anew, and counts as a change."""
        while True:
            try:
                async with self._database.connection() as connection:
                    await self._listen(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
                log.warning("plant_not_watched", reason=f"{type(problem).__name__}: {problem}")
            await asyncio.sleep(_AGAIN_S)

    async def _listen(self, connection: Any) -> None:
        ended = asyncio.Event()

        def heard(*_: Any) -> None:
            self._note()

        def broken(*_: Any) -> None:
            ended.set()

        connection.add_termination_listener(broken)
        await connection.add_listener(_CHANNEL, heard)
        try:
            while not ended.is_set():
                # Also at the beginning: what happened before we listened is unknown.
                self._note()
                try:
                    async with asyncio.timeout(_LOOK_ANYWAY_S):
                        await ended.wait()
                except TimeoutError:
                    continue
        finally:
            connection.remove_termination_listener(broken)
            if not connection.is_closed():
                await connection.remove_listener(_CHANNEL, heard)

    def _note(self) -> None:
        self.revision += 1
        self._changed.set()
