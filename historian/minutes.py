"""Minutes rolled up by the writer while it has the readings in its hands.

To read a minute of a large plant back, six million rows, takes the database seconds; to keep sums beside the
stream takes next to nothing. What the writer cannot vouch for (its first minute, a second writer, late readings)
it marks, and :func:`historian.refresh_rollups` computes it from the readings.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from historian.copying import POSTGRES_EPOCH_US, binary_copy, tuple_of
from historian.database import Connection
from historian.partitions import READING_1MIN, PartitionKeeper
from historian.rollups import MARK_HOURS, REFRESHING, mark_dirty, mark_signals_dirty
from plant import MICROSECONDS, Batch, Quality, to_datetime

# How long after its end a minute waits for readings that are still on their way.
_GRACE_US = 3 * MICROSECONDS
# A minute is opened within so much of now, and given up while the refresher still respects its mark (HELD).
_OPENED_US = 180 * MICROSECONDS
_GIVEN_UP_US = 240 * MICROSECONDS
# So many late readings in one batch are marked by signal; more are a back-fill, and cheaper by whole minutes.
_FEW = 1_000
_MINUTE_US = 60 * MICROSECONDS
# A writer's marks name the process (so many can be told apart) and the start, which is drawn by lot.
_PROCESSES = 1 << 10

HOLD = "insert into rollup_dirty (bucket, writer) values ($1, $2)"
# What an earlier start of this process held is lost with its memory.
TAKE_OVER = "update rollup_dirty set writer = null where writer is not null and writer % $1 = $2"
OTHERS_MARKS = (
    "select count(*) from rollup_dirty where bucket = $1 and signal_ids is null and writer is distinct from $2"
)
RELEASE = "update rollup_dirty set writer = null where bucket = $1 and writer = $2"
UNMARK = "delete from rollup_dirty where bucket = $1 and writer = $2"

_ROW = tuple_of(bucket=">i8", signal=">i4", average=">f8", minimum=">f8", maximum=">f8", count=">i4", last=">f8")
_COLUMNS = ("average", "minimum", "maximum", "count", "last")


@dataclass(slots=True)
class _OpenMinute:
    """Sums of one minute, by signal id."""

    start: int
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    minima: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    maxima: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    newest: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    lasts: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def take(self, batch: Batch) -> None:
        """Add readings of this minute, in key order and none of them bad."""
        if not len(batch):
            return
        self._grow(int(batch.signal_ids[-1]) + 1)
        starts = np.flatnonzero(np.diff(batch.signal_ids, prepend=-1))
        signals = batch.signal_ids[starts]
        ends = np.append(starts[1:], len(batch)) - 1
        self.counts[signals] += ends - starts + 1
        self.sums[signals] += np.add.reduceat(batch.values, starts)
        self.minima[signals] = np.minimum(self.minima[signals], np.minimum.reduceat(batch.values, starts))
        self.maxima[signals] = np.maximum(self.maxima[signals], np.maximum.reduceat(batch.values, starts))
        newer = batch.times[ends] > self.newest[signals]
        self.newest[signals[newer]] = batch.times[ends[newer]]
        self.lasts[signals[newer]] = batch.values[ends[newer]]

    def _grow(self, length: int) -> None:
        missing = length - len(self.counts)
        if missing <= 0:
            return
        missing += length // 8

        def longer(array: NDArray[Any], value: float) -> NDArray[Any]:
            return np.concatenate((array, np.full(missing, value, array.dtype)))

        self.counts, self.sums = longer(self.counts, 0), longer(self.sums, 0)
        self.minima, self.maxima = longer(self.minima, np.inf), longer(self.maxima, -np.inf)
        self.newest, self.lasts = longer(self.newest, 0), longer(self.lasts, 0)

    def rows(self) -> bytes:
        """The minute as rows of ``reading_1min`` in COPY's binary format."""
        signals = np.flatnonzero(self.counts)
        rows = np.empty(len(signals), _ROW)
        rows["fields"] = 7
        rows["bucket_length"], rows["bucket"] = 8, self.start - POSTGRES_EPOCH_US
        rows["signal_length"], rows["signal"] = 4, signals
        rows["average"] = self.sums[signals] / self.counts[signals]
        rows["minimum"], rows["maximum"] = self.minima[signals], self.maxima[signals]
        rows["count"], rows["last"] = self.counts[signals], self.lasts[signals]
        for name in _COLUMNS:
            rows[f"{name}_length"] = _ROW[name].itemsize
        return rows.tobytes()


