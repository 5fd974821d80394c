"""Leaving a server, which a client must always be able to do."""

import asyncio
import contextlib

from asyncua import Client

_DISCONNECT_S = 3.0


async def leave(client: Client) -> None:
    """Leave the server, within a bound whatever state the client is in."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DISCONNECT_S):
            await client.disconnect()
    with contextlib.suppress(Exception):
        client.disconnect_socket()
