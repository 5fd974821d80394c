"""A network connection that can be cut, silenced and slowed down."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Cable:
    """Between a client and a server, on a free local port."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._far = connect
        self._pipes: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.silent = False
        """It swallows everything: nobody is told that the other end is gone."""
        self.pause_s = 0.0
        """How long it holds every piece of at most 64 kB."""

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int) -> "AsyncIterator[Cable]":
        """A cable to ``host:port``."""
        async with cls._open(lambda: asyncio.open_connection(host, port)) as cable:
            yield cable

    @classmethod
    @asynccontextmanager
    async def to_socket(cls, path: Path) -> "AsyncIterator[Cable]":
        """A cable to a Unix socket."""
        async with cls._open(lambda: asyncio.open_unix_connection(path)) as cable:
            yield cable

    @classmethod
    @asynccontextmanager
    async def _open(cls, connect: Callable[[], Awaitable[Streams]]) -> "AsyncIterator[Cable]":
        cable = cls(connect)
        server = await asyncio.start_server(cable._connect, "127.0.0.1", 0)
        cable.port = server.sockets[0].getsockname()[1]
        try:
            yield cable
        finally:
            server.close()
            cable.cut()

    def cut(self) -> None:
        """Break every connection; new ones may be made."""
        for task in self._tasks:
            task.cancel()
        for pipe in self._pipes:
            pipe.transport.abort()
        self._pipes.clear()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._far()
        except OSError:
            writer.transport.abort()
            return
        self._pipes |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65_536):
                if self.pause_s:
                    await asyncio.sleep(self.pause_s)
                if not self.silent:
                    target.write(data)
                    await target.drain()
        target.close()
