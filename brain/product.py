"""The whole product on one machine: embedded parts and supervised services, in order."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from brain.embedded_broker import EmbeddedBroker
from brain.embedded_postgres import EmbeddedPostgres
from brain.endpoints import ENDPOINTS
from brain.rundir import RunDirectory
from brain.settings import Settings
from brain.supervisor import Service, Supervisor

log = structlog.get_logger()

_WATCH_S = 0.5


class Product:
    """A running installation: its database, its broker and its services."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.run_directory = RunDirectory(settings.data_dir)
        self.supervisor = Supervisor(settings.data_dir / "log")
        self.database_url = ""
        self.mqtt_url = ""
        self._embedded: dict[str, EmbeddedPostgres | EmbeddedBroker] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> "AsyncIterator[Product]":
        """Database and broker up; everything is stopped, in order, on the way out."""
        product = cls(settings)
        async with AsyncExitStack() as stack:
            stack.enter_context(product.run_directory.locked())
            if settings.database_url is None:
                postgres = EmbeddedPostgres(settings.data_dir / "postgres")
                stack.push_async_callback(asyncio.to_thread, postgres.stop)
                product.database_url = await asyncio.to_thread(postgres.start)
                product._embedded["postgres"] = postgres
            else:
                product.database_url = settings.database_url
            if settings.mqtt_url is None:
                broker = EmbeddedBroker(settings.data_dir / "broker")
                stack.push_async_callback(asyncio.to_thread, broker.stop)
                product.mqtt_url = await asyncio.to_thread(broker.start)
                product._embedded["broker"] = broker
            else:
                product.mqtt_url = settings.mqtt_url
            product._write_endpoints()
            watcher = asyncio.create_task(product._watch_embedded())
            try:
                yield product
            finally:
                await product.supervisor.stop_all(["simulate", "collect", "analyze", "serve", "ingest"])
                watcher.cancel()
                await asyncio.gather(watcher, return_exceptions=True)
                product.run_directory.remove(ENDPOINTS)

    async def start(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start ``brain <name> <arguments>`` as a service on this installation."""
        await self.supervisor.start(
            Service(
                name,
                [name, *arguments],
                {
                    "BRAIN_DATA_DIR": str(self.settings.data_dir),
                    "BRAIN_DATABASE_URL": self.database_url,
                    "BRAIN_MQTT_URL": self.mqtt_url,
                    "BRAIN_HOST": self.settings.host,
                    "BRAIN_PORT": str(self.settings.port),
                    **(environment or {}),
                },
            )
        )

    def embedded_pid(self, name: str) -> int | None:
        """Process id of an embedded part (``postgres``, ``broker``); None where it is not ours, or down."""
        part = self._embedded.get(name)
        return part.pid if part is not None else None

    def _write_endpoints(self) -> None:
        self.run_directory.write(
            ENDPOINTS,
            {
                "database_url": self.database_url,
                "mqtt_url": self.mqtt_url,
                "pids": {name: part.pid for name, part in self._embedded.items()},
            },
        )

    async def _watch_embedded(self) -> None:
        """Start an embedded part again where it died; it keeps data, socket and port."""
        while True:
            await asyncio.sleep(_WATCH_S)
            for name, part in self._embedded.items():
                if await asyncio.to_thread(part.is_alive):
                    continue
                log.warning("embedded_part_ended", name=name)
                try:
                    await asyncio.to_thread(part.start)
                except (OSError, RuntimeError) as problem:
                    log.error("embedded_part_not_started", name=name, reason=str(problem))
                    await asyncio.sleep(2)
                    continue
                self._write_endpoints()
