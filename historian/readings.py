"""Reading readings back: raw, rolled up, latest, and as a trend that keeps its extremes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from historian.database import Connection
from plant import MICROSECONDS, Batch, to_microseconds

Width = Literal["1min", "1h"]

_EPOCH_US = "(extract(epoch from {column}) * 1000000)::bigint"

# Raw readings of some signals in a range (unique index reading_key).
READINGS = f"""
select {_EPOCH_US.format(column="time")} as time, signal_id, value, quality
from reading where signal_id = any($1::int[]) and time >= $2 and time < $3 order by time
"""
# Raw readings of all signals in a short, recent range (BRIN reading_time).
READINGS_ALL = f"""
select {_EPOCH_US.format(column="time")} as time, signal_id, value, quality
from reading where time >= $1 and time < $2 order by time
"""
# Roll-ups of some signals in a range (unique index of the roll-up).
ROLLUP = f"""
select {_EPOCH_US.format(column="bucket")} as bucket, signal_id, average, minimum, maximum, count, last
from {{table}} where signal_id = any($1::int[]) and bucket >= $2 and bucket < $3 order by bucket
"""
# One signal's trend for the tenant at work (views, unique indexes below them).
TREND_RAW = f"""
select {_EPOCH_US.format(column="time")} as time, value as average, value as minimum, value as maximum, quality
from tenant_reading where signal_id = $1 and time >= $2 and time < $3 order by time
"""
TREND_ROLLUP = f"""
select {_EPOCH_US.format(column="bucket")} as time, average, minimum, maximum, 0::int2 as quality
from {{view}} where signal_id = $1 and bucket >= $2 and bucket < $3 order by bucket
"""

_RAW_SPAN = timedelta(hours=2)
_MINUTE_SPAN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Rollup:
    """Rolled-up readings, column-wise, by bucket.

    buckets: int64 (n,), start of the bucket in microseconds since the epoch
    signal_ids: int32 (n,)
    averages, minima, maxima, lasts: float64 (n,)
    counts: int32 (n,)
    """

    buckets: NDArray[np.int64]
    signal_ids: NDArray[np.int32]
    averages: NDArray[np.float64]
    minima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    counts: NDArray[np.int32]
    lasts: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.buckets)


@dataclass(frozen=True, slots=True)
class Trend:
    """A signal over time, reduced so that no extreme is lost; nothing is interpolated.

    times: int64 (n,), microseconds; values, minima, maxima: float64 (n,)
    source: ``raw``, ``1min`` or ``1h``; width_s: seconds that one source row stands for
    """

    times: NDArray[np.int64]
    values: NDArray[np.float64]
    minima: NDArray[np.float64]
    maxima: NDArray[np.float64]
    source: str
    width_s: float

    def __len__(self) -> int:
        return len(self.times)


async def read_readings(
    connection: Connection, signal_ids: Sequence[int] | None, start: datetime, end: datetime
) -> Batch:
    """Readings with start <= time < end, by time; of all signals where ``signal_ids`` is None."""
    if signal_ids is None:
        rows = await connection.fetch(READINGS_ALL, start, end)
    else:
        rows = await connection.fetch(READINGS, list(signal_ids), start, end)
    if not rows:
        return Batch.empty()
    times, signals, values, qualities = zip(*rows, strict=True)
    return Batch(
        np.asarray(times, np.int64),
        np.asarray(signals, np.int32),
        np.asarray(values, np.float64),
        np.asarray(qualities, np.int16),
    )


async def read_rollup(
    connection: Connection, signal_ids: Sequence[int], start: datetime, end: datetime, width: Width
) -> Rollup:
    """Roll-ups whose bucket begins in [start, end)."""
    rows = await connection.fetch(ROLLUP.format(table=f"reading_{width}"), list(signal_ids), start, end)
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    return Rollup(
        np.asarray(columns[0], np.int64),
        np.asarray(columns[1], np.int32),
        np.asarray(columns[2], np.float64),
        np.asarray(columns[3], np.float64),
        np.asarray(columns[4], np.float64),
        np.asarray(columns[5], np.int32),
        np.asarray(columns[6], np.float64),
    )


async def read_trend(connection: Connection, signal_id: int, start: datetime, end: datetime, points: int) -> Trend:
    """The trend of a signal in [start, end) with at most ``points`` rows, on a tenant's connection.

    Short spans come from raw readings, longer ones from roll-ups; what the roll-up does not have yet is
    taken from the raw readings behind it. Empty where the signal is another tenant's.
    """
    span = end - start
    if span <= _RAW_SPAN:
        source, width_s, parts = "raw", 0.0, [await connection.fetch(TREND_RAW, signal_id, start, end)]
    else:
        source, width_s = ("1min", 60.0) if span <= _MINUTE_SPAN else ("1h", 3600.0)
        statement = TREND_ROLLUP.format(view=f"tenant_reading_{source}")
        rolled = await connection.fetch(statement, signal_id, start, end)
        tail = timedelta(hours=2) if source == "1h" else timedelta(minutes=3)
        reached = max(start, end - tail)
        if rolled:
            newest = rolled[-1]["time"] + int(width_s * MICROSECONDS)
            reached = max(reached, start + timedelta(microseconds=newest - to_microseconds(start)))
        parts = [rolled, await connection.fetch(TREND_RAW, signal_id, reached, end) if reached < end else []]
    rows = [row for part in parts for row in part]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    return reduce_trend(
        Trend(
            np.asarray(columns[0], np.int64),
            np.asarray(columns[1], np.float64),
            np.asarray(columns[2], np.float64),
            np.asarray(columns[3], np.float64),
            source,
            width_s,
        ),
        points,
    )


def reduce_trend(trend: Trend, points: int) -> Trend:
    """At most ``points`` rows: equal runs of rows become one with their mean, minimum and maximum.

    The time of a run is that of its first row; the extremes of the whole are kept exactly.
    """
    n = len(trend)
    if points < 1:
        raise ValueError("points must be at least 1")
    if n <= points:
        return trend
    starts = np.unique(np.linspace(0, n, points, endpoint=False).astype(np.int64))
    lengths = np.diff(np.append(starts, n))
    return Trend(
        trend.times[starts],
        np.add.reduceat(trend.values, starts) / lengths,
        np.minimum.reduceat(trend.minima, starts),
        np.maximum.reduceat(trend.maxima, starts),
        trend.source,
        trend.width_s,
    )
