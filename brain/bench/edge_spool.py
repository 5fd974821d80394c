"""The part of `brain bench edge` about the spool: what a reading takes while it waits, live and packed."""

import asyncio
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from brain.embedded_broker import free_port
from brain.product import Product
from brain.rundir import RunDirectory
from ingest import LaneReader, Packer, Place, Spool, lane_bytes, lane_directory
from plant import Batch, MachineSpec

_SEGMENT_BYTES = 8 << 20
_MAX_BYTES = 4 << 30
_PATIENCE_S = 300.0
_WEEK_READINGS = 200 * 10 * 7 * 86_400
"""200 machines with ten signals a second, a week without a link."""


async def weigh_spool(folder: Path, batches: Sequence[Batch]) -> dict[str, Any]:
    """Bytes a reading on disk as it was collected and packed, what a week takes by that, and the CPU time.

    Raises ``RuntimeError`` where what was packed is not what comes back.
    """
    readings = sum(map(len, batches))
    await _fill(folder, batches)
    lane = lane_directory(folder, "edge")
    live = lane_bytes(lane)
    packer = Packer(lane)
    before = time.process_time()
    segments = []
    while (segment := await asyncio.to_thread(packer.pack_next, Place(0, 0))) is not None:
        segments.append(segment)
    packing = time.process_time() - before
    # The newest segment stays as it is, however long the spool waits.
    share = sum(each.after for each in segments) / sum(each.before for each in segments)
    of_all = sum(each.before for each in segments) / live
    before = time.process_time()
    reader, found = LaneReader(lane, Place(0, 0)), 0
    while records := reader.take(100_000):
        found += sum(len(record.batch) for record in records)
    reading = time.process_time() - before
    if found != readings:
        raise RuntimeError(f"{readings:,} readings were packed and {found:,} came back")
    shutil.rmtree(folder)
    return {
        "spool_bytes_live": round(live / readings, 2),
        "spool_bytes_packed": round(live * share / readings, 2),
        "week_gb_live": round(_WEEK_READINGS * live / readings / 1e9, 1),
        "week_gb_packed": round(_WEEK_READINGS * live * share / readings / 1e9, 2),
        "packing_cpu_s_per_million": round(packing / (readings * of_all) * 1e6, 2),
        "reading_packed_cpu_s_per_million": round(reading / readings * 1e6, 2),
    }


async def watch_packing(
    product: Product, folder: Path, signals: Path, machines: Sequence[MachineSpec], batches: Sequence[Batch]
) -> float:
    """Most resident memory [MB] of a `brain edge` whose link is away, from its start until it has packed its spool."""
    await _fill(folder / "spool", batches)
    RunDirectory(folder).prepare()
    (folder / "edge").mkdir()
    shutil.copy(signals, folder / "edge" / "signals.json")
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    environment = {
        "BRAIN_DATA_DIR": str(folder),
        "BRAIN_MQTT": json.dumps([{"name": "plant", "url": nowhere, "client_id": "edge"}]),
        "BRAIN_MACHINES": json.dumps(
            [{"site": spec.site, "line": spec.line, "machine": spec.machine} for spec in machines]
        ),
        "BRAIN_EDGE": json.dumps({"url": nowhere, "gateway": "gw-0123456789ab"}),
    }
    lane = lane_directory(folder / "spool", "edge")
    whole = lane_bytes(lane)
    most = 0.0
    await product.start("edge", environment=environment)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while lane_bytes(lane) > whole / 2 or "link" not in RunDirectory(folder).read("edge"):
                pid = product.supervisor.pid("edge")
                most = max(most, psutil.Process(pid).memory_info().rss / 1e6 if pid else 0.0)
                await asyncio.sleep(0.05)
    finally:
        await product.supervisor.stop("edge")
    return round(most, 1)


async def _fill(folder: Path, batches: Sequence[Batch]) -> None:
    # Of few readings too, some segments are finished.
    segment_bytes = min(_SEGMENT_BYTES, sum(map(len, batches)) * 22 // 4)
    async with Spool.open(folder, "edge", segment_bytes=segment_bytes, max_bytes=_MAX_BYTES) as spool:
        for batch in batches:
            await spool.put(batch)
