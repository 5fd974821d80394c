"""``brain serve``: REST API and console."""

import asyncio
import os
import secrets
import socket

import uvicorn

from brain.failure import Failure
from brain.services.lifetime import until_told_to_stop
from brain.settings import Settings


def check_port(host: str, port: int) -> None:
    """Raise :class:`Failure` where the port is taken, before anything else is started."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise Failure(
                f"{host}:{port} cannot be listened on ({problem.strerror}): name another with --port"
            ) from None


def _storage_secret(settings: Settings) -> str:
    """The key that signs console sessions, made once and kept readable for the owner alone."""
    path = settings.data_dir / "storage-secret"
    if not path.is_file():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text()


async def serve(settings: Settings, database_url: str) -> None:
    """Serve API and console until told to stop."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    told = until_told_to_stop()
    # The console's library decides where it keeps sessions while it is imported.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(settings.data_dir / "console"))
    from api import ApiSettings, Enrolment, create_app

    gateways = settings.gateways
    enrolment = (
        Enrolment(gateways.broker_url or "", gateways.authorities(), gateways.tell_broker) if gateways.lets_in else None
    )
    app = create_app(
        ApiSettings(
            database_url=database_url,
            tenant=settings.tenant,
            storage_secret=_storage_secret(settings),
            enrolment=enrolment,
        )
    )
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=3,
            server_header=False,
        )
    )
    serving = asyncio.create_task(server._serve())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.should_exit = True
    await serving
    if not told.is_set():
        raise Failure(f"the API ended by itself; is {settings.host}:{settings.port} free?")
