"""Reads what a server has kept of variables in a period (HistoryRead, OPC 10000-11, 6.5.3)."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua

from collectors.opcua_limits import ServerLimits, in_parts
from plant import to_datetime, to_microseconds

_VALUES_A_CHUNK = 1000
# An answer with fewer values was not cut short; some servers do that without saying so.
_NEVER_CUT = 50

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
    }
)
_NO_DATA = frozenset({ua.StatusCodes.BadNoData, ua.StatusCodes.BadBoundNotFound, ua.StatusCodes.BadBoundNotSupported})
_NO_ROOM = frozenset({ua.StatusCodes.BadNoContinuationPoints, ua.StatusCodes.BadContinuationPointInvalid})


@dataclass(frozen=True, slots=True)
class Page:
    """A part of one variable's history.

    number: which of the variables asked for
    values: DataValues, oldest first
    is_last: nothing more comes of this variable
    problem: status code where it could not be read (further), else 0
    """

    number: int
    values: Sequence[Any] = ()
    is_last: bool = False
    problem: int = 0


@dataclass(slots=True)
class _Reading:
    number: int
    node_id: Any
    start: int
    point: bytes | None = None
    alone: bool = False


async def read_history(
    client: Client, limits: ServerLimits, nodes: Sequence[Any], start_us: int, end_us: int
) -> AsyncIterator[Page]:
    """Values with start <= source time <= end of many variables, page by page; of each one page is the last.

    Goes on by continuation point where the server gives one, else by time until nothing newer comes. Raises
    ``OSError`` or ``asyncua.ua.UaError`` where the connection or the whole call fails.
    """
    left = [_Reading(number, node, start_us) for number, node in enumerate(nodes)]
    while left:
        calls: dict[tuple[int, int], list[_Reading]] = defaultdict(list)
        for reading in left:
            calls[reading.start, reading.number if reading.alone else -1].append(reading)
        left = []
        for (start, _), readings in calls.items():
            for reading, result in await _call(client, limits, readings, start, end_us):
                page = _take(reading, result)
                if not page.is_last:
                    left.append(reading)
                if page.values or page.is_last:
                    yield page


def _take(reading: _Reading, result: Any) -> Page:
    """What came, and where to go on."""
    code = result.StatusCode.value
    values = list(getattr(result.HistoryData, "DataValues", None) or ())
    if code in _NO_DATA:
        return Page(reading.number, is_last=True)
    if code in _NO_ROOM and not reading.alone:
        reading.alone, reading.point = True, None
        return Page(reading.number)
    if not result.StatusCode.is_good() and not values:
        return Page(reading.number, is_last=True, problem=code)
    point = result.ContinuationPoint or None
    if point is not None and point != reading.point:
        reading.point = point
        reading.start = max(reading.start, _after(values) or 0) if reading.alone else reading.start
        return Page(reading.number, values)
    after = _after(values)
    if len(values) < _NEVER_CUT or after is None or after <= reading.start:
        return Page(reading.number, values, is_last=True)
    # Not from the same time again: a key (signal, time) has one value.
    reading.start, reading.point = after, None
    return Page(reading.number, values)


async def _call(
    client: Client, limits: ServerLimits, readings: Sequence[_Reading], start_us: int, end_us: int
) -> list[tuple[_Reading, Any]]:
    async def call(part: Sequence[_Reading]) -> Sequence[tuple[_Reading, Any]]:
        results = await client.uaclient.history_read(
            ua.HistoryReadParameters(
                HistoryReadDetails=ua.ReadRawModifiedDetails(
                    IsReadModified=False,
                    StartTime=to_datetime(start_us),
                    EndTime=to_datetime(end_us),
                    NumValuesPerNode=_VALUES_A_CHUNK,
                    ReturnBounds=False,
                ),
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ReleaseContinuationPoints=False,
                NodesToRead=[
                    ua.HistoryReadValueId(NodeId=reading.node_id, IndexRange="", ContinuationPoint=reading.point)
                    for reading in part
                ],
            )
        )
        return list(zip(part, results, strict=True))

    try:
        return await in_parts(readings, limits.nodes_per_history_read, call)
    except ua.UaStatusCodeError as problem:
        if problem.code not in NO_HISTORY:
            raise
        refused = ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.UInt32(problem.code)))
        return [(reading, refused) for reading in readings]


def _after(values: Sequence[Any]) -> int | None:
    """A microsecond after the newest of these values; None where none has a time."""
    return max(
        (to_microseconds(moment) + 1 for value in values if (moment := _moment(value)) is not None), default=None
    )


def _moment(value: Any) -> datetime | None:
    moment: datetime | None = value.SourceTimestamp or value.ServerTimestamp
    if moment is None:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
