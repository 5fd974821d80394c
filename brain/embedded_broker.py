"""A broker for a single machine: Debian's mosquitto where it is installed, else amqtt from the wheel.

Both listen on 127.0.0.1 alone, take anybody there, and keep what an absent client has subscribed to. Only
mosquitto writes it to disk, every few seconds: killed, it comes back with its sessions.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from brain.child_process import end_with_parent

_START_S = 20.0

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
{user}
persistence true
persistence_location {directory}/
autosave_interval 2
# An absent collector loses nothing: the default keeps 1,000 messages and drops the rest.
max_queued_messages 0
max_inflight_messages 10000
max_packet_size 8388608
persistent_client_expiration 14d
log_dest stderr
log_type error
log_type warning
"""


class EmbeddedBroker:
    """A broker process on one data directory; it comes back on the same port."""

    def __init__(self, data_dir: Path, *, prefer: str = "mosquitto") -> None:
        self._data_dir = data_dir.absolute()
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.kind = "mosquitto" if prefer == "mosquitto" and _mosquitto() else "amqtt"

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"mqtt://127.0.0.1:{self._port}"

    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.pid is not None

    def start(self) -> str:
        """Start, or start again after a crash, and wait until connections are taken; the URL.

        Raises ``RuntimeError`` with the end of the broker's log where it does not come up.
        """
        if self.is_alive():
            return self.url
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._port = self._port or free_port()
        log = self._data_dir / "broker.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline and self.is_alive():
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return self.url
            time.sleep(0.03)
        words = log.read_text(errors="replace")[-500:]
        self.stop()
        raise RuntimeError(f"the {self.kind} broker did not start; its log ends with:\n{words}")

    def stop(self) -> None:
        """End it; mosquitto writes its sessions to disk first."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def _command(self) -> list[str]:
        if self.kind == "amqtt":
            return [sys.executable, "-m", "brain.embedded_amqtt", str(self._port)]
        configuration = self._data_dir / "mosquitto.conf"
        # Started by root, mosquitto becomes another user, who may not write into our directory.
        user = "user root" if os.geteuid() == 0 else ""
        configuration.write_text(_MOSQUITTO.format(port=self._port, directory=self._data_dir, user=user))
        return [str(_mosquitto()), "-c", str(configuration)]


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
