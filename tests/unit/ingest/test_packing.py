"""A segment that waits is made small; what was promised comes back, and damage costs what was damaged."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import LaneReader, Packer, Place, Record, Spool, drop_oldest, inspect_spool, lane_bytes, spool_status
from ingest.records import HEADER, encode_readings, encode_rejected, record_at
from ingest.segment_reader import is_packed
from ingest.segments import segment_numbers, segment_path
from plant import Batch, Rejected

START = Place(0, 0)
NOW = 1_763_700_000_000_000
VALUES = st.one_of(
    st.floats(width=64),
    st.decimals(-10_000, 10_000, places=2, allow_nan=False).map(float),
    st.sampled_from([0.0, -0.0, float("nan"), 5e-324, 1e300]),
)
READINGS = st.lists(
    st.tuples(st.integers(NOW - 10**9, NOW), st.integers(1, 2**31 - 1) | st.integers(1, 5), VALUES, st.integers(0, 2)),
    min_size=1,
    max_size=20,
).map(lambda rows: Batch.of_lists(*(list(column) for column in zip(*rows, strict=True))))
REJECTED = st.builds(Rejected, st.text(), st.text(), st.text(), st.text(), st.binary(max_size=40), st.integers(0, NOW))
RECORDS = st.lists(READINGS | st.lists(REJECTED, min_size=1, max_size=3), min_size=1, max_size=12)


def lane_of(directory: Path, records: Sequence[Batch | list[Rejected]]) -> tuple[int, list[int]]:
    """One finished segment with these records, and where each ends in it."""
    directory.mkdir(exist_ok=True)
    data, ends = HEADER, []
    for record in records:
        data += encode_readings(record, 7) if isinstance(record, Batch) else encode_rejected(record, 7)
        ends.append(len(data))
    segment_path(directory, 5).write_bytes(data)
    segment_path(directory, 6).write_bytes(HEADER)
    return 5, ends


def series(batches: Sequence[Batch]) -> dict[int, list[tuple[int, bytes, int]]]:
    """Each signal's readings in order, values bit by bit."""
    found = defaultdict(list)
    for batch in batches:
        for time, number, value, quality in zip(
            batch.times.tolist(), batch.signal_ids.tolist(), batch.values, batch.qualities.tolist(), strict=True
        ):
            found[number].append((time, value.tobytes(), quality))
    return dict(found)


def read(directory: Path, place: Place = START) -> list[Record]:
    return LaneReader(directory, place).take(10**9)


def batches_of(records: Sequence[Batch | list[Rejected]]) -> list[Batch]:
    return [record for record in records if isinstance(record, Batch)]


def sensors(seconds: int, signals: int = 20) -> list[Batch]:
    """A batch a second: temperatures of a tenth of a degree that wander."""
    walk = np.random.default_rng(5).integers(-1, 2, (seconds, signals)).cumsum(axis=0)
    ids = np.arange(1, signals + 1, dtype=np.int32)
    return [
        Batch(np.full(signals, NOW + second * 1_000_000), ids, (600 + walk[second]) / 10.0, np.zeros(signals, np.int16))
        for second in range(seconds)
    ]


@settings(max_examples=60)
@given(RECORDS)
def test_what_is_packed_comes_back_to_the_last_bit(tmp_path_factory, records):
    directory = tmp_path_factory.mktemp("root") / "lane"
    number, ends = lane_of(directory, [*records, *sensors(20)])
    packed = Packer(directory).pack_next(START)
    assert packed is not None
    assert packed.number == number
    assert is_packed(segment_path(directory, number))
    found = read(directory)
    assert series([record.batch for record in found]) == series([*batches_of(records), *sensors(20)])
    rejected = [entry for record in records if not isinstance(record, Batch) for entry in record]
    assert [entry for record in found for entry in record.rejected] == rejected
    assert found[-1].end == ends[-1]
    assert spool_status(directory.parent, {}).waiting_readings == sum(len(record.batch) for record in found)


