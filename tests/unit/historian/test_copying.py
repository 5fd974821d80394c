"""What goes over the wire: every key once, in the order of the index."""

from hypothesis import given
from hypothesis import strategies as st

from historian.copying import in_key_order
from plant import Batch

times = st.integers(0, 5) | st.integers(-(2**61), 2**61)
rows = st.lists(st.tuples(times, st.integers(1, 4) | st.integers(1, 2**31 - 1)), max_size=40)


@given(rows)
def test_first_of_every_key_by_signal_and_time(keys):
    times, signals = [time for time, _ in keys], [signal for _, signal in keys]
    batch = Batch.of_lists(times, signals, range(len(keys)), [0] * len(keys))
    first: dict[tuple[int, int], float] = {}
    for number, (time, signal) in enumerate(keys):
        first.setdefault((signal, time), number)
    found = in_key_order(batch)
    assert list(
        zip(zip(found.signal_ids.tolist(), found.times.tolist(), strict=True), found.values.tolist(), strict=True)
    ) == sorted(first.items())
