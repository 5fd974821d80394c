"""The OPC UA collector: a subscription, and after every gap the server's history of the same variables."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from asyncua import Client, ua
from asyncua.common.subscription import Subscription

from collectors.opcua_binding import Binding, bind
from collectors.sources import OpcUaSource
from collectors.status import CollectorStatus
from plant import Batch, Quality, Rejected, SignalDirectory, Sink, to_datetime, to_microseconds

log = structlog.get_logger()

_GATHER_S = 0.1
_MAX_PENDING = 500_000
_ITEMS_A_CALL = 500
_LONGEST_BACKOFF_S = 10.0
_LOOK_FOR_NEW_S = 10.0
_FIRST_HISTORY = timedelta(hours=1)
_NO_HISTORY = (
    ua.StatusCodes.BadHistoryOperationUnsupported,
    ua.StatusCodes.BadHistoryOperationInvalid,
    ua.StatusCodes.BadServiceUnsupported,
    ua.StatusCodes.BadNotImplemented,
    ua.StatusCodes.BadUserAccessDenied,
    ua.StatusCodes.BadNotReadable,
)


class _Lost(OSError):
    """The session is gone; a fresh client is needed."""


class OpcUaCollector:
    """Collects from one server."""

    def __init__(
        self, source: OpcUaSource, directory: Callable[[], SignalDirectory], sink: Sink, clock: Callable[[], int]
    ) -> None:
        self._source = source
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._seen: dict[int, int] = {}
        self._connected = False
        self._readings = 0
        self._rejected = 0
        self._reconnects = -1
        self._unbound = 0
        self._recovered = 0
        self._last_error = ""

    def status(self) -> CollectorStatus:
        """How it is."""
        return CollectorStatus(
            self._source.name,
            "opcua",
            self._connected,
            self._readings,
            self._rejected,
            max(0, self._reconnects),
            self._unbound,
            self._recovered,
            self._last_error,
        )

    async def run(self) -> None:
        """Collect until cancelled; reconnects by itself, with a fresh client each time."""
        backoff_s = 0.5
        while True:
            try:
                await self._collect()
            except (OSError, TimeoutError, ua.UaError, LookupError, asyncio.IncompleteReadError) as problem:
                if self._connected:
                    backoff_s = 0.5
                self._last_error = f"{type(problem).__name__}: {problem}"
                log.warning("server_away", source=self._source.name, reason=self._last_error, again_in_s=backoff_s)
            except BaseExceptionGroup as group:
                lost, rest = group.split((OSError, TimeoutError, ua.UaError))
                if rest is not None:
                    raise
                backoff_s = 0.5
                self._last_error = str(lost.exceptions[0]) if lost is not None else ""
                log.warning("connection_lost", source=self._source.name, reason=self._last_error)
            finally:
                self._connected = False
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def _collect(self) -> None:
        """One session, from connecting to its end."""
        source = self._source
        client = Client(source.url, timeout=source.timeout_s, watchdog_intervall=2.0)
        client.name = "Industry Brain collector"
        lost = asyncio.Event()

        async def connection_lost(problem: Exception) -> None:
            self._last_error = str(problem)
            lost.set()

        client.connection_lost_callback = connection_lost
        async with asyncio.timeout(source.timeout_s * 2):
            await client.connect()
        try:
            intake = _Intake()
            bound: set[int] = set()
            subscription = await client.create_subscription(source.publishing_interval_ms, intake)
            await self._bind_new(client, subscription, intake, bound)
            self._connected = True
            self._reconnects += 1
            self._last_error = ""
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver(intake))
                group.create_task(self._look_for_new(client, subscription, intake, bound))
                group.create_task(_raise_when(lost))
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(3):
                    await client.disconnect()

    async def _look_for_new(
        self, client: Client, subscription: Subscription, intake: "_Intake", bound: set[int]
    ) -> None:
        known = len(self._directory())
        while True:
            await asyncio.sleep(_LOOK_FOR_NEW_S)
            if len(self._directory()) != known:
                known = len(self._directory())
                await self._bind_new(client, subscription, intake, bound)

    async def _bind_new(self, client: Client, subscription: Subscription, intake: "_Intake", bound: set[int]) -> None:
        """Subscribe to what is not subscribed yet, then fetch what happened before."""
        bindings, self._unbound = await bind(client, self._source, self._directory())
        fresh = [binding for binding in bindings if binding.signal_id not in bound]
        taken: list[Binding] = []
        for start in range(0, len(fresh), _ITEMS_A_CALL):
            part = fresh[start : start + _ITEMS_A_CALL]
            for binding, result in zip(part, await self._subscribe(subscription, intake, part), strict=True):
                if isinstance(result, ua.StatusCode):
                    log.warning("node_not_subscribed", node=binding.address, reason=result.name)
                    self._unbound += 1
                else:
                    taken.append(binding)
                    bound.add(binding.signal_id)
        if self._source.history:
            await self._recover(client, taken)

    async def _subscribe(self, subscription: Subscription, intake: "_Intake", bindings: list[Binding]) -> list[Any]:
        # Values that stay the same under a new source time are readings too.
        every = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
        requests = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=binding.node_id, AttributeId=ua.AttributeIds.Value),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=intake.expect(binding),
                    SamplingInterval=self._source.sampling_interval_ms,
                    Filter=every,
                    QueueSize=self._source.queue_size,
                    DiscardOldest=True,
                ),
            )
            for binding in bindings
        ]
        results: list[Any] = await subscription.create_monitored_items(requests)
        return results

    async def _recover(self, client: Client, bindings: list[Binding]) -> None:
        """Read the history since the newest known reading of every variable; repeats do no harm."""
        now = to_datetime(self._clock())
        for binding in bindings:
            known = self._seen.get(binding.signal_id, binding.last_time)
            start = to_datetime(known) if known is not None else now - _FIRST_HISTORY
            try:
                values = await client.get_node(binding.node_id).read_raw_history(
                    start, now + timedelta(minutes=1), return_bounds=False
                )
            except ua.UaStatusCodeError as problem:
                if problem.code in _NO_HISTORY:
                    log.info("server_keeps_no_history", source=self._source.name, node=binding.address)
                    return
                log.warning("history_not_read", node=binding.address, reason=str(problem))
                continue
            rows = _Rows()
            for value in values:
                rows.add(binding, value, self._source.name, self._clock())
            self._recovered += len(rows.times)
            await self._put(rows)

    async def _deliver(self, intake: "_Intake") -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            if intake.overflown:
                raise _Lost("more values than can be made durable; the gap is read from history")
            if intake.problem is not None:
                raise _Lost(intake.problem)
            rows = _Rows()
            for binding, value in intake.take():
                rows.add(binding, value, self._source.name, self._clock())
            await self._put(rows)

    async def _put(self, rows: "_Rows") -> None:
        if not rows.times and not rows.rejected:
            return
        while True:
            try:
                await self._sink.put(Batch.of_lists(rows.times, rows.ids, rows.values, rows.qualities), rows.rejected)
                break
            except OSError as problem:
                self._last_error = str(problem)
                log.error("sink_takes_nothing", source=self._source.name, reason=str(problem))
                await asyncio.sleep(1)
        self._readings += len(rows.times)
        self._rejected += len(rows.rejected)
        for signal_id, time in zip(rows.ids, rows.times, strict=True):
            if time > self._seen.get(signal_id, 0):
                self._seen[signal_id] = time


async def _raise_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise _Lost("the server does not answer any more")


class _Intake:
    """What the subscription calls: notifications, kept until the collector takes them (bounded)."""

    def __init__(self) -> None:
        self._bindings: dict[int, Binding] = {}
        self._pending: list[tuple[Binding, Any]] = []
        self.overflown = False
        self.problem: str | None = None

    def expect(self, binding: Binding) -> int:
        """A client handle for a variable's notifications."""
        handle = len(self._bindings) + 1
        self._bindings[handle] = binding
        return handle

    def take(self) -> list[tuple[Binding, Any]]:
        """Everything since the last call."""
        pending, self._pending = self._pending, []
        return pending

    def datachange_notification(self, _node: Any, _value: Any, data: Any) -> None:
        """Called by asyncua for every value."""
        if len(self._pending) >= _MAX_PENDING:
            self.overflown = True
            return
        item = data.monitored_item
        self._pending.append((self._bindings[item.ClientHandle], item.Value))

    def status_change_notification(self, status: Any) -> None:
        """Called by asyncua when the server ends the subscription."""
        self.problem = f"the server ended the subscription: {getattr(status, 'Status', status)}"


