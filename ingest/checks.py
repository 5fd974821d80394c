"""What a reading must satisfy before it may enter the spool as one; the rest goes to quarantine."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from plant import RAW_BYTES, Batch, Quality, Rejected, Sink, to_datetime


class CheckedSink:
    """Puts good rows into a sink as readings and the others as rejected messages, in one go.

    retention: readings older than this are refused (they would be dropped at once)
    ahead: how far in the future a source's clock may be
    """

    def __init__(self, sink: Sink, retention: timedelta, ahead: timedelta, clock: Callable[[], int]) -> None:
        self._sink = sink
        self._retention_us = retention // timedelta(microseconds=1)
        self._ahead_us = ahead // timedelta(microseconds=1)
        self._clock = clock

    async def put(self, batch: Batch, rejected: Sequence[Rejected] = ()) -> None:
        """See :meth:`plant.Sink.put`."""
        good, refused = self.check(batch)
        await self._sink.put(good, [*rejected, *refused])

    def check(self, batch: Batch) -> tuple[Batch, list[Rejected]]:
        """The rows that pass, and one rejected entry for each that does not."""
        now = self._clock()
        # A value may be missing only where its quality says that it is bad.
        not_a_number = ~(np.isfinite(batch.values) | (np.isnan(batch.values) & (batch.qualities == Quality.BAD)))
        in_future = batch.times > now + self._ahead_us
        too_old = batch.times < now - self._retention_us
        wrong: NDArray[np.bool_] = not_a_number | in_future | too_old
        if not wrong.any():
            return batch, []
        refused = []
        for row in np.flatnonzero(wrong).tolist():
            time, value, signal = int(batch.times[row]), float(batch.values[row]), int(batch.signal_ids[row])
            if not_a_number[row]:
                reason, detail = "not_a_number", f"signal {signal} has the value {value}"
            elif in_future[row]:
                reason, detail = "time_in_future", f"{_words(time)} is ahead of {_words(now)}: check the device's clock"
            else:
                reason, detail = "time_too_old", f"{_words(time)} is older than what is kept: check the device's clock"
            address, raw = batch.origins.of_row(row) if batch.origins is not None else (f"signal {signal}", b"")
            raw = raw or f"{time} {value}".encode()
            refused.append(Rejected("checks", address, reason, detail, raw[:RAW_BYTES], now))
        return batch.select(~wrong), refused


def _words(time_us: int) -> str:
    try:
        return to_datetime(time_us).isoformat()
    except OverflowError:
        return f"{time_us} us"
