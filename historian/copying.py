"""Readings into the table: binary COPY built column-wise with numpy, and the checked way for repeats."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import numpy as np
from numpy.typing import NDArray

from historian.database import Connection
from plant import Batch

POSTGRES_EPOCH_US = 946_684_800_000_000
"""Microseconds between 1970-01-01 and PostgreSQL's epoch, 2000-01-01."""

_SIGNATURE = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"


def tuple_of(**fields: str) -> np.dtype[np.void]:
    """A row in COPY's binary format, big-endian: field count, then length and value of each field, none of them null.

    fields: name -> numpy type, in the order of the columns
    Source: PostgreSQL documentation, COPY, "Binary Format".
    """
    parts: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields.items():
        parts += [(f"{name}_length", ">i4"), (name, kind)]
    return np.dtype(parts)


READING_COLUMNS = {"time": ">i8", "signal_id": ">i4", "value": ">f8", "quality": ">i2"}
"""Columns of ``reading`` and their types in COPY's binary format."""

_READING = tuple_of(**READING_COLUMNS)
_KEY = tuple_of(time=">i8", signal_id=">i4")
_CHUNK = 1 << 20
_LARGEST = np.iinfo(np.int64).max

STAGE = """
create temporary table if not exists reading_stage (
    time timestamptz not null, signal_id int4 not null, value float8, quality int2 not null
) on commit delete rows
"""
# Readings are found by an index, always. The planner knows little of a table that grows by millions of rows a
# minute, and takes to reading all of it, with every core there is.
BY_INDEX = "set local enable_seqscan = off; set local max_parallel_workers_per_gather = 0"
# Only rows whose (signal_id, time) is new; the unique index reading_key decides. Answers with what it stored.
MERGE = "insert into reading select * from reading_stage on conflict do nothing returning time, signal_id"


def encode_copy(batch: Batch) -> bytes:
    """The batch as rows of PostgreSQL's binary COPY format: time, signal_id, value, quality."""
    tuples = np.empty(len(batch), _READING)
    tuples["fields"] = 4
    tuples["time_length"] = 8
    tuples["time"] = batch.times - POSTGRES_EPOCH_US
    tuples["signal_id_length"] = 4
    tuples["signal_id"] = batch.signal_ids
    tuples["value_length"] = 8
    tuples["value"] = batch.values
    tuples["quality_length"] = 2
    tuples["quality"] = batch.qualities
    return tuples.tobytes()


def in_key_order(batch: Batch) -> Batch:
    """The rows by signal and time, each key once: the first that came, as ON CONFLICT DO NOTHING keeps it.

    In this order the unique index is walked from end to end instead of being probed at random, which saves the
    server a fifth of its work on full batches.
    """
    if len(batch) < 2:
        return batch
    first, last = int(batch.times.min()), int(batch.times.max())
    span = last - first + 1
    if int(batch.signal_ids.max()) < _LARGEST // span:
        # One number a row, as both fit into it almost always: a single quick sort.
        keys = batch.signal_ids * np.int64(span) + (batch.times - first)
        order = np.argsort(keys)
        ordered = keys[order]
        if not (ordered[1:] == ordered[:-1]).any():
            return batch.select(order)
    order = np.lexsort((batch.times, batch.signal_ids))
    signals, times = batch.signal_ids[order], batch.times[order]
    repeated = (signals[1:] == signals[:-1]) & (times[1:] == times[:-1])
    # lexsort is stable: of equal keys the first in the batch comes first.
    return batch.select(order[np.concatenate(([True], ~repeated))])