class _Rows:
    """Values on their way into a batch."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.ids: list[int] = []
        self.values: list[float] = []
        self.qualities: list[int] = []
        self.rejected: list[Rejected] = []

    def add(self, binding: Binding, data: Any, source: str, now: int) -> None:
        """Take a DataValue in; source time is preferred to server time, and that to our own."""
        value = data.Value.Value if data.Value is not None else None
        moment = data.SourceTimestamp or data.ServerTimestamp
        quality = Quality.of_status_code(data.StatusCode.value)
        if value is None and (moment is None or quality is not Quality.BAD or data.SourceTimestamp is None):
            return  # nothing measured yet
        if value is None:
            number = float("nan")
        elif isinstance(value, bool | int | float):
            number = float(value)
        else:
            raw = str(value).encode()[:4096]
            detail = f"{type(value).__name__} is not a number"
            self.rejected.append(Rejected(source, binding.address, "not_a_number", detail, raw, now))
            return
        self.times.append(now if moment is None else to_microseconds(_to_utc(moment)))
        self.ids.append(binding.signal_id)
        self.values.append(number)
        self.qualities.append(int(quality))


def _to_utc(moment: Any) -> Any:
    """OPC UA times are UTC; asyncua hands some out without saying so."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=to_datetime(0).tzinfo)
