"""A collector that dies in the middle of writing: the broker delivers again, and every reading is stored once."""

import os
from pathlib import Path

import numpy as np
import pytest

from brain.embedded_broker import EmbeddedBroker
from collectors import MqttCollector, MqttSource
from ingest import Spool
from ingest.reader import LaneReader, Place
from ingest.records import encode_readings
from ingest.segments import lane_directory
from plant import Batch, concatenate

from .conftest import NOW_MS, NOW_US, Device, directory_of, message, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


class _Dying(Spool):
    """Writes part of a record, and is never heard of again."""

    cut = 0
    has_died = False

    def _append(self, data: bytes) -> None:
        if self._file is None:
            self._next_segment()
        assert self._file is not None
        os.write(self._file, data[: self.cut])
        self.has_died = True
        raise RuntimeError("the process is gone")


async def test_torn_at_every_byte_everything_is_stored_once(
    mosquitto: EmbeddedBroker, device: Device, tmp_path: Path
) -> None:
    source = MqttSource.model_validate({"name": "mqtt", "url": mosquitto.url, "client_id": "collector"})
    lane = lane_directory(tmp_path, "a")
    length = len(encode_readings(Batch.of_lists([1], [1], [1.0], [0]), 0))

    def collector(spool: Spool) -> MqttCollector:
        return MqttCollector(source, lambda: directory_of(["M1"]), spool, lambda: NOW_US)

    async with Spool.open(tmp_path, "a") as spool, running(first := collector(spool)):
        await until(lambda: first.status().connected, "the collector to connect")
    for number in range(length + 1):
        _Dying.cut = number
        async with _Dying.open(tmp_path, "a") as torn, running(dying := collector(torn)):
            await until(lambda: dying.status().connected, "the collector to connect")
            await device.send(message(NOW_MS + number, current_u=number))
            await until(lambda: torn.has_died, "part of a record to be written")
        async with Spool.open(tmp_path, "a") as spool, running(again := collector(spool)):
            await until(lambda: again.status().readings == 1, "the reading to be delivered again")
    found = concatenate([record.batch for record in LaneReader(lane, Place(0, 0)).take(10_000)])
    # A record whose last byte was written, but not yet confirmed, is there twice; the table keeps one.
    keys, counts = np.unique(found.times, return_counts=True)
    assert keys.tolist() == [(NOW_MS + number) * 1000 for number in range(length + 1)]
    assert counts.tolist() == [1] * length + [2]
