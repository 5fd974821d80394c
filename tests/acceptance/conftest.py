"""Runs `brain demo` as a user does: a process, its address and its log-in. Nothing inside it is touched."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

PASSWORD = "acceptance-test-password"
BRAIN = Path(sys.executable).with_name("brain")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an acceptance test."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.acceptance)


class Demo:
    """A running demo and a client that has logged in."""

    def __init__(self, data_dir: Path, port: int, process: subprocess.Popen[bytes], truth: Path, log: Path) -> None:
        self.data_dir = data_dir
        self.process = process
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        self._truth = truth
        self._log = log

    def log_in(self, patience_s: float = 240) -> None:
        """Wait for the API, then take a token; from here on every request carries it."""
        self.wait(lambda: self.client.get("/readyz").status_code == 200, "the API to be ready", patience_s)
        answer = self.client.post("/api/v1/token", data={"username": "admin", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All items of a list, page after page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.get(path, limit=200, **query, **({"cursor": cursor} if cursor else {}))
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def truth(self) -> dict[str, str]:
        """Injected failure mode by machine."""
        return {entry["machine"]: entry["failure_mode"] for entry in json.loads(self._truth.read_text())}

    def endpoints(self) -> dict[str, Any]:
        """Where the embedded parts listen, as the demo writes it down for other commands."""
        content: dict[str, Any] = orjson.loads((self.data_dir / "run" / "endpoints.json").read_bytes())
        return content

    def wait(self, condition: Callable[[], bool], what: str, patience_s: float) -> None:
        """Until the condition holds; fails with the demo's own words when it does not."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the demo ended while waiting for {what}:\n{self.words()}"
            try:
                if condition():
                    return
            except httpx.TransportError:
                pass
            time.sleep(1)
        pytest.fail(f"waited {patience_s:.0f} s for {what}:\n{self.words()}")

    def words(self) -> str:
        """The end of what the demo and its services wrote."""
        texts = [self._log, *sorted((self.data_dir / "log").glob("*.log"))]
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in texts)

    def processes(self) -> list[psutil.Process]:
        """Every process that works on this data directory."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            try:
                mine = process.environ().get("BRAIN_DATA_DIR") == str(self.data_dir)
                if mine or str(self.data_dir) in " ".join(process.info["cmdline"] or []):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def process_of(self, service: str) -> psutil.Process:
        """The process of one service, e.g. ``ingest``."""
        for process in self.processes():
            if process.cmdline()[-1:] == [service]:
                return process
        pytest.fail(f"no process of {service} among {[process.cmdline() for process in self.processes()]}")

    def stop(self) -> dict[str, int]:
        """Ctrl-C; the final counts that the demo prints."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(120)
        assert code == 0, f"exit code {code}:\n{self.words()}"
        counts: dict[str, int] = json.loads(self._log.read_text().strip().splitlines()[-1])
        return counts


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_demo(data_dir: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Demo]:
    """`brain demo` on a data directory, killed with all it started if the test leaves it running."""
    port = free_port()
    truth = data_dir.with_name(f"{data_dir.name}-truth.json")
    log = data_dir.with_name(f"{data_dir.name}-{port}.log")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("BRAIN_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                str(BRAIN),
                "demo",
                *("--port", str(port), "--data-dir", str(data_dir), "--truth", str(truth), "--json"),
                *arguments,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**inherited, "BRAIN_ADMIN_PASSWORD": PASSWORD, **(environment or {})},
        )
    demo = Demo(data_dir, port, process, truth, log)
    try:
        yield demo
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for left in demo.processes():
            left.kill()
        demo.client.close()
