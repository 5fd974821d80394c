"""What the spool has promised comes back, whatever happens to the last bytes."""

import asyncio
import contextlib
import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from historian import Position
from ingest import Spool, SpoolLocked, inspect_spool, spool_status
from ingest.reader import LaneReader, Place
from ingest.records import HEADER, CorruptRecord, encode_readings, encode_rejected, record_at
from ingest.segments import lane_directory, segment_numbers, segment_path
from plant import Batch, Rejected, concatenate

rows = st.lists(
    st.tuples(st.integers(-(2**62), 2**62), st.integers(1, 2**31 - 1), st.floats(allow_nan=False), st.integers(0, 2)),
    min_size=1,
    max_size=20,
)


def batch_of(entries):
    return Batch.of_lists(*(list(column) for column in zip(*entries, strict=True)))


def same(left, right):
    return all(
        np.array_equal(getattr(left, name), getattr(right, name))
        for name in ("times", "signal_ids", "values", "qualities")
    )


@given(rows)
def test_batch_survives_encoding(entries):
    record = record_at(encode_readings(batch_of(entries), 7), 0)
    assert record is not None
    assert same(record.batch, batch_of(entries))
    assert record.received_at == 7


def test_rejected_messages_survive_encoding():
    entry = Rejected("mqtt", "a/b", "not_json", "words", b"\xff\x00", 5)
    record = record_at(encode_rejected([entry], 5), 0)
    assert record is not None
    assert list(record.rejected) == [entry]


@given(rows, st.data())
def test_a_damaged_record_is_never_taken_for_a_whole_one(entries, data):
    whole = encode_readings(batch_of(entries), 7)
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(CorruptRecord):
        assert record_at(bytes(damaged), 0) is None


async def test_truncated_at_every_byte_the_records_before_are_read(tmp_path: Path):
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([1], [1], [1.0], [0]))
        await spool.put(Batch.of_lists([2], [1], [2.0], [0]))
    directory = lane_directory(tmp_path, "a")
    (number,) = segment_numbers(directory)
    path = segment_path(directory, number)
    whole = path.read_bytes()
    last = len(encode_readings(Batch.of_lists([2], [1], [2.0], [0]), 0))
    for kept in range(len(whole) - last, len(whole)):
        path.write_bytes(whole[:kept])
        async with Spool.open(tmp_path, "a") as spool:
            await spool.put(Batch.of_lists([3], [1], [3.0], [0]))
        reader = LaneReader(directory, Place(0, 0))
        assert concatenate([record.batch for record in reader.take(100)]).times.tolist() == [1, 3]
        for later in segment_numbers(directory)[1:]:
            segment_path(directory, later).unlink()


@settings(max_examples=20)
@given(st.lists(rows, min_size=1, max_size=8), st.integers(1, 30))
def test_reader_gives_back_all_rows_in_order_in_any_portions(tmp_path_factory, batches, portion):
    root = tmp_path_factory.mktemp("spool")

    async def write():
        async with Spool.open(root, "a", segment_bytes=200) as spool:
            for entries in batches:
                await spool.put(batch_of(entries))

    asyncio.run(write())
    reader = LaneReader(lane_directory(root, "a"), Place(0, 0))
    taken = []
    while records := reader.take(portion):
        taken += [record.batch for record in records]
    assert same(concatenate(taken), concatenate([batch_of(entries) for entries in batches]))


async def test_reader_sees_what_comes_later_in_the_same_segment(tmp_path: Path):
    async with Spool.open(tmp_path, "a") as spool:
        reader = LaneReader(lane_directory(tmp_path, "a"), Place(0, 0))
        for value in range(5):
            await spool.put(Batch.of_lists([value], [1], [1.0], [0]))
            (record,) = reader.take(10)
            assert record.batch.times.tolist() == [value]
        assert reader.take(10) == []


@given(st.data())
def test_reader_goes_on_when_it_has_seen_part_of_a_record(tmp_path_factory, data):
    """It reads while the collector writes: a record may be there by halves."""
    directory = tmp_path_factory.mktemp("lane")
    records = [encode_readings(Batch.of_lists([n], [1], [float(n)], [0]), 0) for n in range(4)]
    whole = b"".join(records)
    reader = LaneReader(directory, Place(0, 0))
    seen: list[int] = []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    for cut in [*cuts, len(whole)]:
        segment_path(directory, 5).write_bytes(HEADER + whole[:cut])
        seen += concatenate([record.batch for record in reader.take(100)]).times.tolist()
        assert seen == list(range(cut // len(records[0])))


async def test_a_place_in_an_emptied_spool_does_not_hide_new_data(tmp_path: Path):
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([1], [1], [1.0], [0]))
    directory = lane_directory(tmp_path, "a")
    reader = LaneReader(directory, Place(0, 0))
    reader.take(10)
    for number in segment_numbers(directory):
        segment_path(directory, number).unlink()
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([2], [1], [1.0], [0]))
    (record,) = LaneReader(directory, reader.place).take(10)
    assert record.batch.times.tolist() == [2]


