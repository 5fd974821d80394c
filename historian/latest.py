"""The newest reading of every signal, one row a machine, kept beside the readings."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from historian.database import Connection
from plant import Batch, to_datetime, to_microseconds

# Every signal with its machine (a row a signal; read at start and when an unknown id comes).
SIGNALS = "select id, machine_id, tenant_id from signal order by machine_id, id"
LATEST = "select machine_id, tenant_id, signal_ids, times, readings, qualities from machine_latest order by machine_id"
UPSERT = """
insert into machine_latest (machine_id, tenant_id, signal_ids, times, readings, qualities)
values ($1, $2, $3, $4, $5, $6)
on conflict (machine_id) do update
set signal_ids = excluded.signal_ids, times = excluded.times, readings = excluded.readings,
    qualities = excluded.qualities
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

_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Latest:
    """Newest readings of signals that have any, column-wise.

    machine_ids, signal_ids: int32 (n,); times: int64 (n,); values: float64 (n,); qualities: int16 (n,)
    """

    machine_ids: NDArray[np.int32]
    signal_ids: NDArray[np.int32]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]


async def read_latest(connection: Connection) -> Latest:
    """Newest readings of all machines (service role)."""
    machine_ids: list[int] = []
    signal_ids: list[int] = []
    times: list[int] = []
    values: list[float] = []
    qualities: list[int] = []
    for row in await connection.fetch(LATEST):
        machine_ids += [row["machine_id"]] * len(row["signal_ids"])
        signal_ids += row["signal_ids"]
        times += [to_microseconds(time) for time in row["times"]]
        values += row["readings"]
        qualities += row["qualities"]
    return Latest(
        np.asarray(machine_ids, np.int32),
        np.asarray(signal_ids, np.int32),
        np.asarray(times, np.int64),
        np.asarray(values, np.float64),
        np.asarray(qualities, np.int16),
    )


class LatestKeeper:
    """The writer's memory of newest readings; :meth:`flush` puts what changed into ``machine_latest``."""

    def __init__(self) -> None:
        self._machines = np.zeros(0, np.int32)  # machine of each signal id, 0 for none
        self._times = np.zeros(0, np.int64)
        self._values = np.zeros(0, np.float64)
        self._qualities = np.zeros(0, np.int16)
        self._signals: dict[int, NDArray[np.int64]] = {}
        self._tenants: dict[int, int] = {}
        self._changed: set[int] = set()

    async def load(self, connection: Connection) -> None:
        """Learn all signals, and repair what a crash between readings and flush left behind."""
        await self._learn(connection)
        latest = await read_latest(connection)
        self._take(latest.signal_ids, latest.times, latest.values, latest.qualities)
        self._changed.clear()
        signals = np.flatnonzero(self._machines)
        floor = to_microseconds(to_datetime(0))
        noted = [to_datetime(max(int(time), floor)) for time in self._times[signals]]
        rows = await connection.fetch(BEHIND, signals.tolist(), noted)
        if rows:
            columns = list(zip(*rows, strict=True))
            self._take(
                np.asarray(columns[0], np.int32),
                np.asarray(columns[1], np.int64),
                np.asarray(columns[2], np.float64),
                np.asarray(columns[3], np.int16),
            )

    async def note(self, connection: Connection, batch: Batch) -> None:
        """Remember a batch that is about to be committed."""
        if len(batch) and int(batch.signal_ids.max()) >= len(self._machines):
            await self._learn(connection)
        self._take(batch.signal_ids, batch.times, batch.values, batch.qualities)

    @property
    def changed(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._changed)

    async def flush(self, connection: Connection) -> None:
        """Write the rows of the machines that changed."""
        rows = []
        for machine in sorted(self._changed):
            signals = self._signals[machine]
            signals = signals[self._times[signals] != _NEVER]
            rows.append(
                (
                    machine,
                    self._tenants[machine],
                    signals.tolist(),
                    [to_datetime(time) for time in self._times[signals].tolist()],
                    self._values[signals].tolist(),
                    self._qualities[signals].tolist(),
                )
            )
        await connection.executemany(UPSERT, rows)
        self._changed.clear()

    def _take(
        self,
        signal_ids: NDArray[np.int32],
        times: NDArray[np.int64],
        values: NDArray[np.float64],
        qualities: NDArray[np.int16],
    ) -> None:
        known = (signal_ids > 0) & (signal_ids < len(self._machines))
        known[known] &= self._machines[signal_ids[known]] > 0
        signal_ids, times, values, qualities = signal_ids[known], times[known], values[known], qualities[known]
        # In order of time the last assignment to a repeated index wins, which is the newest reading.
        order = np.argsort(times, kind="stable")
        order = order[times[order] > self._times[signal_ids[order]]]
        chosen = signal_ids[order]
        self._times[chosen] = times[order]
        self._values[chosen] = values[order]
        self._qualities[chosen] = qualities[order]
        self._changed.update(np.unique(self._machines[chosen]).tolist())

    async def _learn(self, connection: Connection) -> None:
        rows = await connection.fetch(SIGNALS)
        if not rows:
            return
        size = max(row["id"] for row in rows) + 1
        grown = size - len(self._times)
        if grown > 0:
            self._times = np.concatenate((self._times, np.full(grown, _NEVER)))
            self._values = np.concatenate((self._values, np.full(grown, np.nan)))
            self._qualities = np.concatenate((self._qualities, np.zeros(grown, np.int16)))
        self._machines = np.zeros(max(size, len(self._times)), np.int32)
        signals: dict[int, list[int]] = {}
        for row in rows:
            self._machines[row["id"]] = row["machine_id"]
            self._tenants[row["machine_id"]] = row["tenant_id"]
            signals.setdefault(row["machine_id"], []).append(row["id"])
        self._signals = {machine: np.asarray(ids, np.int64) for machine, ids in signals.items()}


# Newest reading of one machine (primary key machine_latest).
NEWEST = "select max(time) from machine_latest, unnest(times) as time where machine_id = $1"


async def newest_reading(connection: Connection, machine_id: int) -> datetime | None:
    """Source time of a machine's newest reading."""
    newest: datetime | None = await connection.fetchval(NEWEST, machine_id)
    return newest
