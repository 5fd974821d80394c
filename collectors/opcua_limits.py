"""How much a server takes in one call (OPC 10000-5, 6.3.11)."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from asyncua import Client, ua

Item = TypeVar("Item")
Result = TypeVar("Result")

_TOO_MUCH = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadTooManyMonitoredItems,
        ua.StatusCodes.BadRequestTooLarge,
        ua.StatusCodes.BadResponseTooLarge,
        ua.StatusCodes.BadEncodingLimitsExceeded,
        ua.StatusCodes.BadTcpMessageTooLarge,
    }
)


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Most operations in one call; what we ask for where a server names no limit."""

    nodes_per_read: int = 500
    nodes_per_browse: int = 200
    nodes_per_history_read: int = 100
    monitored_items_per_call: int = 500


_LIMIT_NODES = {
    "nodes_per_read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "nodes_per_browse": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "nodes_per_history_read": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    "monitored_items_per_call": ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
}


async def limits_of(client: Client) -> ServerLimits:
    """What the server names, up to what we would ask for; 0 is a server's word for no limit."""
    ours = ServerLimits()
    values = {}
    for field in fields(ours):
        # One by one: a server may allow one node a call.
        answer = (await client.uaclient.read_attributes([ua.NodeId(_LIMIT_NODES[field.name])], ua.AttributeIds.Value))[
            0
        ]
        named = answer.Value.Value if answer.Value is not None else None
        most = getattr(ours, field.name)
        values[field.name] = min(named, most) if isinstance(named, int) and named > 0 else most
    return ServerLimits(**values)


async def in_parts(
    items: Sequence[Item], most: int, call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
) -> list[Result]:
    """The results of ``call`` over all items, at most so many a call; fewer where the server says too many.

    Raises ``asyncua.ua.UaStatusCodeError`` as the server does, for a single item too.
    """
    results: list[Result] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + most]
        try:
            results += await call(part)
        except ua.UaStatusCodeError as problem:
            if problem.code not in _TOO_MUCH or len(part) == 1:
                raise
            most = len(part) // 2
    return results
