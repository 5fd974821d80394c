"""The OPC UA collector: a subscription, and after every gap the server's history of the same variables."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from asyncua import Client, ua

from collectors.gaps import Gaps
from collectors.handover import hand_over
from collectors.memory import Memory
from collectors.opcua_binding import Binding, Bindings, bind
from collectors.opcua_browse import Browser
from collectors.opcua_certificates import CertificateStore
from collectors.opcua_client import certificate_warnings, enter, leave
from collectors.opcua_limits import ServerLimits, limits_of
from collectors.opcua_recovery import Recovery
from collectors.opcua_rows import Rows
from collectors.opcua_subscription import LiveSubscription, SubscriptionLost
from collectors.sources import OpcUaSource
from collectors.status import CollectorStatus
from plant import MICROSECONDS, SignalDirectory, Sink, to_datetime, to_microseconds

log = structlog.get_logger()

_GATHER_S = 0.1
_SHORTEST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_LOOK_FOR_NEW_S = 5.0
_KEEP_REST_S = 2.0
_LOOK_AFTER_S = 60.0
_MUCH_SKEW_S = 5.0
_SERVER_TIME = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
# Servers write history a moment after they publish.
_SETTLE_S = 1.0
_OVERLAP_US = MICROSECONDS
_HOUR_US = 3600 * MICROSECONDS
# Up to here a server's clock may run ahead where no live value tells.
_AHEAD_US = 300 * MICROSECONDS
_END_OF_TIME = 2**62


class OpcUaCollector:
    """Collects from one server."""

    def __init__(
        self,
        source: OpcUaSource,
        directory: Callable[[], SignalDirectory],
        sink: Sink,
        clock: Callable[[], int],
        certificates: CertificateStore,
        memory: Path | None = None,
    ) -> None:
        """``memory`` is a folder; periods still to be read from the server's history are noted there."""
        self._source = source
        self._directory = directory
        self._sink = sink
        self._clock = clock
        self._certificates = certificates
        self._gaps = Gaps(Memory(memory, "opcua", source.name))
        self._seen: dict[int, int] = {}
        self._connected = False
        self._connections = 0
        self._readings = 0
        self._rejected = 0
        self._unbound: list[str] = []
        self._recovered = 0
        self._subscription: LiveSubscription | None = None
        self._recovery: Recovery | None = None
        self._to_recover: list[Binding] = []
        self._clock_skew_s: float | None = None
        self._warnings: tuple[str, ...] = ()
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
            self._last_error or (self._recovery.problem if self._recovery is not None else ""),
            gaps=len(self._gaps),
            clock_skew_s=self._clock_skew_s,
            warnings=self._warnings,
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
        lost = asyncio.Event()
        reasons: list[str] = []

        async def connection_lost(problem: Exception) -> None:
            reasons.append(_words(problem))
            lost.set()

        client = await enter(source, self._certificates, connection_lost)
        try:
            async with asyncio.timeout(source.timeout_s * 2):
                limits = await limits_of(client)
                subscription = await self._subscription_in(client, limits)
            self._recovery = Recovery(client, limits, self._gaps, source.name, self._put_recovered, self._clock)
            async with asyncio.TaskGroup() as group:
                # Values are handed on while variables are still being bound and history is being read.
                group.create_task(self._deliver(subscription))
                group.create_task(self._keep_bound(client, Browser(client, limits), subscription))
                group.create_task(self._look_after(client))
                group.create_task(_raise_when(lost, reasons))
        finally:
            await self._keep_rest()
            await leave(client)

    async def _subscription_in(self, client: Client, limits: ServerLimits) -> LiveSubscription:
        """The last session's, where the server has kept it; else a new one."""
        previous = self._subscription
        # Where the line breaks in the middle of moving, it is tried again.
        if previous is not None and previous.is_whole and await previous.move_to(client):
            log.info("subscription_transferred", source=self._source.name)
            return previous
        self._subscription = None
        subscription = LiveSubscription(client, limits, self._source, self._clock)
        await subscription.open()
        self._subscription = subscription
        return subscription

    async def _keep_rest(self) -> None:
        """What arrived before the end is stored: not every server could tell it again."""
        if self._subscription is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_KEEP_REST_S):
                    await self._put_live(self._subscription, self._subscription.take_rest())

    async def _deliver(self, subscription: LiveSubscription) -> None:
        while True:
            await asyncio.sleep(_GATHER_S)
            await self._put_live(subscription, subscription.take())

    async def _put_live(self, subscription: LiveSubscription, rows: Rows) -> None:
        for binding, first in subscription.take_firsts():
            # From here on the subscription brings everything.
            self._gaps.close(binding.name, first + 1, _END_OF_TIME)
        if rows.overflows:
            self._note_overflows(rows.overflows)
        await self._put(rows)

    def _note_overflows(self, overflows: Sequence[tuple[Binding, int]]) -> None:
        """What the server's queue could not hold is a gap like any other."""
        log.warning("queue_overflow", source=self._source.name, variables=len(overflows))
        if self._source.history:
            self._gaps.open(
                {binding.name: (min(self._covered_until(binding), time), time) for binding, time in overflows}
            )
            self._to_recover += [binding for binding, _ in overflows]

    async def _keep_bound(self, client: Client, browser: Browser, subscription: LiveSubscription) -> None:
        """Subscribe to what is registered, now and whenever that changes, and fetch what happened before."""
        known: frozenset[tuple[str, str, int]] | None = None
        recovering: asyncio.Task[None] | None = None
        self._to_recover = []
        async with asyncio.TaskGroup() as group:
            while True:
                directory = self._directory()
                registered = frozenset((entry.site, entry.machine, len(entry.signal_ids)) for entry in directory)
                if registered != known:
                    known = registered
                    namespaces = await client.get_namespace_array()
                    found = await bind(browser, namespaces, self._source, directory)
                    self._to_recover += await self._subscribe(subscription, found)
                    if not self._connected:
                        self._connected = True
                        self._connections += 1
                        self._last_error = ""
                        log.info("server_connected", source=self._source.name, variables=len(subscription.signal_ids))
                if self._to_recover and (recovering is None or recovering.done()):
                    bindings, self._to_recover = self._to_recover, []
                    recovering = group.create_task(self._recover(bindings))
                await asyncio.sleep(_LOOK_FOR_NEW_S)

    async def _subscribe(self, subscription: LiveSubscription, found: Bindings) -> Sequence[Binding]:
        """Subscribe to what is not subscribed yet; the bindings whose past may be missing."""
        fresh = [binding for binding in found.bound if binding.signal_id not in subscription.signal_ids]
        if self._source.history:
            # Noted before the first live value is stored; from then on nobody could tell.
            until = self._clock() + _AHEAD_US
            self._gaps.open({one.name: (self._covered_until(one), until) for one in fresh if one.keeps_history})
        # Of a subscription that was moved here, what the last session did not get to.
        begun = [one for one in found.bound if one.signal_id in subscription.signal_ids and self._gaps.of(one.name)]
        refused = await subscription.add(fresh)
        self._report_unbound([*found.unbound, *(f"{binding.address}: {reason}" for binding, reason in refused)])
        for binding, _ in refused:
            self._gaps.close_all(binding.name)
        if not self._source.history:
            return []
        without = [binding for binding in fresh if not binding.keeps_history]
        for binding in without:
            self._gaps.close_all(binding.name)
        if without:
            log.info("server_keeps_no_history", source=self._source.name, variables=len(without))
        return begun + [one for one in fresh if one.keeps_history and one.signal_id in subscription.signal_ids]

    def _covered_until(self, binding: Binding) -> int:
        now = self._clock()
        known = max(self._seen.get(binding.signal_id, 0), binding.last_time or 0)
        # A time ahead of ours is a device's wrong clock; it says nothing of what is covered.
        return min(known, now) - _OVERLAP_US if known else now - round(self._source.first_history_h * _HOUR_US)

    async def _recover(self, bindings: Sequence[Binding]) -> None:
        """Read history up to each signal's first live value; repeats do no harm."""
        await asyncio.sleep(_SETTLE_S)
        if self._recovery is not None:
            await self._recovery.run(bindings)

    async def _look_after(self, client: Client) -> None:
        """Now and then: how far the server's clock is off, and which certificate is about to expire."""
        told: list[str] = []
        while True:
            self._clock_skew_s = await clock_skew_s(client, self._clock)
            warnings = certificate_warnings(client, self._certificates, to_datetime(self._clock()))
            if self._clock_skew_s is not None and abs(self._clock_skew_s) > _MUCH_SKEW_S:
                warnings.append(f"the server's clock is {self._clock_skew_s:+.0f} s off ours")
            self._warnings = tuple(warnings)
            if warnings != told:
                for warning in warnings:
                    log.warning("server_warning", source=self._source.name, warning=warning)
                told = warnings
            await asyncio.sleep(_LOOK_AFTER_S)

    def _report_unbound(self, unbound: list[str]) -> None:
        news = sorted(set(unbound) - set(self._unbound))
        self._unbound = unbound
        if news:
            log.warning("variables_not_bound", source=self._source.name, count=len(unbound), examples=news[:5])

    async def _put_recovered(self, rows: Rows) -> None:
        await self._put(rows)
        self._recovered += len(rows)

    def _note_refusal(self, reason: str) -> None:
        self._last_error = reason

    async def _put(self, rows: Rows) -> None:
        if not len(rows):
            return
        batch = rows.batch()
        await hand_over(self._sink, batch, rows.rejected, self._source.name, self._note_refusal)
        self._readings += len(batch)
        self._rejected += len(rows.rejected)
        self._note_seen(batch.signal_ids.tolist(), batch.times.tolist())

    def _note_seen(self, signal_ids: Iterable[int], times: Iterable[int]) -> None:
        for signal_id, time in zip(signal_ids, times, strict=True):
            if time > self._seen.get(signal_id, 0):
                self._seen[signal_id] = time


async def clock_skew_s(client: Client, clock: Callable[[], int]) -> float | None:
    """The server's clock less ours, half of the way there and back allowed for [s]."""
    sent = clock()
    answer = (await client.uaclient.read_attributes([_SERVER_TIME], ua.AttributeIds.Value))[0]
    received = clock()
    moment = answer.Value.Value if answer.Value is not None else None
    if not isinstance(moment, datetime):
        return None
    return (to_microseconds(moment.replace(tzinfo=UTC)) - (sent + received) / 2) / MICROSECONDS


async def _raise_when(lost: asyncio.Event, reasons: list[str]) -> None:
    await lost.wait()
    raise SubscriptionLost(f"connection lost: {reasons[0]}")


def _words(problem: BaseException) -> str:
    """One line of the first cause."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
