"""Batches keep their columns honest; time survives the way through arrays."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant import Batch, MachineEntry, Origins, Quality, SignalDirectory, concatenate, to_datetime, to_microseconds


@given(st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_time_round_trip_is_exact(moment):
    assert to_datetime(to_microseconds(moment)) == moment


def test_naive_time_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        to_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001


def test_columns_of_unequal_length_or_wrong_type_are_refused():
    good = Batch.of_lists([1], [2], [3.0], [0])
    with pytest.raises(ValueError, match="signal_ids"):
        Batch(good.times, np.asarray([1, 2], np.int32), good.values, good.qualities)
    with pytest.raises(ValueError, match="times"):
        Batch(good.times.astype(np.float64), good.signal_ids, good.values, good.qualities)  # type: ignore[arg-type]


def test_rows_find_the_message_they_came_from():
    origins = Origins(np.asarray([0, 2, 2, 3]), [b"a", b"b", b"c", b"d"], [b"a", b"b", b"c", b"d"])
    assert [origins.of_row(row)[0] for row in range(5)] == ["a", "a", "c", "d", "d"]


def test_concatenation_keeps_order_and_rows():
    joined = concatenate([Batch.of_lists([1], [1], [1.0], [0]), Batch.empty(), Batch.of_lists([2], [2], [2.0], [1])])
    assert joined.times.tolist() == [1, 2]
    assert joined.qualities.tolist() == [0, 1]
    assert len(concatenate([])) == 0


@pytest.mark.parametrize(
    ("code", "quality"),
    [(0, Quality.GOOD), (0x40920000, Quality.UNCERTAIN), (0x80340000, Quality.BAD), (0xC0000000, Quality.BAD)],
)
def test_quality_of_status_code(code, quality):
    assert Quality.of_status_code(code) is quality


def test_directory_survives_its_cache_file():
    entry = MachineEntry("s", "l", "m", "motor", {"speed": 7}, {"speed": 12})
    directory = SignalDirectory.from_json(SignalDirectory([entry]).to_json())
    assert directory.machine("s", "m") == entry
    assert directory.signal_id("s", "m", "speed") == 7
    assert directory.signal_id("s", "m", "none") is None
    assert directory.signal_id("s", "x", "speed") is None
