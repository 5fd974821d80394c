"""The OPC UA collector: a subscription, and after every gap the server's history of the same variables."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog
from asyncua import Client, ua

from collectors.gaps import Gaps
from collectors.memory import Memory
from collectors.opcua_binding import Binding, bind
from collectors.opcua_client import leave
from collectors.opcua_history import NO_HISTORY, read_history, with_history
from collectors.opcua_rows import Rows
from collectors.opcua_subscription import LiveSubscription, SubscriptionLost
from collectors.sources import OpcUaSource
from collectors.status import CollectorStatus
from plant import MICROSECONDS, SignalDirectory, Sink

log = structlog.get_logger()

_GATHER_S = 0.1
_RETRY_SINK_S = 0.5
_SHORTEST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_LOOK_FOR_NEW_S = 5.0
_SESSION_S = 120
# Servers write history a moment after they publish.
_SETTLE_S = 1.0
_RETRY_HISTORY_S = 30.0
_SAVE_GAPS_S = 1.0
_OVERLAP_US = MICROSECONDS
_FIRST_HISTORY_US = 3600 * MICROSECONDS
_DAY_US = 86_400 * MICROSECONDS


class OpcUaCollector:
    """Collects from one server."""

    def __init__(
        self,
        source: OpcUaSource,
        directory: Callable[[], SignalDirectory],
        sink: Sink,
        clock: Callable[[], int],
        memory: Path | None = None,
    ) -> None:
        """``memory`` is a folder; periods still to be read from the server's history are noted there."""
        self._source = source
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._gaps = Gaps(Memory(memory, "opcua", source.name))
        self._seen: dict[int, int] = {}
        self._connected = False
        self._connections = 0
        self._readings = 0
        self._rejected = 0
        self._unbound: list[str] = []
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
            max(0, self._connections - 1),
            len(self._unbound),
            self._recovered,
            self._last_error,
            gaps=len(self._gaps),
        )

    async def run(self) -> None:
        """Collect until cancelled; reconnects by itself for ever, with a fresh client each time."""
        backoff_s = _SHORTEST_BACKOFF_S
        while True:
            before = self._connections
            task = asyncio.current_task()
            try:
                await self._collect()
            except asyncio.CancelledError:
                # asyncua cancels requests of a connection that broke; that is not meant for us.
                if task is None or task.cancelling():
                    raise
                self._last_error = "the connection broke during a request"
            except Exception as problem:  # noqa: BLE001  # asyncua raises whatever a server's answer leads to
                self._last_error = _words(problem)
            finally:
                self._connected = False
            if self._connections > before:
                backoff_s = _SHORTEST_BACKOFF_S
            log.warning("server_away", source=self._source.name, reason=self._last_error, again_in_s=backoff_s)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _LONGEST_BACKOFF_S)

    async def _collect(self) -> None:
        """One session, from connecting to its end."""
        source = self._source
        client = Client(source.url, timeout=source.timeout_s, watchdog_intervall=source.timeout_s)
        client.name = "Industry Brain collector"
        client.session_timeout = _SESSION_S * 1000
        lost = asyncio.Event()
        reasons: list[str] = []

        async def connection_lost(problem: Exception) -> None:
            reasons.append(_words(problem))
            lost.set()

        client.connection_lost_callback = connection_lost
        try:
            async with asyncio.timeout(source.timeout_s * 2):
                await client.connect()
                subscription = LiveSubscription(client, source, self._clock)
                await subscription.open()
            async with asyncio.TaskGroup() as group:
                # Values are handed on while variables are still being bound and history is being read.
                group.create_task(self._deliver(subscription))
                group.create_task(self._keep_bound(client, subscription))
                group.create_task(_raise_when(lost, reasons))
        finally:
            await leave(client)

    async def _deliver(self, subscription: LiveSubscription) -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            await self._put(subscription.take())

    async def _keep_bound(self, client: Client, subscription: LiveSubscription) -> None:
        """Subscribe to what is registered, now and whenever that changes, and fetch what happened before."""
        subscribed: set[int] = set()
        known: frozenset[tuple[str, str, int]] | None = None
        recovering: asyncio.Task[None] | None = None
        pending: list[Binding] = []
        async with asyncio.TaskGroup() as group:
            while True:
                directory = self._directory()
                registered = frozenset((entry.site, entry.machine, len(entry.signal_ids)) for entry in directory)
                if registered != known:
                    known = registered
                    pending += await self._bind(client, subscription, directory, subscribed)
                    if not self._connected:
                        self._connected = True
                        self._connections += 1
                        self._last_error = ""
                        log.info("server_connected", source=self._source.name, variables=len(subscribed))
                if pending and (recovering is None or recovering.done()):
                    recovering = group.create_task(self._recover(client, subscription, pending))
                    pending = []
                await asyncio.sleep(_LOOK_FOR_NEW_S)

    async def _bind(
        self, client: Client, subscription: LiveSubscription, directory: SignalDirectory, subscribed: set[int]
    ) -> list[Binding]:
        """Subscribe to what is not subscribed yet; the bindings whose past may be missing."""
        found = await bind(client, self._source, directory)
        fresh = [binding for binding in found.bound if binding.signal_id not in subscribed]
        if self._source.history:
            # Noted before the first live value is stored; from then on nobody could tell.
            self._gaps.open({binding.name: self._covered_until(binding) for binding in fresh})
        refused = await subscription.add(fresh)
        subscribed |= {binding.signal_id for binding in fresh} - {binding.signal_id for binding, _ in refused}
        self._report_unbound([*found.unbound, *(f"{binding.address}: {reason}" for binding, reason in refused)])
        for binding, _ in refused:
            self._gaps.close(binding.name)
        return [binding for binding in fresh if binding.signal_id in subscribed] if self._source.history else []

    def _covered_until(self, binding: Binding) -> int:
        now = self._clock()
        known = max(self._seen.get(binding.signal_id, 0), binding.last_time or 0)
        # A time ahead of ours is a device's wrong clock; it says nothing of what is covered.
        return min(known, now) - _OVERLAP_US if known else now - _FIRST_HISTORY_US

    def _report_unbound(self, unbound: list[str]) -> None:
        news = sorted(set(unbound) - set(self._unbound))
        self._unbound = unbound
        if news:
            log.warning("variables_not_bound", source=self._source.name, count=len(unbound), examples=news[:5])

    async def _recover(self, client: Client, subscription: LiveSubscription, bindings: list[Binding]) -> None:
        """Read history from where each signal is covered to its first live value; repeats do no harm."""
        await asyncio.sleep(_SETTLE_S)
        possible = await with_history(client, bindings)
        for binding in bindings:
            if binding.signal_id not in possible:
                self._gaps.close(binding.name)
        left = [binding for binding in bindings if binding.signal_id in possible]
        if len(left) < len(bindings):
            log.info("server_keeps_no_history", source=self._source.name, variables=len(bindings) - len(left))
        clock = asyncio.get_running_loop().time
        while left:
            again, saved_at = [], clock()
            for binding in left:
                if not await self._recover_one(client, subscription, binding):
                    again.append(binding)
                if clock() - saved_at > _SAVE_GAPS_S:
                    self._gaps.save()
                    saved_at = clock()
            self._gaps.save()
            left = again
            if left:
                await asyncio.sleep(_RETRY_HISTORY_S)

    async def _recover_one(self, client: Client, subscription: LiveSubscription, binding: Binding) -> bool:
        """Whether the gap of one signal is closed now."""
        since = self._gaps.since(binding.name)
        if since is None:
            return True
        end = subscription.first_times.get(binding.signal_id, self._clock() + _DAY_US)
        try:
            async for values in read_history(client, binding.node_id, since, end):
                rows = Rows(self._source.name)
                reached = [time for value in values if (time := rows.add(binding, value, self._clock())) is not None]
                await self._put(rows)
                self._recovered += len(reached)
                self._gaps.advance(binding.name, max(reached, default=since))
        except ua.UaStatusCodeError as problem:
            if problem.code not in NO_HISTORY:
                self._last_error = f"history of {binding.address} not read: {problem}"
                log.warning("history_not_read", source=self._source.name, node=binding.address, reason=str(problem))
                return False
            log.info("server_keeps_no_history", source=self._source.name, node=binding.address)
        self._gaps.close(binding.name)
        return True

    async def _put(self, rows: Rows) -> None:
        if not len(rows):
            return
        batch = rows.batch()
        while True:
            try:
                await self._sink.put(batch, rows.rejected)
                break
            except OSError as problem:
                if self._last_error != str(problem):
                    log.error("sink_takes_nothing", source=self._source.name, reason=str(problem))
                self._last_error = str(problem)
                await asyncio.sleep(_RETRY_SINK_S)
        self._readings += len(batch)
        self._rejected += len(rows.rejected)
        self._note_seen(batch.signal_ids.tolist(), batch.times.tolist())

    def _note_seen(self, signal_ids: Iterable[int], times: Iterable[int]) -> None:
        for signal_id, time in zip(signal_ids, times, strict=True):
            if time > self._seen.get(signal_id, 0):
                self._seen[signal_id] = time


async def _raise_when(lost: asyncio.Event, reasons: list[str]) -> None:
    await lost.wait()
    raise SubscriptionLost(f"connection lost: {reasons[0]}")


def _words(problem: BaseException) -> str:
    """One line of the first cause."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
