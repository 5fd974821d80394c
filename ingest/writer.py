"""The writer: from the spool into the table, exactly once.

Readings, quarantine, marks for the roll-ups and the place in the spool are committed together. Whatever
happens, the next start reads the place from the database and goes on there.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import numpy as np
import structlog

from historian import (
    READING,
    Connection,
    Database,
    LatestKeeper,
    PartitionKeeper,
    load_positions,
    locked_position,
    mark_dirty,
    move_position,
    quarantine,
    store_readings,
)
from ingest.reader import LaneReader, Place
from ingest.records import Record
from ingest.segments import lane_directory, lanes
from plant import MICROSECONDS, Batch, Rejected, concatenate

log = structlog.get_logger()

_MINUTE_US = 60 * MICROSECONDS
_LATEST_S = 1.0
_LONGEST_BACKOFF_S = 5.0
# A round takes a second or two; one that takes longer hangs, and a fresh connection does not.
_STUCK_S = 30.0
# Trouble with the server or the way to it: the same data will do later.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.InternalClientError,  # what asyncpg says when the server dies under a COPY
    asyncpg.TransactionRollbackError,
    asyncpg.InternalServerError,
)


class _Overtaken(Exception):
    """Another writer has moved this lane on."""


class Writer:
    """Brings every lane below a spool root into the historian.

    tenant_id: whose quarantine takes what could not be read
    max_rows: readings in one transaction; pause_s: how long small batches may wait to become larger ones
    """

    def __init__(
        self, database: Database, spool_root: Path, *, tenant_id: int, max_rows: int = 100_000, pause_s: float = 0.03
    ) -> None:
        self._database = database
        self._root = spool_root
        self._tenant_id = tenant_id
        self._max_rows = max_rows
        self._pause_s = pause_s
        self._readers: dict[str, LaneReader] = {}
        self._partitions = PartitionKeeper()
        self._latest = LatestKeeper()
        self._flushed = 0.0

    async def run(self) -> None:
        """Write until cancelled; waits for a database that is away, however long."""
        backoff_s = 0.1
        while True:
            try:
                async with self._database.connection() as connection:
                    await self._begin(connection)
                    while True:
                        async with asyncio.timeout(_STUCK_S):
                            busy = await self._round(connection)
                        backoff_s = 0.1
                        if not busy:
                            await asyncio.sleep(self._pause_s)
            except _AWAY as problem:
                log.warning("historian_away", reason=f"{type(problem).__name__}: {problem}", again_in_s=backoff_s)
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def drain(self) -> None:
        """Write until nothing waits, once; for jobs and tests."""
        async with self._database.connection() as connection:
            await self._begin(connection)
            while await self._round(connection):
                pass
            await self._flush_latest(connection)

    async def _begin(self, connection: Connection) -> None:
        positions = await load_positions(connection)
        self._readers = {
            lane: LaneReader(lane_directory(self._root, lane), Place(position.segment, position.byte_offset))
            for lane, position in positions.items()
        }
        self._partitions.forget()
        self._latest = LatestKeeper()
        await self._latest.load(connection)

    async def _round(self, connection: Connection) -> bool:
        """One batch of every lane; whether a lane had a full one, so that more may be waiting."""
        full = False
        for lane in await asyncio.to_thread(lanes, self._root):
            if lane not in self._readers:
                self._readers[lane] = LaneReader(lane_directory(self._root, lane), Place(0, 0))
            reader = self._readers[lane]
            began = reader.place
            records = await asyncio.to_thread(reader.take, self._max_rows)
            if not records:
                continue
            try:
                await self._commit(connection, lane, began, reader.place, records)
            except _Overtaken:
                reader.go_to(Place(*await self._place_of(connection, lane)))
                continue
            await asyncio.to_thread(reader.drop_finished, reader.place)
            full |= sum(len(record.batch) for record in records) >= self._max_rows
        if self._latest.changed and time.monotonic() - self._flushed > _LATEST_S:
            await self._flush_latest(connection)
        return full

    async def _commit(
        self, connection: Connection, lane: str, began: Place, ended: Place, records: Sequence[Record]
    ) -> None:
        batch = concatenate([record.batch for record in records])
        rejected = [entry for record in records for entry in record.rejected]
        try:
            await self._store(connection, lane, began, ended, batch, rejected)
        except asyncpg.CheckViolationError:
            # A partition went away (retention) between our looking and now.
            self._partitions.forget()
            await self._store(connection, lane, began, ended, batch, rejected)
        except asyncpg.DataError as problem:
            if len(records) > 1:
                for record in records:
                    place = Place(ended.segment, record.end) if began.segment == ended.segment else ended
                    await self._commit(connection, lane, began, place, [record])
                    began = place
                return
            log.error("batch_refused", lane=lane, readings=len(batch), reason=str(problem))
            refused = _refused(batch, str(problem))
            await self._store(connection, lane, began, ended, Batch.empty(), [*rejected, *refused])

    async def _store(
        self,
        connection: Connection,
        lane: str,
        began: Place,
        ended: Place,
        batch: Batch,
        rejected: Sequence[Rejected],
    ) -> None:
        if len(batch):
            width = READING.width_s * MICROSECONDS
            await self._partitions.ensure_numbers(connection, READING, np.unique(batch.times // width).tolist())
        async with connection.transaction():
            if await locked_position(connection, lane) != (began.segment, began.byte_offset):
                raise _Overtaken
            stored = await store_readings(connection, batch)
            if len(batch):
                await mark_dirty(connection, (np.unique(batch.times // _MINUTE_US) * _MINUTE_US).tolist())
            if rejected:
                await quarantine(connection, self._tenant_id, rejected)
            await move_position(connection, lane, ended.segment, ended.byte_offset, len(batch), stored, len(rejected))
        await self._latest.note(connection, batch)
        log.debug("batch_committed", lane=lane, readings=len(batch), stored=stored, rejected=len(rejected))

    async def _flush_latest(self, connection: Connection) -> None:
        async with connection.transaction():
            await self._latest.flush(connection)
        self._flushed = time.monotonic()

    async def _place_of(self, connection: Connection, lane: str) -> tuple[int, int]:
        async with connection.transaction():
            return await locked_position(connection, lane)


def _refused(batch: Batch, reason: str) -> list[Rejected]:
    """What the table would not take, for a person to look at."""
    now = time.time_ns() // 1000
    return [
        Rejected("ingest", f"signal {signal}", "refused_by_historian", reason, f"{time_us} {value}".encode(), now)
        for time_us, signal, value in zip(
            batch.times.tolist(), batch.signal_ids.tolist(), batch.values.tolist(), strict=True
        )
    ]