@settings(max_examples=25)
@given(st.integers(0, 60), st.integers(1, 100), st.booleans())
def test_a_place_holds_however_the_segment_lies(tmp_path_factory, before, portion, is_new_reader):
    """Packed while it is read, or between two runs: what is behind the place comes, some of it perhaps again."""
    directory = tmp_path_factory.mktemp("root") / "lane"
    batches = sensors(60, signals=1_000)
    number, _ = lane_of(directory, batches)
    reader = LaneReader(directory, START)
    taken = [record.batch for _ in range(before) for record in reader.take(1)]
    assert Packer(directory).pack_next(START) is not None
    if is_new_reader:
        reader = LaneReader(directory, reader.place)
    later: list[Batch] = []
    while records := reader.take(portion):
        later += [record.batch for record in records]
    found = series([*taken, *later])
    for signal, readings in series(batches).items():
        assert sorted(set(found[signal])) == readings
    # At most the ten thousand of one packed record come twice.
    assert sum(map(len, taken)) + sum(map(len, later)) <= 60_000 + 10_000
    assert lane_bytes(directory, reader.place) == 0
    assert number == 5


PACKABLE = sensors(6, signals=5_000)


@settings(max_examples=150)
@given(st.booleans(), st.data())
def test_a_damaged_byte_costs_its_record_and_no_other(tmp_path_factory, pack, data):
    directory = tmp_path_factory.mktemp("root") / "lane"
    records = data.draw(st.lists(READINGS, min_size=3, max_size=8))
    batches = PACKABLE if pack else records
    number, _ = lane_of(directory, batches)
    if pack:
        Packer(directory).pack_next(START)
    path = segment_path(directory, number)
    whole = bytearray(path.read_bytes())
    sound = read(directory)
    assert len(sound) >= 3
    place = data.draw(st.integers(len(HEADER), len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    reader = LaneReader(directory, START)
    found = reader.take(10**9)
    assert len(found) == len(sound) - 1
    ends = [record.end for record in found]
    lost = next(record for record in sound if record.end not in ends)
    assert series([r.batch for r in found]) == series([r.batch for r in sound if r is not lost])
    # What is behind the last whole record cannot be told from what a crash leaves.
    assert bool(reader.skipped_bytes) != bool(reader.torn)
    (report,) = inspect_spool(directory.parent, {})
    assert (report.skipped_bytes, bool(report.torn)) == (reader.skipped_bytes, bool(reader.torn))
    assert report.readings == sum(len(record.batch) for record in found)


@given(st.binary(min_size=30, max_size=200), st.integers(0, 3))
def test_rubbish_between_records_is_passed_over(tmp_path_factory, rubbish, before):
    directory = tmp_path_factory.mktemp("root") / "lane"
    directory.mkdir()
    whole = [encode_readings(batch, 0) for batch in sensors(4)]
    # No heading that a crash could have left.
    rubbish = b"\xff" * 4 + rubbish
    content = b"".join(whole[:before]) + rubbish + b"".join(whole[before:])
    segment_path(directory, 5).write_bytes(HEADER + content)
    segment_path(directory, 6).write_bytes(HEADER)
    reader = LaneReader(directory, START)
    assert [record.batch.times[0] for record in reader.take(10**9)] == [batch.times[0] for batch in sensors(4)]
    assert reader.skipped_bytes == len(rubbish)


@given(st.data())
def test_a_torn_record_is_not_searched_for_what_a_device_wrote_into_it(tmp_path_factory, data):
    """Values and rejected payloads lie in the spool byte for byte: a device could send records of other signals."""
    directory = tmp_path_factory.mktemp("root") / "lane"
    directory.mkdir()
    forged = encode_readings(Batch.of_lists([1], [99], [1.0], [0]), 0) * 4
    forged += bytes(-len(forged) % 8)
    values = np.frombuffer(forged, np.float64)
    as_values = Batch(
        np.arange(len(values)), np.full(len(values), 7, np.int32), values, np.zeros(len(values), np.int16)
    )
    as_payload = encode_rejected([Rejected("mqtt", "a/b", "not_json", "words", forged, 5)], 0)
    torn = data.draw(st.sampled_from([encode_readings(as_values, 0), as_payload]))
    cut = data.draw(st.integers(0, len(torn) - 1))
    sound = encode_readings(sensors(1)[0], 0)
    segment_path(directory, 5).write_bytes(HEADER + sound + torn[:cut])
    segment_path(directory, 6).write_bytes(HEADER)
    (record,) = read(directory)
    assert record.batch.times.tolist() == sensors(1)[0].times.tolist()


def test_damage_in_the_newest_segment_does_not_hold_up_what_comes(tmp_path: Path):
    first, second, third = (encode_readings(batch, 0) for batch in sensors(3))
    damaged = bytearray(first + second)
    damaged[len(first) + 40] ^= 1
    path = segment_path(tmp_path, 5)
    path.write_bytes(HEADER + damaged)
    reader = LaneReader(tmp_path, START)
    assert len(reader.take(10**9)) == 1
    for half in (third[:30], third[30:]):
        assert reader.take(10**9) == []
        with path.open("ab") as file:
            file.write(half)
    (record,) = reader.take(10**9)
    assert record.batch.times.tolist() == record_at(third, 0).batch.times.tolist()
    assert reader.skipped_bytes == len(second)


def test_what_is_damaged_torn_or_newest_is_left_as_it_is(tmp_path: Path):
    whole = HEADER + b"".join(encode_readings(batch, 0) for batch in sensors(30))
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    for number, content in enumerate((damaged, whole[:-1], whole, whole), start=1):
        segment_path(tmp_path, number).write_bytes(content)
    packer = Packer(tmp_path)
    packed = packer.pack_next(START)
    assert packed is not None
    assert packed.number == 3
    assert packer.pack_next(START) is None
    assert [is_packed(segment_path(tmp_path, number)) for number in (1, 2, 3, 4)] == [False, False, True, False]
    assert sorted(tmp_path.iterdir()) == [segment_path(tmp_path, number) for number in (1, 2, 3, 4)]


def test_what_is_being_read_is_not_packed(tmp_path: Path):
    for number in (1, 2, 3):
        segment_path(tmp_path, number).write_bytes(HEADER + b"".join(encode_readings(b, 0) for b in sensors(30)))
    assert Packer(tmp_path).pack_next(Place(2, 8)) is None


def test_a_full_disk_leaves_the_segment_and_no_rest(tmp_path: Path, monkeypatch):
    lane_of(tmp_path, sensors(30))
    before = segment_path(tmp_path, 5).read_bytes()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    packer = Packer(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("ingest.packing.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            packer.pack_next(START)
    assert segment_path(tmp_path, 5).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        segment_path(tmp_path, number).name for number in (5, 6)
    ]
    assert packer.pack_next(START) is not None


def test_packed_readings_are_counted_when_they_are_given_up(tmp_path: Path):
    lane_of(tmp_path, sensors(600, signals=100))
    assert Packer(tmp_path).pack_next(START) is not None
    dropped = drop_oldest(tmp_path, 100, START)
    assert (dropped.segments, dropped.readings) == (1, 60_000)


def test_sensors_take_a_tenth_and_what_a_crash_left_is_in_nobodys_way(tmp_path: Path):
    (tmp_path / "packing").write_bytes(b"half of a segment")
    lane_of(tmp_path, sensors(600, signals=100))
    packed = Packer(tmp_path).pack_next(START)
    assert packed is not None
    assert packed.after * 10 < packed.before


async def test_a_full_spool_goes_on_when_it_has_been_packed(tmp_path: Path):
    async with Spool.open(tmp_path, "a", segment_bytes=40_000, max_bytes=150_000) as spool:
        waiting = None
        for batch in sensors(400):
            putting = asyncio.create_task(spool.put(batch))
            done, _ = await asyncio.wait([putting], timeout=0.6)
            if not done:
                waiting = putting
                break
        assert waiting is not None
        packer = Packer(tmp_path / "a")
        while packer.pack_next(START) is not None:
            pass
        await asyncio.wait_for(waiting, 10)
    assert sum(path.stat().st_size for path in (tmp_path / "a").glob("*.spool")) <= 150_000
    assert len(segment_numbers(tmp_path / "a")) > 2