async def store_readings(connection: Connection, batch: Batch) -> int:
    """Store a batch inside the caller's transaction; how many rows were new.

    Rows go straight in; where a key is there already the batch goes through a staging table instead.
    Partitions must exist (:class:`historian.PartitionKeeper`).
    """
    return len(await store_encoded(connection, Encoded.of(batch)))


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows in key order, every key once, and as they go over the wire; made ahead."""

    batch: Batch
    data: bytes

    @classmethod
    def of(cls, batch: Batch) -> "Encoded":
        """Encode a batch."""
        distinct = in_key_order(batch)
        return cls(distinct, encode_copy(distinct))


async def store_encoded(connection: Connection, encoded: Encoded) -> Batch:
    """:func:`store_readings` of rows that are encoded already; the rows that were new, in key order."""
    if not len(encoded.batch):
        return encoded.batch
    try:
        async with connection.transaction():
            await binary_copy(connection, "reading", encoded.data)
    except asyncpg.UniqueViolationError:
        await connection.execute(STAGE)
        await binary_copy(connection, "reading_stage", encoded.data)
        return _of_keys(encoded.batch, await _rows_of(connection, MERGE, _KEY))
    return encoded.batch


def _of_keys(batch: Batch, keys: NDArray[np.void]) -> Batch:
    """The rows of a batch whose (time, signal) is among the keys, all of which are its own."""
    times, ranks = np.unique(batch.times, return_inverse=True)
    ours = batch.signal_ids.astype(np.int64) * len(times) + ranks
    key_ranks = np.searchsorted(times, keys["time"].astype(np.int64) + POSTGRES_EPOCH_US)
    return batch.select(np.isin(ours, keys["signal_id"].astype(np.int64) * len(times) + key_ranks))


async def binary_copy(connection: Connection, table: str, rows: bytes) -> None:
    """COPY rows in binary format, without header and trailer, into a table of the same columns in the same order."""
    view = memoryview(rows)

    async def chunks() -> AsyncIterator[bytes]:
        yield _SIGNATURE
        for start in range(0, len(view), _CHUNK):
            yield bytes(view[start : start + _CHUNK])
        yield _TRAILER

    await connection.copy_to_table(table, source=chunks(), format="binary")


async def copy_out(connection: Connection, statement: str, row: np.dtype[np.void]) -> NDArray[np.void]:
    """The rows of a statement as an array, ten times as fast as rows made into objects.

    The statement's columns must be those of ``row``, in order and without nulls; it takes no parameters.
    """
    async with connection.transaction():
        await connection.execute(BY_INDEX)
        return await _rows_of(connection, statement, row)


def batch_of(rows: NDArray[np.void] | Mapping[str, NDArray[Any]]) -> Batch:
    """The batch of rows or columns ``time``, ``signal_id``, ``value``, ``quality`` as COPY handed them out."""
    return Batch(
        rows["time"].astype(np.int64) + POSTGRES_EPOCH_US,
        rows["signal_id"].astype(np.int32),
        rows["value"].astype(np.float64),
        rows["quality"].astype(np.int16),
    )


async def copy_columns_out(
    connection: Connection, statement: str, columns: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """:func:`copy_out` by columns: an array each, put together by the server in its memory.

    For some million rows at most, of which each then costs next to nothing here. columns: name -> big-endian
    numpy type, as the statement names and orders them.
    """
    gathered = ", ".join(f"array_agg({name})" for name in columns)
    async with connection.transaction():
        await connection.execute(BY_INDEX)
        body = await _body_of(connection, f"select {gathered} from ({statement}) as row")
    # The row: its number of columns, then each with its length (-1: null, there was no row).
    at, found = 2, {}
    for name, kind in columns.items():
        length = int.from_bytes(body[at : at + 4], "big", signed=True)
        field = body[at + 4 : at + 4 + max(length, 0)]
        at += 4 + len(field)
        # An array: five numbers of four bytes, then each element with its length (array_send in PostgreSQL).
        elements = np.frombuffer(field[20:], np.dtype([("length", ">i4"), ("value", kind)]))
        found[name] = elements["value"]
    return found


async def _rows_of(connection: Connection, statement: str, row: np.dtype[np.void]) -> NDArray[np.void]:
    body = await _body_of(connection, statement)
    if len(body) % row.itemsize:
        raise ValueError(f"rows of {row.itemsize} bytes expected, {len(body)} bytes came: {statement.split()[:8]}")
    return np.frombuffer(body, row)


async def _body_of(connection: Connection, statement: str) -> memoryview:
    """What COPY sends in binary format, without header and trailer."""
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(data)

    await connection.copy_from_query(statement, output=take, format="binary")
    data = memoryview(b"".join(parts))
    return data[len(_SIGNATURE) : len(data) - len(_TRAILER)]
