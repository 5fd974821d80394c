"""The simulated plant as an OPC UA server: folders site/line/machine, units, ranges, status, an hour of history."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import Server, ua
from asyncua.server.history import HistoryStorageInterface

from plant import MachineSpec, Quality, SignalType, template_library, to_datetime, unit
from simulators.simulation import SIGNALS, Samples

NAMESPACE = "urn:industry-brain:simulator"
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
_HISTORY = timedelta(hours=1)
_STATUS = {
    Quality.GOOD: ua.StatusCodes.Good,
    Quality.UNCERTAIN: ua.StatusCodes.UncertainLastUsableValue,
    Quality.BAD: ua.StatusCodes.BadSensorFailure,
}


class RecentHistory(HistoryStorageInterface):  # type: ignore[misc]
    """The last hour of every node in memory, as many a PLC keeps it."""

    def __init__(self, max_history_data_response_size: int = 1000) -> None:
        super().__init__(max_history_data_response_size)
        self._values: dict[Any, deque[Any]] = {}

    async def init(self) -> None:
        """Nothing to open."""

    async def new_historized_node(self, node_id: Any, period: timedelta | None, count: int = 0) -> None:  # noqa: ARG002
        """Keep values of this node from now on."""
        self._values.setdefault(node_id, deque())

    async def save_node_value(self, node_id: Any, datavalue: Any) -> None:
        """Append a value and forget those older than an hour before it."""
        values = self._values.setdefault(node_id, deque())
        values.append(datavalue)
        while values[0].SourceTimestamp < datavalue.SourceTimestamp - _HISTORY:
            values.popleft()

    async def read_node_history(
        self, node_id: Any, start: datetime | None, end: datetime | None, nb_values: int
    ) -> tuple[list[Any], datetime | None]:
        """Values with start <= time <= end in order, and where to go on."""
        values = list(self._values.get(node_id, ()))
        times = [value.SourceTimestamp for value in values]
        first = bisect_left(times, _aware(start)) if start is not None else 0
        last = bisect_right(times, _aware(end)) if end is not None else len(values)
        limit = min(nb_values or self.max_history_data_response_size, self.max_history_data_response_size)
        chosen = values[first : min(last, first + limit)]
        more = times[first + limit] if first + limit < last and not nb_values else None
        return chosen, more

    async def new_historized_event(self, *_: Any) -> None:
        """Events are not kept."""

    async def save_event(self, event: Any) -> None:
        """Events are not kept."""

    async def read_event_history(self, *_: Any) -> tuple[list[Any], None]:
        """Events are not kept."""
        return [], None

    async def stop(self) -> None:
        """Nothing to close."""


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class PlantServer:
    """A running server for some of the plant's machines."""

    def __init__(self, server: Server, history: RecentHistory, columns: dict[int, dict[str, Any]]) -> None:
        self._server = server
        self._history = history
        self._columns = columns
        self.sent = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, specs: Sequence[MachineSpec], chosen: Sequence[int]) -> "AsyncIterator[PlantServer]":
        """Serve the machines with the numbers ``chosen`` at ``url`` (opc.tcp://address:port/path)."""
        server = Server()
        await server.init()
        server.set_endpoint(url)
        server.set_server_name("Industry Brain simulated plant")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        history = RecentHistory()
        server.iserver.history_manager.set_storage(history)
        namespace = await server.register_namespace(NAMESPACE)
        folders: dict[tuple[str, ...], Any] = {(): server.nodes.objects}
        columns: dict[int, dict[str, Any]] = {}
        for number in chosen:
            spec = specs[number]
            path = (spec.site, spec.line, spec.machine)
            for depth in range(1, len(path) + 1):
                if path[:depth] not in folders:
                    parent = folders[path[: depth - 1]]
                    node_id = ua.NodeId("/".join(path[:depth]), namespace)
                    folders[path[:depth]] = await parent.add_folder(
                        node_id, ua.QualifiedName(path[depth - 1], namespace)
                    )
            columns[number] = {}
            for signal in template_library()[spec.template].signals:
                if signal.key in SIGNALS:
                    columns[number][signal.key] = await _add_variable(folders[path], path, signal, namespace)
        async with server:
            yield cls(server, history, columns)

    async def write(self, samples: Samples) -> None:
        """Put samples into the address space and the history, oldest first."""
        for step, time in enumerate(samples.times.tolist()):
            moment = to_datetime(time)
            for number, nodes in self._columns.items():
                for key, node_id in nodes.items():
                    value = float(samples.signals[key][step, number])
                    variant = (
                        ua.Variant(bool(value), ua.VariantType.Boolean)
                        if key == "running"
                        else ua.Variant(value, ua.VariantType.Double)
                    )
                    quality = Quality(int(samples.qualities[key][step, number]) if key in samples.qualities else 0)
                    data = ua.DataValue(variant, ua.StatusCode(_STATUS[quality]), moment, moment)
                    await self._history.save_node_value(node_id, data)
                    await self._server.write_attribute_value(node_id, data)
                    self.sent += 1


async def _add_variable(parent: Any, path: tuple[str, ...], signal: SignalType, namespace: int) -> Any:
    node_id = ua.NodeId("/".join((*path, signal.key)), namespace)
    name = ua.QualifiedName(signal.key, namespace)
    if signal.kind == "bool":
        node = await parent.add_variable(node_id, name, False)
    else:
        node = await parent.add_variable(node_id, name, 0.0, datatype=ua.NodeId(ua.ObjectIds.Double))
        known = unit(signal.unit)
        information = ua.EUInformation(
            NamespaceUri=_UNECE,
            UnitId=known.eu_id,
            DisplayName=ua.LocalizedText(known.symbol, "en"),
            Description=ua.LocalizedText(known.name_en, "en"),
        )
        await node.add_property(ua.NodeId(), ua.QualifiedName("EngineeringUnits", 0), information)
        if signal.plausible_min is not None and signal.plausible_max is not None:
            span = ua.Range(Low=signal.plausible_min, High=signal.plausible_max)
            await node.add_property(ua.NodeId(), ua.QualifiedName("EURange", 0), span)
    access = ua.Variant(ua.AccessLevel.CurrentRead.mask | ua.AccessLevel.HistoryRead.mask, ua.VariantType.Byte)
    await node.write_attribute(ua.AttributeIds.AccessLevel, ua.DataValue(access))
    await node.write_attribute(ua.AttributeIds.UserAccessLevel, ua.DataValue(access))
    await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)))
    waiting = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
    await node.write_value(waiting)
    return node.nodeid
