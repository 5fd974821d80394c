"""The supervisor brings a killed service back, and leaves none behind."""

import asyncio
import os
import signal

import pytest

from brain import supervisor as module
from brain.supervisor import Service, Supervisor

# A service that writes its pid and then waits to be told to stop, as ours do.
BODY = """
import os, pathlib, signal, sys
pathlib.Path(sys.argv[1]).open("a").write(f"{os.getpid()}\\n")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sys.stdin.read()
pathlib.Path(sys.argv[1] + ".parent-gone").touch()
"""


@pytest.fixture
def service(tmp_path, monkeypatch):
    """A stand-in for `python -m brain <arguments>`."""
    package = tmp_path / "path" / "brain"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(BODY)
    monkeypatch.chdir(package.parent)  # `python -m` looks in the working directory first
    monkeypatch.setattr(module, "_FIRST_DELAY_S", 0.05)
    return Service("stand-in", [str(tmp_path / "pids")])


async def _pids(tmp_path, count):
    path = tmp_path / "pids"
    while True:
        pids = [int(line) for line in path.read_text().split()] if path.is_file() else []
        if len(pids) >= count:
            return pids
        await asyncio.sleep(0.02)


async def test_killed_service_is_started_again_and_stopped_at_the_end(service, tmp_path):
    supervisor = Supervisor(tmp_path / "log")
    await supervisor.start(service)
    async with asyncio.timeout(30):
        (first,) = await _pids(tmp_path, 1)
        os.kill(first, signal.SIGKILL)
        second = (await _pids(tmp_path, 2))[1]
    assert supervisor.restarts == {"stand-in": 1}
    assert supervisor.pid("stand-in") == second
    assert await supervisor.stop("stand-in") == 0
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)
    assert supervisor.pid("stand-in") is None


async def test_service_notices_that_its_supervisor_is_gone(service, tmp_path):
    supervisor = Supervisor(tmp_path / "log")
    await supervisor.start(service)
    async with asyncio.timeout(30):
        await _pids(tmp_path, 1)
        process = supervisor._running["stand-in"]
        assert process.stdin is not None
        process.stdin.close()  # what the kernel does when the supervisor is killed
        while not (tmp_path / "pids.parent-gone").exists():
            await asyncio.sleep(0.02)
    await supervisor.stop("stand-in")
