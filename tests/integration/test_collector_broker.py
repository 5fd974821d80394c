"""The embedded broker: comes up, comes back, goes away, and is for this machine alone."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from brain.embedded_broker import EmbeddedBroker

from .conftest import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


async def test_it_listens_on_the_loopback_address_alone(broker: EmbeddedBroker) -> None:
    assert broker.pid is not None
    listening = [
        connection.laddr.ip
        for connection in psutil.Process(broker.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]


async def test_killed_it_comes_back_on_the_same_port(broker: EmbeddedBroker) -> None:
    url, first = broker.url, broker.pid
    assert first is not None
    assert broker.start() == url  # running already: nothing happens
    assert broker.pid == first
    os.kill(first, signal.SIGKILL)
    await until(lambda: not broker.is_alive(), "the broker to die")
    assert broker.pid is None
    assert broker.start() == url
    assert broker.pid not in (None, first)


async def test_stopped_it_is_gone(broker: EmbeddedBroker) -> None:
    pid = broker.pid
    assert pid is not None
    broker.stop()
    broker.stop()
    assert not broker.is_alive()
    assert not psutil.pid_exists(pid)


async def test_a_port_that_is_taken_is_told(mosquitto: EmbeddedBroker) -> None:
    mosquitto.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(mosquitto.url.rpartition(":")[2])))
        with pytest.raises(RuntimeError, match=r"(?s)did not start.*Address already in use"):
            mosquitto.start()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells a child of its parent's death on Linux only")
@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_it_does_not_outlive_who_started_it(tmp_path: Path, kind: str) -> None:
    if EmbeddedBroker(tmp_path, prefer=kind).kind != kind:
        pytest.skip(f"{kind} is not installed")
    program = (
        "import sys, time; from pathlib import Path; from brain.embedded_broker import EmbeddedBroker;"
        f"broker = EmbeddedBroker(Path(sys.argv[1]), prefer='{kind}'); broker.start();"
        "print(broker.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.kill()
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=15)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
