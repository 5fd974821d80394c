"""The load of a benchmark ends when whoever measures is gone, and says nothing about it."""

import socket
import subprocess
import sys
import threading

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def take_anybody(listening: socket.socket) -> None:
    """A broker that accepts one session (MQTT 3.1.1, 3.2) and never acknowledges anything."""
    connection, _ = listening.accept()
    connection.recv(1024)
    connection.sendall(b"\x20\x02\x00\x00")
    while connection.recv(65_536):
        pass


def test_it_ends_without_a_word_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=take_anybody, args=(listening,), daemon=True).start()
        url = f"mqtt://127.0.0.1:{listening.getsockname()[1]}"
        command = [sys.executable, "-m", "brain.bench.load", "--url", url, "--machines", "1", "--connections", "1"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"sent"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
        process.stderr.close()
