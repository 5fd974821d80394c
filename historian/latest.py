"""The newest reading of every signal, kept beside the readings in blocks of 64 signals."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from historian.copying import POSTGRES_EPOCH_US, binary_copy
from historian.database import Connection
from plant import Batch, to_datetime

BLOCK = 64
"""Signals in a block; the migrations and views know it too."""

# All notes of all writers (a row a block and writer).
LATEST = """
select block, (select array_agg(
        case when time > '-infinity' then (extract(epoch from time) * 1000000)::bigint end order by place
    ) from unnest(times) with ordinality as entry (time, place)) as times, readings, qualities
from latest_block
"""
STAGE = """
create temporary table if not exists latest_stage (
    block int not null, writer int2 not null, times timestamptz[] not null, readings float8[] not null,
    qualities int2[] not null
) on commit delete rows
"""
UPSERT = """
insert into latest_block select * from latest_stage
on conflict (block, writer) do update
set times = excluded.times, readings = excluded.readings, qualities = excluded.qualities
"""
# Newest reading behind what is noted of a signal (unique index reading_key, newest partition first).
BEHIND = """
select noted.signal_id, (extract(epoch from newest.time) * 1000000)::bigint as time, newest.value, newest.quality
from unnest($1::int[], $2::timestamptz[]) as noted (signal_id, time)
cross join lateral (
    select reading.time, reading.value, reading.quality from reading
    where reading.signal_id = noted.signal_id and reading.time > noted.time
    order by reading.time desc limit 1
) as newest
"""
SIGNAL_IDS = "select id from signal order by id"
# Newest reading of one machine (its signals, and the blocks they are in).
NEWEST = """
select max(noted.times[signal.id % 64 + 1]) from signal join latest_block noted on noted.block = signal.id / 64
where signal.machine_id = $1 and noted.times[signal.id % 64 + 1] > '-infinity'
"""

_NEVER = np.iinfo(np.int64).min


def _array_of(dtype: str) -> np.dtype[np.void]:
    """An array of one block as PostgreSQL sends and receives it (array_recv in its sources)."""
    return np.dtype(
        [
            ("bytes", ">i4"),
            ("dimensions", ">i4"),
            ("has_null", ">i4"),
            ("type", ">u4"),
            ("length", ">i4"),
            ("first", ">i4"),
            ("elements", [("bytes", ">i4"), ("value", dtype)], BLOCK),
        ]
    )


_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("block_bytes", ">i4"),
        ("block", ">i4"),
        ("writer_bytes", ">i4"),
        ("writer", ">i2"),
        ("times", _array_of(">i8")),
        ("readings", _array_of(">f8")),
        ("qualities", _array_of(">i2")),
    ]
)
# Object identifiers of timestamptz, float8 and int2 (pg_type.dat).
_TYPES = {"times": 1184, "readings": 701, "qualities": 21}


@dataclass(frozen=True, slots=True)
class Latest:
    """Newest readings of signals that have any, column-wise, by signal.

    signal_ids: int32 (n,); times: int64 (n,); values: float64 (n,); qualities: int16 (n,)
    """

    signal_ids: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]


async def read_latest(connection: Connection) -> Latest:
    """Newest readings of all signals (service role)."""
    rows = await connection.fetch(LATEST)
    if not rows:
        return Latest(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int16))
    blocks = np.asarray([row["block"] for row in rows], np.int32)
    ids = (blocks[:, None] * BLOCK + np.arange(BLOCK, dtype=np.int32)).ravel()
    times = np.asarray([[_NEVER if time is None else time for time in row["times"]] for row in rows], np.int64).ravel()
    values = np.asarray([row["readings"] for row in rows], np.float64).ravel()
    qualities = np.asarray([row["qualities"] for row in rows], np.int16).ravel()
    # Of each signal the newest that any writer has noted: the last in this order.
    order = np.lexsort((times, ids))
    last = np.append(ids[order][1:] != ids[order][:-1], True)
    chosen = order[last & (times[order] != _NEVER)]
    return Latest(ids[chosen], times[chosen], values[chosen], qualities[chosen])


async def newest_reading(connection: Connection, machine_id: int) -> datetime | None:
    """Source time of a machine's newest reading."""
    newest: datetime | None = await connection.fetchval(NEWEST, machine_id)
    return newest


