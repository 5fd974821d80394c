"""A gateway's link: what the spool holds reaches the collector behind a broker, in order, within its bounds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brain.edge import BatchMessages, Catalogue, EdgeSettings, Forwarder, Link, Messages, NativeMessages, Newest
from brain.edge.forwarder import segment_bytes
from brain.embedded_broker import EmbeddedBroker
from brain.failure import Failure
from collectors import Memory, MqttCollector, MqttSource, decode_edge_batch
from ingest import Record, Spool, lane_directory
from plant import Batch, MachineSpec, Rejected, SignalDirectory

from .conftest import NOW_US, SITE, RecordingSink, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

GATEWAY = "gw-1"
MACHINES = [MachineSpec(SITE, "line-1", name, name, "motor") for name in ("M1", "M2")]
MAX_BYTES = 1_200_000
ROWS = 2_000


class Rig:
    """A spool, and a forwarder that can be started and stopped."""

    def __init__(self, folder: Path, url: str, spool: Spool, **options: Any) -> None:
        self.folder = folder
        self.url = url
        self.spool = spool
        self.catalogue = Catalogue.load(folder / "signals.json", MACHINES)
        self.settings = EdgeSettings(gateway=GATEWAY, gather_s=0.05, **{"settle_s": 0.0, **options})
        self.sent = 0
        self.newest = NOW_US - 2**50

    @property
    def number(self) -> int:
        """The signal that is sent."""
        found = self.catalogue.directory.signal_id(SITE, "M1", "current_u")
        assert found is not None
        return found

    def batch(self, rows: int = ROWS) -> Batch:
        """The next numbers, at times that nothing makes small."""
        numbers = np.arange(self.sent, self.sent + rows)
        self.sent += rows
        ids = np.full(rows, self.number, np.int32)
        times = self.newest + np.random.default_rng(self.sent).integers(1, 2**29, rows).cumsum()
        self.newest = int(times[-1])
        return Batch(times, ids, numbers.astype(np.float64), np.zeros(rows, np.int16))

    def forwarder(self) -> Forwarder:
        """One as `brain edge` makes it."""
        messages: Messages = (
            BatchMessages(self.catalogue.names, SITE, GATEWAY)
            if self.settings.format == "batch"
            else NativeMessages(self.catalogue.names, self.folder / "rejected.jsonl")
        )
        lane = lane_directory(self.folder / "spool", "edge")
        memory = Memory(self.folder, "link", GATEWAY)
        return Forwarder(lane, Link(self.url, GATEWAY, SITE), messages, memory, self.settings, MAX_BYTES)


@asynccontextmanager
async def rig_of(folder: Path, url: str, **options: Any) -> AsyncIterator[Rig]:
    async with Spool.open(
        folder / "spool", "edge", segment_bytes=segment_bytes(MAX_BYTES), max_bytes=MAX_BYTES
    ) as spool:
        yield Rig(folder, url, spool, **options)


@asynccontextmanager
async def cloud(broker: EmbeddedBroker, sink: RecordingSink, rig: Rig) -> AsyncIterator[None]:
    """The collector behind the broker, whose directory has the same numbers as the gateway's."""
    directory = SignalDirectory(rig.catalogue.directory, {GATEWAY: SITE})
    source = MqttSource(name="cloud", url=broker.url, client_id="cloud")
    collector = MqttCollector(source, lambda: directory, sink, lambda: NOW_US)
    async with running(collector):
        await until(lambda: collector.status().connected, "the cloud to listen")
        yield


