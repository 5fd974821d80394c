"""Readings out of messages, gathered one by one into a batch that knows which message each came from."""

import numpy as np

from plant import Batch, Origins


class MessageRows:
    """Rows so far; :meth:`take` hands them out and begins anew."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._times: list[int] = []
        self._ids: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        # One entry a message that made rows.
        self._first_rows: list[int] = []
        self._addresses: list[bytes] = []
        self._payloads: list[bytes] = []

    def __len__(self) -> int:
        return len(self._times)

    def add(self, time: int, signal_id: int, value: float, quality: int) -> None:
        """One reading; ``time`` in microseconds since the epoch."""
        self._times.append(time)
        self._ids.append(signal_id)
        self._values.append(value)
        self._qualities.append(quality)

    def end_message(self, first_row: int, address: bytes, payload: bytes) -> None:
        """What was added from ``first_row`` on came out of this message, if anything was."""
        if len(self) > first_row:
            self._first_rows.append(first_row)
            self._addresses.append(address)
            self._payloads.append(payload)

    def take(self) -> Batch:
        """The batch of everything added since the last call, with origins."""
        batch = Batch.empty()
        if self._times:
            origins = Origins(np.asarray(self._first_rows, np.int64), self._addresses, self._payloads)
            batch = Batch.of_lists(self._times, self._ids, self._values, self._qualities, origins)
        self._start()
        return batch
