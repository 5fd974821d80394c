"""Closes gaps from a server's history: newest first, and each piece closes its own interval in the ledger."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from asyncua import Client, ua

from collectors.gaps import Gaps
from collectors.opcua_binding import Binding
from collectors.opcua_history import NO_HISTORY, read_history
from collectors.opcua_limits import ServerLimits
from collectors.opcua_rows import Rows
from plant import MICROSECONDS

log = structlog.get_logger()

# The last minute first: whoever looks at a machine looks there.
_FIRST_PIECE_US = 60 * MICROSECONDS
_SHORTEST_PIECE_US = MICROSECONDS
_LONGEST_PIECE_US = 86_400 * MICROSECONDS
_FEW_VALUES = 500
_MANY_VALUES = 5000
_FLUSH_ROWS = 20_000
_SAVE_S = 1.0
_RETRY_S = 30.0


class Recovery:
    """Of one session: reads what the ledger says is missing of these variables.

    put: makes rows durable; the ledger is told only after that
    """

    def __init__(
        self,
        client: Client,
        limits: ServerLimits,
        gaps: Gaps,
        source: str,
        put: Callable[[Rows], Awaitable[None]],
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._limits = limits
        self._gaps = gaps
        self._source = source
        self._put = put
        self._clock = clock
        self._saved_at = 0.0
        self.problem = ""
        """Why something is still missing; empty while nothing stands in the way."""

    async def run(self, bindings: Sequence[Binding]) -> None:
        """Until nothing of these variables is missing that the server has. Raises as the connection does."""
        while bindings:
            self.problem = ""
            left = await self._newest_first(bindings)
            self._gaps.save()
            if left:
                await asyncio.sleep(_RETRY_S)
            bindings = left

    async def _newest_first(self, bindings: Sequence[Binding]) -> list[Binding]:
        """One walk from now to the past; those that could not be read."""
        going = {binding.name: binding for binding in bindings}
        failed: list[Binding] = []
        length = _FIRST_PIECE_US
        while (end := self._gaps.newest(going)) is not None:
            missing = {name: piece for name in going if (piece := self._piece(name, end - length, end)) is not None}
            start = min(missing.values())
            most = await self._read([going[name] for name in missing], start, end, going, failed)
            if most < _FEW_VALUES:
                length = min(length * 2, _LONGEST_PIECE_US)
            elif most > _MANY_VALUES:
                length = max(length // 2, _SHORTEST_PIECE_US)
        return failed

    def _piece(self, name: str, start: int, end: int) -> int | None:
        """From when on something of a signal is missing between start and end."""
        return min(
            (max(first, start) for first, last in self._gaps.of(name) if last >= start and first <= end), default=None
        )

    async def _read(
        self, bindings: Sequence[Binding], start: int, end: int, going: dict[str, Binding], failed: list[Binding]
    ) -> int:
        """Read a piece of these variables; the most values that one had."""
        counts = [0] * len(bindings)
        rows, whole = Rows(self._source), list[Binding]()

        async def flush() -> None:
            nonlocal rows
            await self._put(rows)
            for binding in whole:
                self._gaps.close(binding.name, start, end)
            rows = Rows(self._source)
            whole.clear()
            self._save_now_and_then()

        nodes = [binding.node_id for binding in bindings]
        # A microsecond more: servers leave the end out, and keep time more finely than we do.
        async for page in read_history(self._client, self._limits, nodes, start, end + 1):
            binding = bindings[page.number]
            for value in page.values:
                rows.add(binding, value, self._clock())
            counts[page.number] += len(page.values)
            if page.is_last and not page.problem:
                whole.append(binding)
            elif page.problem in NO_HISTORY:
                log.info("server_keeps_no_history", source=self._source, node=binding.address)
                self._gaps.close_all(binding.name)
                del going[binding.name]
            elif page.problem:
                words = ua.StatusCode(ua.UInt32(page.problem)).name
                self.problem = f"history of {binding.address} not read: {words}"
                log.warning("history_not_read", source=self._source, node=binding.address, reason=words)
                failed.append(going.pop(binding.name))
            if len(rows) > _FLUSH_ROWS:
                await flush()
        await flush()
        return max(counts, default=0)

    def _save_now_and_then(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._saved_at > _SAVE_S:
            self._gaps.save()
            self._saved_at = now
