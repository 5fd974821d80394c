"""OPC UA data values as columns of a batch."""

import math
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from collectors.native import EARLIEST, LATEST
from collectors.opcua_binding import Binding
from collectors.refusals import printable
from plant import RAW_BYTES, Batch, Quality, Rejected, to_microseconds

# OPC 10000-4, 7.39.1: info type DataValue with the overflow bit.
_OVERFLOW = 0x480
_NOTHING_YET = ua.StatusCodes.BadWaitingForInitialData


class Rows:
    """Data values on their way into a batch, and those that are no readings."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._times: list[int] = []
        self._ids: list[int] = []
        self._values: list[float] = []
        self._qualities: list[int] = []
        self.rejected: list[Rejected] = []
        self.overflows: list[tuple[Binding, int]] = []
        """Where the server's queue was too short: values of this variable before this time are missing."""

    def __len__(self) -> int:
        return len(self._times) + len(self.rejected)

    def add(self, binding: Binding, data: Any, now: int) -> int | None:
        """Take a DataValue in; its time in microseconds where it became a row.

        The source's time is preferred to the server's, and that to ``now``. A bad value without a number is a
        row too (NaN): the sensor was asked, and had nothing to say.
        """
        status = data.StatusCode.value if data.StatusCode is not None else 0
        value = data.Value.Value if data.Value is not None else None
        quality = Quality.of_status_code(status)
        if value is None and (status == _NOTHING_YET or quality is not Quality.BAD):
            return None  # nothing has been measured yet
        moment = data.SourceTimestamp or data.ServerTimestamp
        if value is None and moment is None:
            return None
        number = _number(value, quality)
        if number is None:
            detail = f"{type(value).__name__} {repr(value)[:60]} is not a finite number"
            raw = repr(value).encode(errors="backslashreplace")[:RAW_BYTES]
            self.rejected.append(Rejected(self._source, printable(binding.address), "not_a_number", detail, raw, now))
            return None
        time = now if moment is None else to_microseconds(_in_utc(moment))
        if not EARLIEST <= time <= LATEST:
            detail = f"source time {moment} is out of range"
            raw = f"{moment} {value}".encode(errors="backslashreplace")[:RAW_BYTES]
            self.rejected.append(Rejected(self._source, printable(binding.address), "bad_time", detail, raw, now))
            return None
        if status & _OVERFLOW == _OVERFLOW:
            self.overflows.append((binding, time))
        self._times.append(time)
        self._ids.append(binding.signal_id)
        self._values.append(binding.to_signal(number))
        self._qualities.append(int(quality))
        return time

    def batch(self) -> Batch:
        """The rows, in the order they came."""
        return Batch.of_lists(self._times, self._ids, self._values, self._qualities)


def _number(value: Any, quality: Quality) -> float | None:
    if value is None:
        return math.nan
    if not isinstance(value, bool | int | float):
        return None
    number = float(value)
    if math.isfinite(number):
        return number
    return math.nan if quality is Quality.BAD else None


def _in_utc(moment: datetime) -> datetime:
    """OPC UA times are UTC; asyncua hands some out without saying so."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
