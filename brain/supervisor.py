"""Runs the services as processes: starts them in order, starts a dead one again, stops them in order."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

log = structlog.get_logger()

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 15.0
_STEADY_S = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """A process to keep running: ``brain <arguments>`` with extra environment."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Supervisor:
    """Keeps services running until it is told to stop them.

    Each service sits in a session of its own, so that Ctrl-C reaches the supervisor alone and the order
    of stopping is ours; its standard input is a pipe that we hold open: when the supervisor is killed the
    pipe closes and the service ends by itself (see :func:`brain.services.until_told_to_stop`).
    """

    def __init__(self, log_dir: Path) -> None:
        self._log_dir = log_dir
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()
        self.restarts: dict[str, int] = {}

    async def start(self, service: Service) -> None:
        """Start a service and keep it running."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        await self._spawn(service)
        self._keepers[service.name] = asyncio.create_task(self._keep(service), name=f"keep {service.name}")

    async def stop(self, name: str, patience_s: float = 20.0) -> int | None:
        """Ask a service to end (SIGTERM), insist after ``patience_s`` (SIGKILL); its exit code."""
        self._stopping.add(name)
        process = self._running.get(name)
        keeper = self._keepers.pop(name, None)
        if process is None:
            if keeper is not None:
                keeper.cancel()
            return None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), patience_s)
            except TimeoutError:
                log.warning("service_killed", name=name, after_s=patience_s)
                process.kill()
                await process.wait()
        if keeper is not None:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
        self._running.pop(name, None)
        return process.returncode

    async def stop_all(self, order: Sequence[str]) -> None:
        """Stop the named services in this order, then whatever else runs."""
        for name in [*order, *[name for name in self._keepers if name not in order]]:
            await self.stop(name)

    def pid(self, name: str) -> int | None:
        """The process id of a running service."""
        process = self._running.get(name)
        return process.pid if process is not None and process.returncode is None else None

    def log_path(self, name: str) -> Path:
        """The file that takes what a service writes to its standard error."""
        return self._log_dir / f"{name}.log"

    async def _spawn(self, service: Service) -> asyncio.subprocess.Process:
        with self.log_path(service.name).open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "brain",
                *service.arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **service.environment, "BRAIN_SUPERVISED": "1"},
                start_new_session=True,
            )
        self._running[service.name] = process
        return process

    async def _keep(self, service: Service) -> None:
        delay_s = _FIRST_DELAY_S
        while service.name not in self._stopping:
            process = self._running[service.name]
            began = time.monotonic()
            code = await process.wait()
            if service.name in self._stopping:
                return
            if time.monotonic() - began > _STEADY_S:
                delay_s = _FIRST_DELAY_S
            self.restarts[service.name] = self.restarts.get(service.name, 0) + 1
            log.warning("service_ended", name=service.name, code=code, again_in_s=delay_s)
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
            await self._spawn(service)
