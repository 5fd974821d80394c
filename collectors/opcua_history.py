"""Reads what a server has kept of a variable, chunk by chunk."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import Client, ua

from collectors.opcua_binding import Binding
from plant import to_datetime

_VALUES_A_CHUNK = 1000
_NODES_A_CALL = 500
_STEP = timedelta(microseconds=1)

NO_HISTORY = frozenset(
    {
        ua.StatusCodes.BadHistoryOperationUnsupported,
        ua.StatusCodes.BadHistoryOperationInvalid,
        ua.StatusCodes.BadServiceUnsupported,
        ua.StatusCodes.BadNotImplemented,
        ua.StatusCodes.BadNotSupported,
        ua.StatusCodes.BadUserAccessDenied,
        ua.StatusCodes.BadNotReadable,
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadNoData,
    }
)


async def with_history(client: Client, bindings: Sequence[Binding]) -> set[int]:
    """Signal ids of the variables whose access level does not rule a history read out."""
    possible: set[int] = set()
    for start in range(0, len(bindings), _NODES_A_CALL):
        part = bindings[start : start + _NODES_A_CALL]
        levels = await client.uaclient.read_attributes(
            [binding.node_id for binding in part], ua.AttributeIds.UserAccessLevel
        )
        for binding, level in zip(part, levels, strict=True):
            bits = level.Value.Value if level.Value is not None else None
            if not isinstance(bits, int) or bits & ua.AccessLevel.HistoryRead.mask:
                possible.add(binding.signal_id)
    return possible


async def read_history(client: Client, node_id: Any, start_us: int, end_us: int) -> AsyncIterator[list[Any]]:
    """DataValues with start <= source time <= end, oldest first, in chunks.

    Goes on by continuation point where the server gives one, else by time until nothing newer comes: some
    servers cut an answer short without saying so. Raises ``ua.UaStatusCodeError`` as the server says.
    """
    start, end = to_datetime(start_us), to_datetime(end_us)
    continuation: bytes | None = None
    while start <= end:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=start,
            EndTime=end,
            NumValuesPerNode=_VALUES_A_CHUNK,
            ReturnBounds=False,
        )
        wanted = ua.HistoryReadValueId(NodeId=node_id, IndexRange="", ContinuationPoint=continuation)
        result = (
            await client.uaclient.history_read(
                ua.HistoryReadParameters(
                    HistoryReadDetails=details,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ReleaseContinuationPoints=False,
                    NodesToRead=[wanted],
                )
            )
        )[0]
        result.StatusCode.check()
        values = list(getattr(result.HistoryData, "DataValues", None) or ())
        if values:
            yield values
        before, continuation = continuation, result.ContinuationPoint or None
        if continuation is not None and continuation != before:
            continue
        newest = max((moment for value in values if (moment := _moment(value)) is not None), default=None)
        if newest is None or newest < start:
            return
        # Not from the same time again: a key (signal, time) has one value.
        start, continuation = newest + _STEP, None


def _moment(value: Any) -> datetime | None:
    moment: datetime | None = value.SourceTimestamp or value.ServerTimestamp
    if moment is None:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
