"""A line that breaks costs nothing, even where no history is read: the server's queue outlives the connection."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors import CertificateStore, OpcUaCollector, OpcUaSource
from plant import MachineEntry, SignalDirectory
from tests.cable import Cable
from tests.opcua_servers import RememberingServer, node_opcua, open62541

from .conftest import RecordingSink, running, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SIGNALS = {"current_u": 1, "voltage_uv": 2, "winding_temperature": 3, "power": 4}


@pytest.mark.parametrize("kind", [node_opcua, open62541])
@pytest.mark.parametrize("silent", [False, True], ids=["cut", "silent"])
async def test_what_was_queued_while_the_line_was_down_comes_after_all(
    kind: Callable[[Path], RememberingServer],
    tmp_path: Path,
    sink: RecordingSink,
    silent: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("collectors.opcua._LONGEST_BACKOFF_S", 0.5)
    server = kind(tmp_path)
    directory = SignalDirectory([MachineEntry("faults", "line-1", "m00", "motor", SIGNALS, {})])
    await server.start()
    try:
        async with Cable.to("127.0.0.1", server.port) as cable:
            source = OpcUaSource(
                name="press", url=f"opc.tcp://127.0.0.1:{cable.port}/plant", publishing_interval_ms=100,
                queue_size=1000, timeout_s=1, history=False,
            )  # fmt: skip
            collector = OpcUaCollector(
                source, lambda: directory, sink, lambda: time.time_ns() // 1000, CertificateStore(tmp_path / "pki")
            )
            async with running(collector):
                for breaks in range(1, 4):
                    await until(lambda: collector.status().connected, "a connection")
                    stored = len(sink.rows)
                    await until(lambda before=stored: len(sink.rows) > before + 80, "live values")  # type: ignore[misc]
                    if silent:
                        cable.silent = True
                        await until(lambda: not collector.status().connected, "the silence to be noticed")
                        cable.silent = False
                    cable.cut()
                    await until(lambda wanted=breaks: collector.status().reconnects >= wanted, "a reconnect")  # type: ignore[misc]
                truth = server.history()
                newest = max(time for _, time in truth)
                await until(lambda: any(row[1] > newest for row in sink.rows), "everything up to now")
                await asyncio.sleep(0.2)
    finally:
        await server.kill()
    stored_rows = {(signal_id, moment): value for signal_id, moment, value, _ in sink.rows}
    first = min(moment for _, moment in stored_rows)
    wanted = {(SIGNALS[name], moment): value for (name, moment), value in truth.items() if moment >= first}
    assert len(wanted) > 200
    assert not wanted.keys() - stored_rows.keys()
    assert {key: stored_rows[key] for key in wanted} == wanted
