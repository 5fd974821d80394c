"""Bad rows go to quarantine with their reason and raw bytes; good rows of the same message are kept."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import CheckedSink
from plant import Batch, Origins

NOW = 1_800_000_000_000_000
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def sink():
    return CheckedSink(None, timedelta(days=30), timedelta(minutes=5), lambda: NOW)  # type: ignore[arg-type]


def test_reasons_and_raw_bytes(sink):
    origins = Origins(np.asarray([0, 2]), [b"topic/a", b"topic/b"], [b"first", b"second"])
    times = [NOW, NOW + 301_000_000, NOW - 31 * DAY, NOW, NOW]
    values = [1.0, 1.0, 1.0, float("nan"), float("inf")]
    good, refused = sink.check(Batch.of_lists(times, [1, 2, 3, 4, 5], values, [0] * 5, origins))
    assert good.signal_ids.tolist() == [1]
    assert [(entry.reason, entry.address, entry.raw) for entry in refused] == [
        ("time_in_future", "topic/a", b"first"),
        ("time_too_old", "topic/b", b"second"),
        ("not_a_number", "topic/b", b"second"),
        ("not_a_number", "topic/b", b"second"),
    ]


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats()), max_size=30))
def test_every_row_is_either_kept_or_refused_once(sink, entries):
    batch = Batch.of_lists(
        [time for time, _ in entries], [1] * len(entries), [value for _, value in entries], [0] * len(entries)
    )
    good, refused = sink.check(batch)
    assert len(good) + len(refused) == len(batch)
    assert np.isfinite(good.values).all()
    assert (np.abs(good.times - NOW) <= 30 * DAY).all()