class MinuteKeeper:
    """The writer's sums of the minutes of now.

    writer: number of the process that writes; clock: wall time in microseconds since the epoch

    In the transaction of readings call :meth:`mark`, after its commit :meth:`note`; whenever nothing waits,
    :meth:`close`.
    """

    def __init__(self, writer: int = 0, clock: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        self._process = writer % _PROCESSES
        self._token = secrets.randbits(50) * _PROCESSES + self._process
        self._clock = clock
        self._open: dict[int, _OpenMinute] = {}
        self._partitions = PartitionKeeper()
        # A minute in which an earlier start may have committed readings is not ours alone.
        self._closed_before = (clock() // _MINUTE_US + 1) * _MINUTE_US
        self._marked: list[int] = []

    async def begin(self, connection: Connection, newest: int | None = None) -> None:
        """Leave to the refresher what an earlier start of this process had in memory.

        newest: time of the newest reading there is, where the caller has looked; the minutes after it are ours
        """
        await connection.execute(TAKE_OVER, _PROCESSES, self._process)
        if newest is not None:
            self._closed_before = (newest // _MINUTE_US + 1) * _MINUTE_US

    async def mark(self, connection: Connection, stored: Batch) -> None:
        """Note beside new rows, in their transaction, which minutes the table of minutes now lacks.

        stored: the rows that were new, in key order
        """
        minutes = stored.times // _MINUTE_US * _MINUTE_US
        distinct = np.unique(minutes)
        held = [minute for minute in distinct.tolist() if self._holds(minute)]
        self._marked = held
        for minute in held:
            if minute not in self._open:
                await connection.execute(HOLD, to_datetime(minute), self._token)
        if len(held) == len(distinct):
            return
        late = ~np.isin(minutes, held)
        if int(late.sum()) > _FEW:
            await mark_dirty(connection, np.unique(minutes[late]).tolist())
        else:
            pairs = np.unique(np.stack((minutes[late], stored.signal_ids[late])), axis=1)
            await mark_signals_dirty(connection, pairs[0].tolist(), pairs[1].tolist())

    def note(self, stored: Batch) -> None:
        """Take rows in whose transaction has been committed, marks and all."""
        minutes = stored.times // _MINUTE_US * _MINUTE_US
        for minute in self._marked:
            of_it = (minutes == minute) & (stored.qualities < Quality.BAD) & ~np.isnan(stored.values)
            self._open.setdefault(minute, _OpenMinute(minute)).take(stored.select(of_it))
        self._marked = []

    def _holds(self, minute: int) -> bool:
        now = self._clock()
        if minute in self._open:
            return now - minute < _GIVEN_UP_US
        return minute >= self._closed_before and abs(now - minute) < _OPENED_US

    async def close(self, connection: Connection) -> None:
        """Store minutes that are over and cannot be expected to grow, each in a transaction of its own."""
        now = self._clock()
        for minute in sorted(self._open):
            if minute + _MINUTE_US + _GRACE_US > now:
                break
            if not await self._store(connection, self._open[minute]):
                break

    async def release(self, connection: Connection) -> None:
        """Leave everything to the refresher."""
        await connection.execute(TAKE_OVER, _PROCESSES, self._process)
        self._open.clear()

    async def _store(self, connection: Connection, minute: _OpenMinute) -> bool:
        """Store a minute, or leave it to the refresher where others have had a hand in it."""
        bucket = to_datetime(minute.start)
        width = READING_1MIN.width_s * MICROSECONDS
        await self._partitions.ensure_numbers(connection, READING_1MIN, [minute.start // width])
        try:
            async with connection.transaction():
                if not await connection.fetchval(REFRESHING):
                    return False  # the refresher is at work; what it computes must not be waited for here
                vouched = await connection.fetchval(OTHERS_MARKS, bucket, self._token) == 0
                if vouched:
                    # No mark of ours left: it took us so long that the refresher has taken the minute over.
                    vouched = await connection.execute(UNMARK, bucket, self._token) != "DELETE 0"
                if vouched:
                    await binary_copy(connection, "reading_1min", minute.rows())
                    await connection.execute(MARK_HOURS, [bucket])
                else:
                    await self._leave(connection, minute.start)
        except asyncpg.UniqueViolationError:
            # Part of it had been rolled up from readings that we never saw.
            await self._leave(connection, minute.start)
        del self._open[minute.start]
        self._closed_before = max(self._closed_before, minute.start + _MINUTE_US)
        return True

    async def _leave(self, connection: Connection, minute: int) -> None:
        """Have the refresher compute a minute, again where it has done so before us."""
        if await connection.execute(RELEASE, to_datetime(minute), self._token) == "UPDATE 0":
            await mark_dirty(connection, [minute])
