"""The window that is kept up to date holds what reading everything anew would give, late readings included."""

from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics import window as module
from analytics.window import LiveReadings, pivot_readings
from historian import Machine
from plant import MICROSECONDS, Batch, to_microseconds

MACHINES = [Machine(n, 1, "s", "UTC", "l", f"m{n}", "motor", {}, {"a": 2 * n, "b": 2 * n + 1}) for n in (1, 2)]
NOW = 1_795_000_000 * MICROSECONDS

# (seconds before now at which it was measured, how late it comes, signal, quality)
arrivals = st.lists(
    st.tuples(st.floats(-0.9, 200), st.floats(0, 3), st.integers(2, 5), st.sampled_from([0, 0, 0, 1, 2])), max_size=60
)


class _Table:
    """Stands in for the table of readings."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, int, float, int]] = []
        self.asked: list[float] = []

    async def read(self, _connection: object, _ids: None, start: datetime, end: datetime) -> Batch:
        first, last = to_microseconds(start), to_microseconds(end)
        self.asked.append((last - first) / MICROSECONDS)
        chosen = sorted(row for row in self.rows if first <= row[0] < last)
        return Batch.of_lists(*([list(column) for column in zip(*chosen, strict=True)] if chosen else [[]] * 4))


@pytest.mark.parametrize("large", [False, True])
@settings(max_examples=60)
@given(events=arrivals, steps=st.lists(st.integers(1, 40), min_size=1, max_size=8))
async def test_same_as_reading_everything(large, events, steps):
    table = _Table()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "read_readings", table.read)
        patch.setattr(LiveReadings, "_FRESH_TIMES", 0)
        live = LiveReadings(MACHINES)
        if large:
            patch.setattr(live, "_ROWS_AGAIN", 0)
        start = NOW - 250 * MICROSECONDS
        now = start
        # Late by less than three seconds of ticks: a tick at least every second while something is under way.
        for step in steps:
            for _ in range(step):
                now += MICROSECONDS
                table.rows = [
                    (NOW - round(before * MICROSECONDS), signal, float(number), quality)
                    for number, (before, late, signal, quality) in enumerate(events)
                    if NOW - (before - late) * MICROSECONDS <= now
                ]
                if step < 20:
                    found = await live.refresh(None, now)
            found = await live.refresh(None, now)
        whole = await table.read(
            None, None, *(module.to_datetime(at) for at in (found.start_us, found.start_us + 76 * MICROSECONDS))
        )
    expected = pivot_readings(whole, live.index, found.start_us, MICROSECONDS, 76)
    if large and max(steps) >= 20:
        return  # a pause longer than the overlap: what was late meanwhile may be missing
    assert np.array_equal(found.values, expected.values, equal_nan=True)
    assert np.array_equal(found.seen, expected.seen)
    assert np.array_equal(found.bad, expected.bad)


async def test_a_large_plant_reads_only_the_newest_seconds_again(monkeypatch):
    table = _Table()
    monkeypatch.setattr(module, "read_readings", table.read)
    monkeypatch.setattr(LiveReadings, "_FRESH_TIMES", 0)
    live = LiveReadings(MACHINES)
    monkeypatch.setattr(live, "_ROWS_AGAIN", 0)
    for second in (0, 3, 6):
        await live.refresh(None, NOW + second * MICROSECONDS)
    assert table.asked == [76, 6, 6]
