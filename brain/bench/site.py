"""The plant of a benchmark, in a database of its own that is thrown away afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from brain.bench.load import SITE, machine_code
from brain.embedded_postgres import EmbeddedPostgres
from brain.failure import Failure
from brain.installation import install
from brain.settings import Settings
from plant import MachineSpec


class BenchServer:
    """A database server for benchmarks: the embedded one, or that of BRAIN_DATABASE_URL."""

    def __init__(self, url: str, pid: int | None) -> None:
        self.url = url
        self.pid = pid
        self._count = 0
        self._base = f"brain_bench_{os.getpid()}"

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings, directory: Path, machines: int) -> "AsyncIterator[BenchServer]":
        """Bring it up with the plant registered in a database that others are copied from."""
        embedded = None if settings.database_url else EmbeddedPostgres(directory / "postgres")
        url = await asyncio.to_thread(embedded.start) if embedded else str(settings.database_url)
        server = cls(url, embedded.pid if embedded else None)
        try:
            try:
                await server._run(f"create database {server._base}")
            except asyncpg.PostgresError as problem:
                raise Failure(
                    f"the benchmark needs a database of its own and may not make one ({problem}): "
                    "name a server and role that may, or leave BRAIN_DATABASE_URL away"
                ) from problem
            specs = [
                MachineSpec(SITE, f"line-{number // 100}", machine_code(number), machine_code(number), "motor")
                for number in range(machines)
            ]
            await install(settings, server._url_of(server._base), specs)
            yield server
        finally:
            await server._run(f"drop database if exists {server._base} with (force)")
            if embedded:
                await asyncio.to_thread(embedded.stop)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A fresh copy of the plant's database; its URL."""
        self._count += 1
        name = f"{self._base}_{self._count}"
        await self._run(f"create database {name} template {self._base}")
        try:
            yield self._url_of(name)
        finally:
            await self._run(f"drop database if exists {name} with (force)")

    def _url_of(self, database: str) -> str:
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(path=f"/{database}"))

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url, timeout=20)
        try:
            await connection.execute(statement, timeout=600)
        finally:
            await connection.close()
