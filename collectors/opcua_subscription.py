"""A subscription whose notifications are gathered in columns, and whose silence is noticed."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from asyncua import Client, ua

from collectors.opcua_binding import Binding
from collectors.opcua_limits import ServerLimits, in_parts
from collectors.opcua_rows import Rows
from collectors.sources import OpcUaSampling, OpcUaSource

log = structlog.get_logger()

_MAX_PENDING = 200_000
_MOST_SILENT_MOVES = 3
_LAST_SEQUENCE_NUMBER = 0xFFFF_FFFF
_AS_SOURCE = OpcUaSampling()
_FILTER_REFUSED = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadFilterNotAllowed,
        ua.StatusCodes.BadDeadbandFilterInvalid,
    }
)


class SubscriptionLost(OSError):
    """The subscription does not bring everything any more; a new session is needed."""


class LiveSubscription:
    """Monitored items of one session.

    asyncua's own Subscription starts a task for every value and re-creates itself silently when it has lost
    notifications; here a gap of any kind ends the session, and what is missing is read from history.
    """

    def __init__(self, client: Client, limits: ServerLimits, source: OpcUaSource, clock: Callable[[], int]) -> None:
        self._client = client
        self._limits = limits
        self._source = source
        self._clock = clock
        self._id = 0
        self._bindings: dict[int, Binding] = {}
        self._rows = Rows(source.name)
        self._sequence: int | None = None
        self._problem = ""
        self._heard_at = 0.0
        self._silent_moves = 0
        self._silence_s = 0.0
        self.signal_ids: set[int] = set()
        """Signals whose variables are monitored."""
        self._heard_of: set[int] = set()
        self._firsts: list[tuple[Binding, int]] = []

    async def open(self) -> None:
        """Make the subscription on the server."""
        interval_ms = self._source.publishing_interval_ms
        keep_alive = max(1, round(self._source.timeout_s * 500 / interval_ms))
        answer = await self._client.uaclient.create_subscription(
            ua.CreateSubscriptionParameters(
                RequestedPublishingInterval=interval_ms,
                RequestedMaxKeepAliveCount=keep_alive,
                # Part 4, 5.13.2: the lifetime must be at least three times the keep-alive.
                RequestedLifetimeCount=max(keep_alive * 3, round(60_000 / interval_ms)),
                MaxNotificationsPerPublish=0,
                PublishingEnabled=True,
                Priority=0,
            ),
            self._published,
        )
        self._id = answer.SubscriptionId
        # The server may have chosen a slower rhythm.
        keep_alive_s = answer.RevisedPublishingInterval * answer.RevisedMaxKeepAliveCount / 1000
        self._silence_s = 2 * keep_alive_s + self._source.timeout_s
        self._heard_at = asyncio.get_running_loop().time()

    @property
    def is_whole(self) -> bool:
        """Whether it brought everything so far, and anything in the last sessions: only then it is worth moving."""
        return self._silent_moves < _MOST_SILENT_MOVES and not self._problem

    async def move_to(self, client: Client) -> bool:
        """Go on in another session, with what the server has queued since the last one broke; False where it cannot.

        The subscription is transferred, and what was sent but not received is sent again (OPC 10000-4, 5.14.6 and 7).
        """
        try:
            result = (
                await client.uaclient.transfer_subscriptions(
                    ua.TransferSubscriptionsParameters(SubscriptionIds=[self._id], SendInitialValues=False)
                )
            )[0]
            if not result.StatusCode.is_good():
                return False
            for number in result.AvailableSequenceNumbers or ():
                if self._sequence is None or number >= self._sequence:
                    self._take_in(await client.uaclient.session.republish(self._id, number))
        except ua.UaError:
            return False
        self._client = client
        # asyncua has no call to adopt a subscription that it did not make.
        client.uaclient.session._subscription_callbacks[self._id] = self._published
        client.uaclient.session.ensure_publish_loop()
        self._heard_at = asyncio.get_running_loop().time()
        self._silent_moves += 1
        return True

    async def add(self, bindings: Sequence[Binding]) -> list[tuple[Binding, str]]:
        """Monitor variables; those that the server refuses, with its reason. One bad node does not stop the others."""
        refused: list[tuple[Binding, str]] = []
        unfiltered: list[Binding] = []
        for binding, status in await self._monitor(bindings, filtered=True):
            if status.value in _FILTER_REFUSED:
                unfiltered.append(binding)
            elif not status.is_good():
                refused.append((binding, status.name))
        if unfiltered:
            log.info("server_takes_no_filter", source=self._source.name, variables=len(unfiltered))
            for binding, status in await self._monitor(unfiltered, filtered=False):
                if not status.is_good():
                    refused.append((binding, status.name))
        self.signal_ids |= {one.signal_id for one in bindings} - {binding.signal_id for binding, _ in refused}
        return refused

    async def _monitor(self, bindings: Sequence[Binding], *, filtered: bool) -> list[tuple[Binding, Any]]:
        async def call(part: Sequence[Binding]) -> Sequence[tuple[Binding, Any]]:
            results = await self._client.uaclient.create_monitored_items(
                ua.CreateMonitoredItemsParameters(
                    SubscriptionId=self._id,
                    TimestampsToReturn=ua.TimestampsToReturn.Both,
                    ItemsToCreate=[self._request(binding, filtered=filtered) for binding in part],
                )
            )
            return [(binding, result.StatusCode) for binding, result in zip(part, results, strict=True)]

        return await in_parts(bindings, self._limits.monitored_items_per_call, call)

    def take(self) -> Rows:
        """Everything since the last call; raises :class:`SubscriptionLost` where something is missing."""
        if not len(self._rows) and self._problem:
            raise SubscriptionLost(self._problem)
        if asyncio.get_running_loop().time() - self._heard_at > self._silence_s:
            raise SubscriptionLost(f"no sign of life from the subscription for {self._silence_s:.0f} s")
        return self.take_rest()

    def take_rest(self) -> Rows:
        """Everything since the last call, whatever is missing beside it."""
        rows, self._rows = self._rows, Rows(self._source.name)
        return rows

    def take_firsts(self) -> list[tuple[Binding, int]]:
        """Variables that were heard of for the first time since the last call, and from when on they are covered."""
        firsts, self._firsts = self._firsts, []
        return firsts

    def _request(self, binding: Binding, *, filtered: bool) -> Any:
        handle = len(self._bindings) + 1
        self._bindings[handle] = binding
        source = self._source
        own = source.sampling.get(binding.signal, _AS_SOURCE)
        # A value that stays the same under a new source time is a reading too, unless a deadband says otherwise.
        changes = ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValue if own.deadband else ua.DataChangeTrigger.StatusValueTimestamp,
            DeadbandType=ua.UInt32(ua.DeadbandType.Absolute if own.deadband else ua.DeadbandType.None_),
            DeadbandValue=own.deadband,
        )
        interval_ms = source.sampling_interval_ms if own.sampling_interval_ms is None else own.sampling_interval_ms
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=binding.node_id, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=interval_ms,
                Filter=changes if filtered else None,
                QueueSize=own.queue_size or source.queue_size,
                DiscardOldest=True,
            ),
        )

    def _published(self, result: Any) -> None:
        """Called by asyncua for every answer to a publish request."""
        self._heard_at = asyncio.get_running_loop().time()
        self._silent_moves = 0
        try:
            self._take_in(result.NotificationMessage)
        except Exception as problem:  # noqa: BLE001  # asyncua would log it and go on, without the values
            self._problem = f"notification not understood: {type(problem).__name__}: {problem}"

    def _take_in(self, message: Any) -> None:
        number = int(message.SequenceNumber)
        if number == 0:
            return  # no server's: asyncua itself says so that the connection is gone
        if self._sequence is not None and number != self._sequence:
            self._problem = f"notification {self._sequence} is missing"
        # Part 4, 7.26: a keep-alive carries the number of the next notification.
        self._sequence = (1 if number == _LAST_SEQUENCE_NUMBER else number + 1) if message.NotificationData else number
        if self._problem:
            return  # what comes after a gap would hide it
        now = self._clock()
        for part in message.NotificationData or ():
            if isinstance(part, ua.DataChangeNotification):
                for item in part.MonitoredItems:
                    binding = self._bindings.get(item.ClientHandle)
                    if binding is None or item.Value is None:
                        continue
                    time = self._rows.add(binding, item.Value, now)
                    if time is not None and binding.signal_id not in self._heard_of:
                        self._heard_of.add(binding.signal_id)
                        self._firsts.append((binding, time))
            elif isinstance(part, ua.StatusChangeNotification):
                self._problem = f"the server ended the subscription: {part.Status}"
        if len(self._rows) > _MAX_PENDING:
            self._problem = "more values than can be made durable"