class LatestKeeper:
    """The writer's memory of newest readings; :meth:`flush` puts what changed into ``latest_block``."""

    def __init__(self, writer: int = 0) -> None:
        """writer: the number of the process that writes; each has rows of its own."""
        self._writer = writer
        # By signal id, as long as a whole number of blocks.
        self._times = np.zeros(0, np.int64)
        self._values = np.zeros(0, np.float64)
        self._qualities = np.zeros(0, np.int16)
        self._changed = np.zeros(0, np.bool_)

    async def load(self, connection: Connection) -> None:
        """Take up what is noted, and repair what a crash between readings and flush left behind."""
        latest = await read_latest(connection)
        self._take(latest.signal_ids, latest.times, latest.values, latest.qualities)
        self._changed[:] = False
        signals = [row["id"] for row in await connection.fetch(SIGNAL_IDS)]
        if not signals:
            return
        self._grow(max(signals))
        noted = [to_datetime(max(int(time), 0)) for time in self._times[signals]]
        rows = await connection.fetch(BEHIND, signals, noted)
        if rows:
            columns = list(zip(*rows, strict=True))
            self._take(
                np.asarray(columns[0], np.int32),
                np.asarray(columns[1], np.int64),
                np.asarray(columns[2], np.float64),
                np.asarray(columns[3], np.int16),
            )

    def note(self, batch: Batch) -> None:
        """Remember a batch that has been committed."""
        self._take(batch.signal_ids, batch.times, batch.values, batch.qualities)

    @property
    def changed(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._changed.any())

    @property
    def newest(self) -> int:
        """Time of the newest reading noted, microseconds; 0 where there is none."""
        return max(0, int(self._times.max(initial=0)))

    async def flush(self, connection: Connection) -> None:
        """Write the blocks that changed, in the caller's transaction."""
        blocks = np.flatnonzero(self._changed)
        await connection.execute(STAGE)
        await binary_copy(connection, "latest_stage", self._rows(blocks).tobytes())
        await connection.execute(UPSERT)
        self._changed[blocks] = False

    def _rows(self, blocks: NDArray[np.int64]) -> NDArray[np.void]:
        rows = np.zeros(len(blocks), _ROW)
        rows["fields"], rows["block_bytes"], rows["block"] = 5, 4, blocks
        rows["writer_bytes"], rows["writer"] = 2, self._writer
        times = self._times.reshape(-1, BLOCK)[blocks]
        # PostgreSQL's -infinity is the smallest number as well.
        columns = {
            "times": np.where(times == _NEVER, _NEVER, times - POSTGRES_EPOCH_US),
            "readings": self._values.reshape(-1, BLOCK)[blocks],
            "qualities": self._qualities.reshape(-1, BLOCK)[blocks],
        }
        for name, values in columns.items():
            array = rows[name]
            array["dimensions"], array["length"], array["first"], array["type"] = 1, BLOCK, 1, _TYPES[name]
            array["elements"]["bytes"], array["elements"]["value"] = values.dtype.itemsize, values
            array["bytes"] = array.dtype.itemsize - 4
        return rows

    def _take(
        self,
        signal_ids: NDArray[np.int32],
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        qualities: NDArray[np.int16],
    ) -> None:
        if not len(signal_ids):
            return
        self._grow(int(signal_ids.max()))
        rows = np.flatnonzero(times > self._times[signal_ids])
        # In order of time the last assignment to a repeated index wins, which is the newest reading.
        rows = rows[np.argsort(times[rows], kind="stable")]
        chosen = signal_ids[rows]
        self._times[chosen] = times[rows]
        self._values[chosen] = values[rows]
        self._qualities[chosen] = qualities[rows]
        self._changed[chosen // BLOCK] = True

    def _grow(self, signal_id: int) -> None:
        missing = (signal_id // BLOCK + 1) * BLOCK - len(self._times)
        if missing > 0:
            self._times = np.concatenate((self._times, np.full(missing, _NEVER)))
            self._values = np.concatenate((self._values, np.full(missing, np.nan)))
            self._qualities = np.concatenate((self._qualities, np.zeros(missing, np.int16)))
            self._changed = np.concatenate((self._changed, np.zeros(missing // BLOCK, np.bool_)))
