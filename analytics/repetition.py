"""Does a service's work again and again on a fresh connection, whatever happens to the database."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from historian import Connection, Database

log = structlog.get_logger()

_AGAIN_S = 2.0
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


async def repeat(
    database: Database,
    tick: Callable[[Connection], Awaitable[None]],
    *,
    every_s: float,
    forget: Callable[[], None],
    event: str,
) -> None:
    """Call ``tick`` every so often until cancelled.

    While the database is away ``event`` is logged, ``forget`` drops what the service remembers (it is read
    back later), and the work is tried again.
    """
    while True:
        try:
            async with database.connection() as connection:
                await tick(connection)
        except (
            OSError,
            TimeoutError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ) as away:
            log.warning(event, reason=f"{type(away).__name__}: {away}")
            forget()
            await asyncio.sleep(_AGAIN_S)
        await asyncio.sleep(every_s)
