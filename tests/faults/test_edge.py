"""A gateway between the machines and the cloud: killed, cut off, silenced, its broker killed; nothing lost or doubled.

Devices publish to a broker in the plant, `brain edge` collects there and forwards over a cable to the cloud's broker,
where `brain collect` and `brain ingest` run.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from brain.bench.flow import collecting
from brain.embedded_broker import EmbeddedBroker
from brain.installation import install
from brain.product import Product
from brain.rundir import RunDirectory
from brain.settings import Settings
from historian import Database, add_gateway, ensure_tenant
from ingest.segment_reader import is_packed
from plant import MachineSpec
from tests.cable import Cable

from .conftest import LONG, SITE, Outcome, Rig

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_ROUNDS = 4 if LONG else 2
_MACHINES = 30


@dataclass
class EdgeRig(Rig):
    """A cloud, a gateway in front of it, and the cable between them."""

    link: Cable | None = None
    directory: Path | None = None

    def status(self) -> dict[str, Any]:
        """What the gateway says of its link."""
        assert self.directory is not None
        status: dict[str, Any] = RunDirectory(self.directory).read("edge").get("link", {})
        return status

    async def linked(self) -> None:
        """Until the gateway is connected to both brokers."""
        assert self.directory is not None
        for _ in range(600):
            state = RunDirectory(self.directory).read("edge")
            if state.get("link", {}).get("connected") and all(source["connected"] for source in state["sources"]):
                return
            await asyncio.sleep(0.1)
        pytest.fail(f"the gateway did not come on line: {self.status()}")


@pytest_asyncio.fixture(scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory, outcomes: list[Outcome]) -> AsyncIterator[EdgeRig]:
    """A running cloud and gateway."""
    directory = tmp_path_factory.mktemp("edge")
    settings = Settings(data_dir=directory / "cloud", log_level="warning")
    machines = [MachineSpec(SITE, "line-1", f"m{number:02d}", f"m{number:02d}", "motor") for number in range(_MACHINES)]
    plant = EmbeddedBroker(directory / "plant")
    plant.start()
    try:
        async with Product.open(settings) as product:
            broker = urlsplit(product.mqtt_url)
            async with (
                Cable.to(broker.hostname or "", broker.port or 0) as link,
                Database.open(product.database_url, max_size=2) as database,
            ):
                await install(settings, product.database_url, machines)
                async with database.connection() as connection:
                    tenant = await ensure_tenant(connection, settings.tenant, settings.tenant)
                    gateway = (await add_gateway(connection, tenant, SITE)).key
                source = {"name": "gateways", "url": product.mqtt_url, "client_id": "cloud"}
                await product.start("ingest")
                await product.start("collect", environment={"BRAIN_MQTT": json.dumps([source])})
                await collecting(product, 1)
                await product.start("edge", environment=_environment(directory / "edge", plant.url, link.port, gateway))
                rig = EdgeRig(product, database, link, link, False, plant.url, link=link, directory=directory / "edge")
                rig.outcomes = outcomes
                await rig.linked()
                yield rig
    finally:
        plant.stop()


def _environment(directory: Path, plant_url: str, port: int, gateway: str) -> dict[str, str]:
    return {
        "BRAIN_DATA_DIR": str(directory),
        "BRAIN_MQTT": json.dumps([{"name": "plant", "url": plant_url, "client_id": "edge"}]),
        "BRAIN_MACHINES": json.dumps(
            [{"site": SITE, "line": "line-1", "machine": f"m{number:02d}"} for number in range(_MACHINES)]
        ),
        "BRAIN_EDGE": json.dumps({"url": f"mqtt://127.0.0.1:{port}", "gateway": gateway, "gather_s": 0.2}),
        # Segments so small that what waits during an outage is packed.
        "BRAIN_SPOOL_MAX_GB": "0.02" if LONG else "0.004",
    }


@pytest.mark.parametrize("part", ["edge", "broker", "collect"])
async def test_killed(edge: EdgeRig, part: str) -> None:
    async with edge.stream(f"gateway: kill -9 of {part}, {_ROUNDS} times") as stream:
        for _ in range(_ROUNDS):
            await stream.flow(1.5)
            os.kill(edge.pid(part), signal.SIGKILL)
            stream.fault_is_over()
            await stream.flow(1.5)
            await edge.running(part)
        await stream.flow(1.0)


async def test_link_cut(edge: EdgeRig) -> None:
    assert edge.link is not None
    async with edge.stream(f"gateway: link cut, {2 * _ROUNDS} times") as stream:
        for _ in range(2 * _ROUNDS):
            await stream.flow(0.8)
            edge.link.cut()
            stream.fault_is_over()
        await stream.flow(1.0)


async def test_link_silent(edge: EdgeRig) -> None:
    """Neither end is told that the other is gone."""
    assert edge.link is not None
    silence_s = 90.0 if LONG else 6.0
    async with edge.stream(f"gateway: link silent, {silence_s:.0f} s") as stream:
        await stream.flow(1.0)
        edge.link.silent = True
        try:
            await stream.flow(silence_s)
        finally:
            edge.link.silent = False
            stream.fault_is_over()
        if not LONG:
            edge.link.cut()
        await stream.flow(1.0)


async def test_restarted_while_the_link_is_away(edge: EdgeRig) -> None:
    """What was collected and packed before the gateway lost its power is forwarded after it."""
    assert edge.link is not None
    assert edge.directory is not None
    async with edge.stream("gateway: link away, and kill -9 of edge meanwhile", samples=10) as stream:
        await stream.flow(0.5)
        edge.link.silent = True
        edge.link.cut()
        try:
            await stream.flow(3.0)
            os.kill(edge.pid("edge"), signal.SIGKILL)
            await stream.flow(2.0)
            await edge.running("edge")
            segments = [path for path in (edge.directory / "spool" / "edge").glob("*.spool") if is_packed(path)]
            assert segments, "nothing was packed"
        finally:
            edge.link.silent = False
            edge.link.cut()
            stream.fault_is_over()
        await stream.flow(1.0)