async def test_everything_arrives_in_order_and_the_spool_is_emptied(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    async with rig_of(tmp_path, mosquitto.url, batch_readings=500) as rig, cloud(mosquitto, sink, rig):
        forwarder = rig.forwarder()
        async with running(forwarder):
            for _ in range(40):
                await rig.spool.put(rig.batch())
            await until(lambda: len(sink.rows) >= rig.sent, "all to arrive")
            await until(lambda: forwarder.status().waiting_bytes == 0, "the link to know it")
    assert [row[2] for row in sink.rows] == list(range(rig.sent))
    assert forwarder.status().dropped == 0
    lane = lane_directory(tmp_path / "spool", "edge")
    assert sum(path.stat().st_size for path in lane.glob("*.spool")) <= 2 * segment_bytes(MAX_BYTES)


async def test_what_is_settled_is_not_sent_again_and_the_rest_is(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    async with rig_of(tmp_path, mosquitto.url) as rig, cloud(mosquitto, sink, rig):
        forwarder = rig.forwarder()
        async with running(forwarder):
            await rig.spool.put(rig.batch(10))
            await until(lambda: len(sink.rows) == 10, "the first to arrive")
            await until(lambda: forwarder.status().waiting_bytes == 0, "the link to know it")
        rig.settings = rig.settings.model_copy(update={"settle_s": 60.0})
        forwarder = rig.forwarder()
        async with running(forwarder):
            await rig.spool.put(rig.batch(10))
            await until(lambda: len(sink.rows) == 20, "the next to arrive")
        async with running(rig.forwarder()):
            await until(lambda: len(sink.rows) == 30, "those that had not settled, once more")
    assert [row[2] for row in sink.rows] == [*range(20), *range(10, 20)]


async def test_at_its_bound_the_spool_holds_back_and_loses_nothing(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    mosquitto.stop()
    async with rig_of(tmp_path, mosquitto.url) as rig:
        held = None
        async with running(rig.forwarder()):
            while held is None:
                putting = asyncio.create_task(rig.spool.put(rig.batch()))
                done, _ = await asyncio.wait([putting], timeout=1.5)
                held = None if done else putting
            lane = lane_directory(tmp_path / "spool", "edge")
            assert sum(path.stat().st_size for path in lane.glob("*.spool")) <= MAX_BYTES
            assert rig.sent * 22 > 2 * MAX_BYTES, "what waits is packed"
            mosquitto.start()
            async with cloud(mosquitto, sink, rig):
                await asyncio.wait_for(held, 60)
                await until(lambda: len(sink.rows) >= rig.sent, "all to arrive", 60)
    assert sink.values(rig.number) == list(range(rig.sent))


async def test_only_if_asked_to_the_oldest_are_given_up_and_counted(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    mosquitto.stop()
    async with rig_of(tmp_path, mosquitto.url, drop_oldest=True) as rig:
        forwarder = rig.forwarder()
        async with running(forwarder):
            while rig.sent * 22 < 6 * MAX_BYTES:
                await asyncio.wait_for(rig.spool.put(rig.batch()), 20)
            dropped = forwarder.status().dropped
            assert dropped > 0
            mosquitto.start()
            async with cloud(mosquitto, sink, rig):
                await until(lambda: bool(sink.rows) and sink.rows[-1][2] == rig.sent - 1, "the newest to arrive", 60)
        dropped = forwarder.status().dropped
    assert sink.values(rig.number) == list(range(dropped, rig.sent))
    again = Rig(tmp_path, mosquitto.url, rig.spool).forwarder()
    assert again.status().dropped == dropped


async def test_where_nobody_listens_nothing_is_thrown_away(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    async with rig_of(tmp_path, mosquitto.url) as rig:
        forwarder = rig.forwarder()
        async with running(forwarder):
            await rig.spool.put(rig.batch())
            await until(lambda: "nobody collects" in forwarder.status().last_error, "the link to say so")
            async with cloud(mosquitto, sink, rig):
                await until(lambda: len(sink.rows) >= rig.sent, "all to arrive", 60)
    assert sink.values(rig.number) == list(range(rig.sent))


async def test_native_payloads_for_a_broker_that_is_not_ours(
    mosquitto: EmbeddedBroker, sink: RecordingSink, tmp_path: Path
) -> None:
    async with rig_of(tmp_path, mosquitto.url, format="native") as rig, cloud(mosquitto, sink, rig):
        other = rig.catalogue.directory.signal_id(SITE, "M2", "running")
        assert other is not None
        mixed = Batch.of_lists(
            [NOW_US - 5, NOW_US - 5, NOW_US - 4, NOW_US - 5, NOW_US - 3],
            [rig.number, rig.number + 1, rig.number, other, rig.number],
            [1.25, 2.5, 3.75, 1.0, float("nan")],
            [0, 1, 0, 0, 2],
        )
        entry = Rejected("plc", "node", "not_a_number", "no number", b"x", NOW_US)
        async with running(rig.forwarder()):
            await rig.spool.put(mixed, [entry])
            await rig.spool.put(rig.batch())
            await until(lambda: len(sink.rows) >= 5 + ROWS, "all to arrive")
    columns = (mixed.signal_ids, mixed.times, mixed.values, mixed.qualities)
    wanted = {tuple(map(repr, row)) for row in zip(*(column.tolist() for column in columns), strict=True)}
    assert wanted <= {tuple(map(repr, row)) for row in sink.rows}
    assert sink.rejected == []
    assert b"not_a_number" in (tmp_path / "rejected.jsonl").read_bytes()


def test_what_is_too_long_for_one_message_is_several(tmp_path: Path) -> None:
    catalogue = Catalogue.load(tmp_path / "signals.json", MACHINES)
    noise = np.random.default_rng(1).normal(size=50_000)
    batch = Batch(NOW_US + np.arange(50_000), np.full(50_000, 1, np.int32), noise, np.zeros(50_000, np.int16))
    rejected = [Rejected("a", "b", "c", "d", noise[k : k + 512].tobytes(), NOW_US) for k in range(100)]
    record = Record(batch, rejected, NOW_US, 0)
    found = [decode_edge_batch(m.payload) for m in BatchMessages(catalogue.names, SITE, GATEWAY).of([record])]
    assert np.array_equal(np.concatenate([part.values for part in found]), noise)
    assert [entry for part in found for entry in part.rejected] == rejected
    assert all(len(m.payload) <= 200_000 for m in BatchMessages(catalogue.names, SITE, GATEWAY).of([record]))


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "signals.json"
    first = Catalogue.load(path, MACHINES)
    second = Catalogue.load(path, [MachineSpec(SITE, "line-1", "M0", "M0", "motor"), MACHINES[1]])
    assert second.names[: len(first.names)] == first.names
    assert second.directory.signal_id(SITE, "M2", "speed") == first.directory.signal_id(SITE, "M2", "speed")
    number = second.directory.signal_id(SITE, "M0", "speed")
    assert number is not None
    assert number > len(first.names)
    path.write_bytes(b"[[")
    with pytest.raises(Failure, match="damaged"):
        Catalogue.load(path, MACHINES)


async def test_the_newest_times_outlive_the_process(tmp_path: Path, sink: RecordingSink) -> None:
    catalogue = Catalogue.load(tmp_path / "signals.json", MACHINES)
    memory = Memory(tmp_path, "newest", "readings")
    newest = Newest(sink, catalogue, memory)
    await newest.put(Batch.of_lists([NOW_US, NOW_US - 7], [1, 1], [1.0, 2.0], [0, 0]))
    newest.save()
    entries: Sequence[Any] = list(Newest(sink, catalogue, memory).directory())
    assert list(entries[0].last_times.values()) == [NOW_US]
