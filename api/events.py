"""Server-sent events: what has changed in the fleet, as it changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from api.identity import Viewer
from historian import Database, list_fleet

router = APIRouter(tags=["events"])
log = structlog.get_logger()

_LOOK_S = 1.0
_HEARTBEAT_S = 15.0
_QUEUE = 1000
_FIELDS = ("state", "health", "risk", "failure_mode", "probability", "active_alarms")


class Announcer:
    """Looks at a tenant's fleet once a second for all its listeners together, and tells them what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listeners: dict[int, set[asyncio.Queue[bytes]]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def join(self, tenant_id: int) -> asyncio.Queue[bytes]:
        """Listen from now on."""
        listener: asyncio.Queue[bytes] = asyncio.Queue(_QUEUE)
        self._listeners.setdefault(tenant_id, set()).add(listener)
        if tenant_id not in self._tasks:
            self._tasks[tenant_id] = asyncio.create_task(self._look(tenant_id), name=f"events {tenant_id}")
        return listener

    def leave(self, tenant_id: int, listener: asyncio.Queue[bytes]) -> None:
        """Listen no more; the last one stops the looking."""
        self._listeners[tenant_id].discard(listener)
        if not self._listeners[tenant_id] and (task := self._tasks.pop(tenant_id, None)) is not None:
            task.cancel()

    async def stop(self) -> None:
        """End all looking."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self, tenant_id: int) -> None:
        known: dict[int, tuple[Any, ...]] = {}
        first = True
        while True:
            try:
                async with self._database.tenant(tenant_id) as connection:
                    rows = await list_fleet(connection)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
                log.warning("events_not_read", reason=str(problem))
                await asyncio.sleep(_LOOK_S)
                continue
            for row in rows:
                now = tuple(getattr(row, field) for field in _FIELDS)
                if known.get(row.id) != now:
                    known[row.id] = now
                    if not first:
                        self._tell(tenant_id, {"id": row.id, "code": row.code, **dict(zip(_FIELDS, now, strict=True))})
            first = False
            await asyncio.sleep(_LOOK_S)

    def _tell(self, tenant_id: int, content: dict[str, Any]) -> None:
        message = b"event: machine\ndata: " + orjson.dumps(content) + b"\n\n"
        for listener in self._listeners.get(tenant_id, ()):
            if listener.full():
                listener.get_nowait()  # a slow listener misses the oldest, and sees the newest
            listener.put_nowait(message)


@router.get("/events", response_class=StreamingResponse)
async def events(request: Request, user: Viewer) -> StreamingResponse:
    """Changes of machines as they happen: ``event: machine`` with id, state, health, risk and finding."""
    announcer: Announcer = request.app.state.announcer

    async def stream() -> AsyncIterator[bytes]:
        listener = announcer.join(user.tenant_id)
        try:
            yield b": connected\n\n"
            while True:
                try:
                    yield await asyncio.wait_for(listener.get(), _HEARTBEAT_S)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            announcer.leave(user.tenant_id, listener)

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