async def test_one_process_writes_a_lane(tmp_path: Path):
    async with Spool.open(tmp_path, "a"):
        with pytest.raises(SpoolLocked, match="another process"):
            async with Spool.open(tmp_path, "a"):
                pass


async def test_full_spool_holds_the_collector_back_until_there_is_room(tmp_path: Path):
    async with Spool.open(tmp_path, "a", segment_bytes=10, max_bytes=150) as spool:
        await spool.put(Batch.of_lists([1], [1], [1.0], [0]))
        await spool.put(Batch.of_lists([2], [1], [1.0], [0]))
        waiting = asyncio.create_task(spool.put(Batch.of_lists([3], [1], [1.0], [0])))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        LaneReader(lane_directory(tmp_path, "a"), Place(0, 0)).drop_finished(Place(2**60, 0))
        await waiting
        assert spool_status(tmp_path, {}).waiting_readings >= 1


async def test_write_error_promises_nothing_and_goes_on_later(tmp_path: Path, monkeypatch):
    real = os.write
    failing = {"left": 1}

    def write(handle, data):
        if len(data) > 20 and failing["left"]:
            failing["left"] -= 1
            real(handle, bytes(data)[:10])
            raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr("ingest.spool.os.write", write)
    monkeypatch.setattr("ingest.spool._RETRY_S", 0.01)
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([1], [1], [1.0], [0]))
    records = LaneReader(lane_directory(tmp_path, "a"), Place(0, 0)).take(10)
    assert [record.batch.times.tolist() for record in records] == [[1]]


async def test_a_full_disk_is_not_filled_with_empty_segments(tmp_path: Path, monkeypatch):
    real, refused = os.write, []

    def write(handle, data):
        if len(refused) < 20 and len(data) > len(HEADER):
            refused.append(1)
            raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr("ingest.spool._RETRY_S", 0.001)
    async with Spool.open(tmp_path, "mqtt") as spool:
        await spool.put(batch_of([(1, 1, 1.0, 0)]))
        refused.clear()
        monkeypatch.setattr("ingest.spool.os.write", write)
        await spool.put(batch_of([(2, 1, 2.0, 0)]))
    assert len(refused) == 20
    directory = lane_directory(tmp_path, "mqtt")
    assert len(segment_numbers(directory)) == 2
    records = LaneReader(directory, Place(0, 0)).take(10)
    assert [record.batch.values.tolist() for record in records] == [[1.0], [2.0]]


async def test_status_counts_what_is_behind_the_position(tmp_path: Path):
    async with Spool.open(tmp_path, "a") as spool:
        await spool.put(Batch.of_lists([1, 2], [1, 1], [1.0, 1.0], [0, 0]))
        await spool.put(Batch.of_lists([3], [1], [1.0], [0]), [Rejected("s", "a", "r", "d", b"", 0)])
    assert spool_status(tmp_path, {}).waiting_readings == 3


async def test_a_clock_that_jumps_changes_no_order(tmp_path: Path, monkeypatch):
    """The host's clock is set back and ahead; what came first is still read first, and nothing is hidden."""
    hour = 3_600_000_000_000
    real = time.time_ns
    for number, shift in enumerate((0, -5 * hour, 7 * hour, -30 * hour)):
        monkeypatch.setattr("ingest.spool.time.time_ns", lambda shift=shift: real() + shift)
        async with Spool.open(tmp_path, "a", segment_bytes=100) as spool:
            for step in range(4):
                await spool.put(Batch.of_lists([number * 4 + step], [1], [1.0], [0]))
    records = LaneReader(lane_directory(tmp_path, "a"), Place(0, 0)).take(1000)
    assert concatenate([record.batch for record in records]).times.tolist() == list(range(16))


async def test_a_segment_of_another_version_is_not_skipped(tmp_path: Path):
    async with Spool.open(tmp_path, "a", segment_bytes=1) as spool:
        for number in range(3):
            await spool.put(Batch.of_lists([number], [1], [1.0], [0]))
    directory = lane_directory(tmp_path, "a")
    first, second, _ = segment_numbers(directory)
    path = segment_path(directory, second)
    path.write_bytes(b"IBSPOOL\x03" + path.read_bytes()[8:])
    records = LaneReader(directory, Place(0, 0)).take(10)
    assert [record.segment for record in records] == [first]
    (report,) = inspect_spool(tmp_path, {})
    assert (report.foreign, report.readings) == ((second,), 2)


async def test_inspection_counts_what_waits_and_what_is_torn(tmp_path: Path):
    async with Spool.open(tmp_path, "a", segment_bytes=150) as spool:
        for number in range(10):
            await spool.put(Batch.of_lists([number] * 3, [1, 2, 3], [1.0] * 3, [0] * 3))
    directory = lane_directory(tmp_path, "a")
    numbers = segment_numbers(directory)
    path = segment_path(directory, numbers[0])
    path.write_bytes(path.read_bytes()[:-1])
    read = LaneReader(directory, Place(0, 0)).take(10)
    (report,) = inspect_spool(tmp_path, {"a": Position(read[3].segment, read[3].end)})
    assert (report.segments, report.readings, report.torn) == (len(numbers), 27, (numbers[0],))
    assert report.waiting_readings == 27 - 12
