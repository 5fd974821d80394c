"""OPC UA servers of three makers as processes that can be killed, and that remember all they measured in a file."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import timescale_chroot
from tests.integration.conftest import free_port

_SERVERS = Path(__file__).parent / "servers"
_NODE = Path(__file__).parent / "node"

Readings = dict[tuple[str, int], float]


class RememberingServer:
    """A server process that can be killed; it keeps port and history."""

    def __init__(self, command: list[str], file: Path, microseconds: int, log: Path) -> None:
        """``microseconds``: of one unit of time in the file."""
        self.port = free_port()
        self._command = command
        self._file = file
        self._microseconds = microseconds
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns once it serves."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, str(self.port), *self._history_argument(), stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while line := await self._process.stdout.readline():
                if line.strip() == b"serving":
                    return
        pytest.fail(f"the server did not start: {self._log.read_text()[-2000:]}")

    async def kill(self) -> None:
        """With SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def history(self) -> Readings:
        """Everything that was measured: (signal, time in microseconds) -> value."""
        found: Readings = {}
        for line in self._file.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                name, moment, value = line.split()
                found[name, int(moment) * self._microseconds] = float(value)
        return found

    def _history_argument(self) -> list[str]:
        # Inside a chroot the same file has a shorter name.
        root = self._command[1] if self._command[0] == "chroot" else ""
        return [str(self._file).removeprefix(root)]


def simulator(folder: Path) -> RememberingServer:
    command = [sys.executable, str(_SERVERS / "simulator.py")]
    return RememberingServer(command, folder / "history", 1, folder / "server.log")


def node_opcua(folder: Path) -> RememberingServer:
    if shutil.which("node") is None or not (_NODE / "node_modules" / "node-opcua-server").is_dir():
        pytest.skip("node-opcua is not installed: tests/node_parts.sh")
    command = [shutil.which("node") or "", str(_NODE / "opcua_server.js")]
    return RememberingServer(command, folder / "history", 1000, folder / "server.log")


def open62541(folder: Path) -> RememberingServer:
    chroot = timescale_chroot()
    made = subprocess.run(
        ["sh", str(_SERVERS.parent / "open62541_chroot.sh"), str(chroot), str(_SERVERS / "open62541.c")],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"open62541 could not be installed: {made.stderr[-300:]} see {chroot / 'open62541.log'}")
    root = chroot / "root"
    file = root / "srv" / "history" / uuid4().hex
    return RememberingServer(["chroot", str(root), made.stdout.strip()], file, 1, folder / "server.log")
