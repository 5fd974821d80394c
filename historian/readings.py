"""Reading readings back: raw, rolled up, latest, and as a trend that keeps its extremes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from historian.blocks import hour_of
from historian.copying import (
    POSTGRES_EPOCH_US,
    READING_COLUMNS,
    batch_of,
    copy_columns_out,
    copy_out,
    tuple_of,
)
from historian.database import Connection
from plant import MICROSECONDS, Batch, to_microseconds

Width = Literal["1min", "1h"]

_EPOCH_US = "(extract(epoch from {column}) * 1000000)::bigint"

# Raw readings in a range: of some signals (unique index reading_key), or of all (BRIN reading_time); rows and blocks.
READINGS = """
select time, signal_id, coalesce(value, 'NaN') as value, quality
from reading_all where {chosen} time >= '{start}' and time < '{end}' and since >= '{hour}' and since < '{end}'
"""
# Roll-ups in a range: of some signals (the roll-up's unique index), or of all (BRIN reading_1min_time).
ROLLUP = """
select bucket, signal_id, average, minimum, maximum, count, last
from {table} where {chosen} bucket >= '{start}' and bucket < '{end}'
"""
# One signal's trend for the tenant at work (views, unique indexes below them).
TREND_RAW = f"""
select {_EPOCH_US.format(column="time")} as time, value as average, value as minimum, value as maximum, quality
from tenant_reading
where signal_id = $1 and time >= $2 and time < $3 and since >= $4 and since < $3
order by time
"""
TREND_ROLLUP = f"""
select {_EPOCH_US.format(column="bucket")} as time, average, minimum, maximum, 0::int2 as quality
from {{view}} where signal_id = $1 and bucket >= $2 and bucket < $3 order by bucket
"""

# Columns as COPY hands them out (historian.copying).
_ROLLUP = {
    "bucket": ">i8",
    "signal_id": ">i4",
    "average": ">f8",
    "minimum": ">f8",
    "maximum": ">f8",
    "count": ">i4",
    "last": ">f8",
}

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
    statement = READINGS.format(
        chosen=_chosen(signal_ids), start=_literal(start), end=_literal(end), hour=_literal(hour_of(start))
    )
    batch = batch_of(await _columns(connection, statement, READING_COLUMNS, gathered=signal_ids is None))
    return batch.select(np.argsort(batch.times, kind="stable"))


async def read_rollup(
    connection: Connection, signal_ids: Sequence[int] | None, start: datetime, end: datetime, width: Width
) -> Rollup:
    """Roll-ups whose bucket begins in [start, end); of all signals where ``signal_ids`` is None."""
    statement = ROLLUP.format(
        table=f"reading_{width}", chosen=_chosen(signal_ids), start=_literal(start), end=_literal(end)
    )
    columns = await _columns(connection, statement, _ROLLUP, gathered=signal_ids is None)
    order = np.argsort(columns["bucket"], kind="stable")
    return Rollup(
        columns["bucket"][order].astype(np.int64) + POSTGRES_EPOCH_US,
        columns["signal_id"][order].astype(np.int32),
        columns["average"][order].astype(np.float64),
        columns["minimum"][order].astype(np.float64),
        columns["maximum"][order].astype(np.float64),
        columns["count"][order].astype(np.int32),
        columns["last"][order].astype(np.float64),
    )


async def _columns(
    connection: Connection, statement: str, columns: dict[str, str], *, gathered: bool
) -> Mapping[str, NDArray[Any]]:
    """Columns of a statement. Gathered by the server for a short range of a whole plant; a long one of a few
    signals might be more than it has memory for."""
    if gathered:
        return await copy_columns_out(connection, statement, columns)
    rows = await copy_out(connection, statement, tuple_of(**columns))
    return {name: rows[name] for name in columns}


def _chosen(signal_ids: Sequence[int] | None) -> str:
    """A condition on the signal, empty for all; COPY takes no parameters, so the numbers are written out."""
    if signal_ids is None:
        return ""
    return f"signal_id = any('{{{','.join(str(int(signal)) for signal in signal_ids)}}}'::int[]) and"


def _literal(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    return moment.isoformat()


async def read_trend(connection: Connection, signal_id: int, start: datetime, end: datetime, points: int) -> Trend:
    """The trend of a signal in [start, end) with at most ``points`` rows, on a tenant's connection.

    Short spans come from raw readings, longer ones from roll-ups; what the roll-up does not have yet is
    taken from the raw readings behind it. Empty where the signal is another tenant's.
    """
    span = end - start
    if span <= _RAW_SPAN:
        source, width_s, parts = "raw", 0.0, [await connection.fetch(TREND_RAW, signal_id, start, end, hour_of(start))]
    else:
        source, width_s = ("1min", 60.0) if span <= _MINUTE_SPAN else ("1h", 3600.0)
        statement = TREND_ROLLUP.format(view=f"tenant_reading_{source}")
        rolled = await connection.fetch(statement, signal_id, start, end)
        tail = timedelta(hours=2) if source == "1h" else timedelta(minutes=3)
        reached = max(start, end - tail)
        if rolled:
            newest = rolled[-1]["time"] + int(width_s * MICROSECONDS)
            reached = max(reached, start + timedelta(microseconds=newest - to_microseconds(start)))
        parts = [
            rolled,
            await connection.fetch(TREND_RAW, signal_id, reached, end, hour_of(reached)) if reached < end else [],
        ]
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
