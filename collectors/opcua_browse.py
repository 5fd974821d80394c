"""What is below a node of a server: browsed level by level, many nodes a call, page by page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua

from collectors.opcua_limits import ServerLimits, in_parts

_REFERENCES_A_PAGE = 1000
_NUMBERS = frozenset(range(1, 12)) | {26, 27, 28, 29}  # Boolean to Double; Number, Integer, UInteger, Enumeration
_TEXTS = frozenset({ua.ObjectIds.String, ua.ObjectIds.LocalizedText})
_MOST_SUPERTYPES = 20


@dataclass(frozen=True, slots=True)
class Found:
    """A node below another one."""

    node_id: Any
    name: str
    node_class: Any
    type_definition: Any
    is_property: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What a variable says of itself.

    kind: number, text, array, structure, any or other, by data type and value rank
    unit: display name of its EngineeringUnits; unit_id: their UNECE code as OPC UA writes it
    low, high: its EURange [unit]
    keeps_history: whether its access level allows HistoryRead
    """

    kind: str
    unit: str = ""
    unit_id: int | None = None
    low: float | None = None
    high: float | None = None
    keeps_history: bool = False


class Browser:
    """Asks one server, within its limits."""

    def __init__(self, client: Client, limits: ServerLimits) -> None:
        self._client = client
        self._limits = limits
        self._kinds: dict[Any, str] = {}

    async def children(self, nodes: Sequence[Any]) -> list[list[Found]]:
        """Objects, variables and properties below each node (hierarchical references), in the server's order.

        A node that cannot be browsed has none. Raises ``asyncua.ua.UaError`` where the call itself fails.
        """
        return await self._browse(nodes, ua.ObjectIds.HierarchicalReferences, ua.BrowseDirection.Forward)

    async def describe(self, nodes: Sequence[Any]) -> list[Description]:
        """What variables say of themselves, one for each node."""
        ranks = await self.read(nodes, ua.AttributeIds.ValueRank)
        types = await self.read(nodes, ua.AttributeIds.DataType)
        levels = await self.read(nodes, ua.AttributeIds.UserAccessLevel)
        await self._learn_kinds({data_type for data_type in types if isinstance(data_type, ua.NodeId)})
        properties = [
            {child.name: child.node_id for child in found if child.is_property} for found in await self.children(nodes)
        ]
        units = await self._property(properties, "EngineeringUnits")
        ranges = await self._property(properties, "EURange")
        described = []
        for rank, data_type, level, unit, span in zip(ranks, types, levels, units, ranges, strict=True):
            # A node that is not there says so when it is subscribed to.
            kind = self._kinds[data_type] if isinstance(data_type, ua.NodeId) else "any"
            described.append(
                Description(
                    "array" if isinstance(rank, int) and rank >= 0 else kind,
                    str(getattr(getattr(unit, "DisplayName", None), "Text", None) or ""),
                    getattr(unit, "UnitId", None),
                    getattr(span, "Low", None),
                    getattr(span, "High", None),
                    # A server that does not tell is asked; it can still refuse.
                    not isinstance(level, int) or bool(level & ua.AccessLevel.HistoryRead.mask),
                )
            )
        return described

    async def data_values(self, nodes: Sequence[Any]) -> list[Any]:
        """The DataValue of each variable now."""
        return await self._read(nodes, ua.AttributeIds.Value)

    async def read(self, nodes: Sequence[Any], attribute: Any) -> list[Any]:
        """An attribute of each node; None where it has none."""
        answers = await self._read(nodes, attribute)
        return [answer.Value.Value if answer.Value is not None else None for answer in answers]

    async def _read(self, nodes: Sequence[Any], attribute: Any) -> list[Any]:
        async def call(part: Sequence[Any]) -> Sequence[Any]:
            answers: Sequence[Any] = await self._client.uaclient.read_attributes(list(part), attribute)
            return answers

        return await in_parts(nodes, self._limits.nodes_per_read, call)

    async def _property(self, properties: Sequence[dict[str, Any]], name: str) -> list[Any]:
        having = [number for number, known in enumerate(properties) if name in known]
        values: list[Any] = [None] * len(properties)
        for number, value in zip(
            having, await self.read([properties[number][name] for number in having], ua.AttributeIds.Value), strict=True
        ):
            values[number] = value
        return values

    async def _learn_kinds(self, types: Iterable[Any]) -> None:
        """Follow data types up to the standard's own (OPC 10000-3, 8)."""
        for data_type in types:
            path: list[Any] = []
            current, kind = data_type, "other"
            while len(path) < _MOST_SUPERTYPES:
                known = self._kinds.get(current) or _standard_kind(current)
                if known:
                    kind = known
                    break
                path.append(current)
                above = await self._browse([current], ua.ObjectIds.HasSubtype, ua.BrowseDirection.Inverse)
                if not above[0]:
                    break
                current = above[0][0].node_id
            for passed in (data_type, *path):
                self._kinds[passed] = kind

    async def _browse(self, nodes: Sequence[Any], references: Any, direction: Any) -> list[list[Found]]:
        async def call(part: Sequence[Any]) -> list[list[Found] | None]:
            results = await self._client.uaclient.browse(
                ua.BrowseParameters(
                    View=ua.ViewDescription(),
                    RequestedMaxReferencesPerNode=_REFERENCES_A_PAGE,
                    NodesToBrowse=[_request(node, references, direction) for node in part],
                )
            )
            return [await self._all_pages(result) for result in results]

        found = await in_parts(nodes, self._limits.nodes_per_browse, call)
        # A server has few continuation points: a node that found none is asked again alone.
        return [
            children if children is not None else (await call([node]))[0] or []
            for node, children in zip(nodes, found, strict=True)
        ]

    async def _all_pages(self, result: Any) -> list[Found] | None:
        """None where the server has no room to remember how far it came."""
        if result.StatusCode.value == ua.StatusCodes.BadNoContinuationPoints:
            return None
        found = [_found(reference) for reference in result.References or ()]
        point = result.ContinuationPoint
        while point:
            following = (
                await self._client.uaclient.browse_next(
                    ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[point])
                )
            )[0]
            following.StatusCode.check()
            found += [_found(reference) for reference in following.References or ()]
            point = following.ContinuationPoint
        return found


def _request(node: Any, references: Any, direction: Any) -> Any:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=direction,
        ReferenceTypeId=ua.NodeId(references),
        IncludeSubtypes=True,
        NodeClassMask=0,
        ResultMask=ua.BrowseResultMask.All,
    )


def _found(reference: Any) -> Found:
    known = reference.NodeId
    return Found(
        ua.NodeId(known.Identifier, known.NamespaceIndex, known.NodeIdType),
        reference.BrowseName.Name or "",
        reference.NodeClass,
        reference.TypeDefinition,
        reference.ReferenceTypeId.Identifier == ua.ObjectIds.HasProperty,
    )


def _standard_kind(data_type: Any) -> str:
    if data_type.NamespaceIndex != 0 or not isinstance(data_type.Identifier, int):
        return ""
    number = data_type.Identifier
    if number in _NUMBERS:
        return "number"
    if number in _TEXTS:
        return "text"
    if number == ua.ObjectIds.Structure:
        return "structure"
    # BaseDataType: the value decides. Below it the rest of the built-in types: times, ids, bytes.
    return "any" if number == ua.ObjectIds.BaseDataType else "other" if number <= 25 else ""
