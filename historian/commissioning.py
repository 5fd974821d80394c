"""Recent readings of one machine, for the commissioning check."""

from datetime import timedelta

import numpy as np

from historian.blocks import hour_of
from historian.database import Connection
from historian.fleet import SignalRow, list_signals
from plant import Batch

# Readings of a machine's signals in a range, oldest first (unique index reading_key below the view).
RECENT = """
select (extract(epoch from time) * 1000000)::bigint as time, signal_id, coalesce(value, 'NaN') as value, quality
from tenant_reading
where signal_id = any($1) and time >= $2 and time < $3 and since >= $4 and since < $3
order by time limit $5
"""
MACHINE_ID = """
select machine.id from machine join site on site.id = machine.site_id where site.key = $1 and machine.code = $2
"""


async def find_machine(connection: Connection, site: str, machine: str) -> int | None:
    """The id of a machine of the tenant at work by its keys, None where there is none."""
    found: int | None = await connection.fetchval(MACHINE_ID, site, machine)
    return found


async def read_recent(
    connection: Connection, machine_id: int, span: timedelta, most: int = 200_000
) -> tuple[Batch, dict[str, SignalRow]]:
    """Readings of a machine up to its newest one, and its signals with their newest; on a tenant's connection.

    span: how far back from the newest reading; the batch is empty where there is none
    """
    signals = {signal.key: signal for signal in await list_signals(connection, machine_id)}
    times = [signal.time for signal in signals.values() if signal.time is not None]
    if not times:
        return Batch.empty(), signals
    end = max(times) + timedelta(microseconds=1)
    ids = [signal.id for signal in signals.values()]
    rows = await connection.fetch(RECENT, ids, end - span, end, hour_of(end - span), most)
    batch = Batch(
        np.array([row["time"] for row in rows], np.int64),
        np.array([row["signal_id"] for row in rows], np.int32),
        np.array([row["value"] for row in rows], np.float64),
        np.array([row["quality"] for row in rows], np.int16),
    )
    return batch, signals
