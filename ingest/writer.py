"""The writer: from the spool into the table, exactly once.

Readings, quarantine, marks for the roll-ups and the place in the spool are committed together. Whatever
happens, the next start reads the place from the database and goes on there.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import numpy as np
import structlog

from historian import (
    READING,
    Connection,
    Database,
    Encoded,
    LatestKeeper,
    MinuteKeeper,
    PartitionKeeper,
    load_positions,
    locked_position,
    move_position,
    open_late,
    quarantine,
    store_encoded,
)
from ingest.reader import LaneReader, Place
from ingest.records import Record
from ingest.segments import lane_directory, lanes
from plant import MICROSECONDS, Batch, Rejected, concatenate

log = structlog.get_logger()

_LONGEST_BACKOFF_S = 5.0
_LEAST_ROWS = 1_000
# Notes of newest readings may take this share of the writer's time, and come no oftener than once a second.
_LATEST_S = 1.0
_LATEST_SHARE = 0.05
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


@dataclass(frozen=True, slots=True)
class _Portion:
    """Records of one lane between two places, ready to be committed."""

    lane: str
    began: Place
    ended: Place
    records: Sequence[Record]
    batch: Batch
    encoded: Encoded
    rejected: Sequence[Rejected]
    partitions: Sequence[int]

    @classmethod
    def of(cls, lane: str, began: Place, ended: Place, records: Sequence[Record]) -> "_Portion":
        """Everything that can be computed without the database."""
        batch = concatenate([record.batch for record in records])
        width = READING.width_s * MICROSECONDS
        return cls(
            lane,
            began,
            ended,
            records,
            batch,
            Encoded.of(batch),
            [entry for record in records for entry in record.rejected],
            np.unique(batch.times // width).tolist(),
        )

    def of_nothing_but(self, rejected: Sequence[Rejected]) -> "_Portion":
        """The same stretch of the lane, with rejected messages instead of readings."""
        nothing = Batch.empty()
        return _Portion(self.lane, self.began, self.ended, self.records, nothing, Encoded.of(nothing), rejected, [])


class Writer:
    """Brings the lanes below a spool root into the historian.

    tenant_id: whose quarantine takes what could not be read
    max_rows: readings in one transaction; gather_s: how long readings may wait for others to travel with
    worker, workers: which of so many writers this is; each takes its share of the lanes. Two on one lane, as
    when their number changes, do no harm: they take turns, and the later one sees where the lane is.
    """

    def __init__(
        self,
        database: Database,
        spool_root: Path,
        *,
        tenant_id: int,
        max_rows: int = 100_000,
        gather_s: float = 0.1,
        worker: int = 0,
        workers: int = 1,
    ) -> None:
        self._database = database
        self._root = spool_root
        self._tenant_id = tenant_id
        self._max_rows = self._rows = max_rows
        self._gather_s = gather_s
        self._worker = worker
        self._workers = workers
        self._readers: dict[str, LaneReader] = {}
        self._next_lane = 0
        self._partitions = PartitionKeeper()
        self._latest = LatestKeeper(worker)
        self._minutes = MinuteKeeper(worker)
        self._flush_after = 0.0

    async def run(self) -> None:
        """Write until cancelled; waits for a database that is away, however long."""
        backoff_s = 0.1
        while True:
            began = time.monotonic()
            try:
                async with self._database.connection() as connection:
                    await self._begin(connection)
                    await self._write(connection, until_empty=False)
            except _AWAY as problem:
                if isinstance(problem, TimeoutError):
                    # A server too slow for so much at once would never be done with it.
                    self._rows = max(_LEAST_ROWS, self._rows // 2)
                log.warning("historian_away", reason=f"{type(problem).__name__}: {problem}", again_in_s=backoff_s)
            if time.monotonic() - began > _LONGEST_BACKOFF_S:
                backoff_s = 0.1
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def drain(self) -> None:
        """Write until nothing waits, once; for jobs and tests."""
        async with self._database.connection() as connection:
            await self._begin(connection)
            await self._write(connection, until_empty=True)
            await self._flush_latest(connection)
            await self._minutes.release(connection)

    async def _begin(self, connection: Connection) -> None:
        positions = await load_positions(connection)
        self._readers = {
            lane: LaneReader(lane_directory(self._root, lane), Place(position.segment, position.byte_offset))
            for lane, position in positions.items()
        }
        self._partitions.forget()
        self._latest = LatestKeeper(self._worker)
        await self._latest.load(connection)
        self._minutes = MinuteKeeper(self._worker)
        await self._minutes.begin(connection, self._latest.newest)

    async def _write(self, connection: Connection, *, until_empty: bool) -> None:
        """Commit portion after portion. While there is a backlog, the next is prepared as the database works."""
        ahead: asyncio.Task[_Portion | None] | None = None
        try:
            while True:
                portion = await (ahead or asyncio.to_thread(self._prepare))
                ahead = None
                began = time.monotonic()
                if portion is None:
                    if until_empty:
                        return
                    await asyncio.sleep(self._gather_s / 4)
                else:
                    full = self._is_full(portion)
                    if full:
                        ahead = asyncio.create_task(asyncio.to_thread(self._prepare))
                    try:
                        await self._commit(connection, portion)
                    except _Overtaken:
                        # What was read ahead may be of another lane: it must be read again.
                        if ahead is not None and (skipped := await ahead) is not None:
                            self._readers[skipped.lane].go_to(skipped.began)
                        ahead = None
                        self._readers[portion.lane].go_to(await self._place_of(connection, portion.lane))
                        continue
                    self._latest.note(portion.batch)
                    await asyncio.to_thread(self._readers[portion.lane].drop_finished, portion.ended)
                    if not full and not until_empty:
                        # Few readings: the next transaction waits until more have come.
                        await asyncio.sleep(max(0.0, began + self._gather_s - time.monotonic()))
                if portion is None or not full:
                    await self._minutes.close(connection)
                if self._latest.changed and time.monotonic() > self._flush_after:
                    await self._flush_latest(connection)
        finally:
            if ahead is not None:
                await asyncio.gather(ahead, return_exceptions=True)

    def _is_full(self, portion: _Portion) -> bool:
        return len(portion.batch) + len(portion.rejected) >= self._rows

    def _prepare(self) -> _Portion | None:
        """The next portion of any of our lanes, in turn; None where nothing waits. Called in a thread."""
        mine = lanes(self._root)[self._worker :: self._workers]
        for step in range(len(mine)):
            lane = mine[(self._next_lane + step) % len(mine)]
            if lane not in self._readers:
                self._readers[lane] = LaneReader(lane_directory(self._root, lane), Place(0, 0))
            reader = self._readers[lane]
            began = reader.place
            records = reader.take(self._rows)
            # Also where it has gone on to a newer segment and found nothing there: the one before can go only once that
            # is noted, and on a full disk nothing can come before it goes.
            if records or reader.place.segment != began.segment:
                self._next_lane = (self._next_lane + step + 1) % len(mine)
                return _Portion.of(lane, began, reader.place, records)
        return None

    async def _commit(self, connection: Connection, portion: _Portion) -> None:
        try:
            await self._store(connection, portion)
        except asyncpg.CheckViolationError:
            # A partition went away (retention) between our looking and now.
            self._partitions.forget()
            await self._store(connection, portion)
        except asyncpg.DataError as problem:
            if len(portion.records) > 1:
                began = portion.began
                for record in portion.records:
                    place = Place(record.segment, record.end)
                    await self._commit(connection, _Portion.of(portion.lane, began, place, [record]))
                    began = place
                return
            log.error("batch_refused", lane=portion.lane, readings=len(portion.batch), reason=str(problem))
            refused = [*portion.rejected, *_refused(portion.batch, str(problem))]
            await self._store(connection, portion.of_nothing_but(refused))
        self._rows = min(self._max_rows, self._rows * 2)

    async def _store(self, connection: Connection, portion: _Portion) -> None:
        if portion.partitions:
            await self._partitions.ensure_numbers(connection, READING, list(portion.partitions))
        async with connection.transaction():
            if await locked_position(connection, portion.lane) != (portion.began.segment, portion.began.byte_offset):
                raise _Overtaken
            await open_late(connection, portion.batch, time.time_ns() // 1000)
            stored = await store_encoded(connection, portion.encoded)
            await self._minutes.mark(connection, stored)
            if portion.rejected:
                await quarantine(connection, self._tenant_id, portion.rejected)
            await move_position(
                connection,
                portion.lane,
                portion.ended.segment,
                portion.ended.byte_offset,
                len(portion.batch),
                len(stored),
                len(portion.rejected),
            )
        self._minutes.note(stored)
        log.debug(
            "batch_committed",
            lane=portion.lane,
            readings=len(portion.batch),
            stored=len(stored),
            rejected=len(portion.rejected),
        )

    async def _flush_latest(self, connection: Connection) -> None:
        began = time.monotonic()
        async with connection.transaction():
            await self._latest.flush(connection)
        ended = time.monotonic()
        self._flush_after = ended + max(_LATEST_S, (ended - began) / _LATEST_SHARE)

    async def _place_of(self, connection: Connection, lane: str) -> Place:
        async with connection.transaction():
            return Place(*await locked_position(connection, lane))


def _refused(batch: Batch, reason: str) -> list[Rejected]:
    """What the table would not take, for a person to look at."""
    now = time.time_ns() // 1000
    return [
        Rejected("ingest", f"signal {signal}", "refused_by_historian", reason, f"{time_us} {value}".encode(), now)
        for time_us, signal, value in zip(
            batch.times.tolist(), batch.signal_ids.tolist(), batch.values.tolist(), strict=True
        )
    ]
