"""A batch: readings travelling together, column-wise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

MICROSECONDS = 1_000_000
"""Microseconds in a second; times in arrays are int64 microseconds since 1970-01-01 UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime; exact, and an error for a naive one.

    >>> to_microseconds(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone: give an aware datetime, best in UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_datetime(microseconds: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch.

    >>> to_datetime(1000005).isoformat()
    '1970-01-01T00:00:01.000005+00:00'
    """
    return _EPOCH + timedelta(microseconds=int(microseconds))


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the rows of a batch came from, so that a row refused later is kept with its raw bytes.

    Message ``k`` made the rows from ``first_rows[k]`` up to ``first_rows[k + 1]``.

    first_rows: int64 (m,), ascending, first_rows[0] == 0
    addresses: MQTT topic or OPC UA node of each message, in UTF-8 (m,)
    payloads: raw bytes of each message (m,)
    """

    first_rows: NDArray[np.int64]
    addresses: Sequence[bytes]
    payloads: Sequence[bytes]

    def of_row(self, row: int) -> tuple[str, bytes]:
        """Address and raw bytes of the message that made a row."""
        message = int(np.searchsorted(self.first_rows, row, side="right")) - 1
        return self.addresses[message].decode(errors="backslashreplace"), self.payloads[message]


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings, column-wise; row ``i`` is one reading.

    times: int64 (n,), source time in microseconds since 1970-01-01 UTC
    signal_ids: int32 (n,), as in the historian's table ``signal``
    values: float64 (n,), in the signal's own unit; booleans are 0 and 1
    qualities: int16 (n,), see :class:`plant.Quality`
    origins: raw messages behind the rows, where the collector still has them
    """

    times: NDArray[np.int64]
    signal_ids: NDArray[np.int32]
    values: NDArray[np.float64]
    qualities: NDArray[np.int16]
    origins: Origins | None = None

    def __post_init__(self) -> None:
        n = len(self.times)
        for name, column, dtype in (
            ("times", self.times, np.int64),
            ("signal_ids", self.signal_ids, np.int32),
            ("values", self.values, np.float64),
            ("qualities", self.qualities, np.int16),
        ):
            if column.dtype != dtype or column.shape != (n,):
                raise ValueError(
                    f"column {name} of a batch must be {np.dtype(dtype).name} ({n},), "
                    f"not {column.dtype.name} {column.shape}"
                )

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of_lists(
        cls,
        times: Sequence[int],
        signal_ids: Sequence[int],
        values: Sequence[float],
        qualities: Sequence[int],
        origins: Origins | None = None,
    ) -> "Batch":
        """A batch from plain lists of equal length."""
        return cls(
            np.asarray(times, np.int64),
            np.asarray(signal_ids, np.int32),
            np.asarray(values, np.float64),
            np.asarray(qualities, np.int16),
            origins,
        )

    @classmethod
    def empty(cls) -> "Batch":
        """A batch of no readings."""
        return cls.of_lists([], [], [], [])

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Batch":
        """The rows of a mask or index array, without origins."""
        return Batch(self.times[rows], self.signal_ids[rows], self.values[rows], self.qualities[rows])


def concatenate(batches: Sequence[Batch]) -> Batch:
    """One batch of all rows in order, without origins."""
    if not batches:
        return Batch.empty()
    return Batch(
        np.concatenate([batch.times for batch in batches]),
        np.concatenate([batch.signal_ids for batch in batches]),
        np.concatenate([batch.values for batch in batches]),
        np.concatenate([batch.qualities for batch in batches]),
    )
