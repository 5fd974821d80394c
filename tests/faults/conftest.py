"""The product's own processes, a stream of numbered readings through them, and a count of what became of it."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import orjson
import pytest
import pytest_asyncio
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from brain.bench.flow import collecting
from brain.installation import install
from brain.product import Product
from brain.settings import Settings
from historian import Database, load_positions
from plant import MachineSpec
from tests.cable import Cable

SITE = "faults"
SIGNALS = ("current_u", "voltage_uv", "winding_temperature", "power")
LONG = os.environ.get("BRAIN_FAULTS") == "long"
"""`make faults` takes its time; the run for every change takes seconds a fault."""

# The database is hurt itself now and then.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_RATE = 200  # messages a second
_SETTLED_S = 240.0 if LONG else 90.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stream, in readings."""

    fault: str
    sent: int
    stored: int
    doubled: int
    quarantined: int
    wrong: int
    recovery_s: float

    @property
    def lost(self) -> int:
        """Acknowledged to the device, and nowhere to be found."""
        return self.sent - self.stored - self.quarantined


class Stream:
    """A device that numbers what it measures: value and millisecond of a reading say which one it is.

    It sends again what the broker has not acknowledged, as devices do. Messages carry ``samples`` samples.
    """

    def __init__(self, url: str, machine: str, samples: int = 1) -> None:
        self.machine = machine
        self.samples = samples
        self.began_ms = time.time_ns() // 1_000_000 - 3_600_000
        self.numbers = 0
        self.acknowledged = 0
        self.refused = 0
        self.recovery_s = 0.0
        self.fault_ended: list[tuple[float, int]] = []
        self._on_way: dict[int, int] = {}
        self._early: set[int] = set()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"device-{machine}",
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(500)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._published
        parts = urlsplit(url)
        self._client.connect(parts.hostname or "", parts.port or 1883, keepalive=10)
        self._client.loop_start()

    def send(self, offset_ms: int = 0, *, refused: bool = False) -> None:
        """Send the next numbers; ``refused`` says that they cannot be taken as they are (a wrong clock)."""
        messages = []
        for _ in range(self.samples):
            moment = self.began_ms + self.numbers + offset_ms
            messages.append({"time": moment, "values": dict.fromkeys(SIGNALS, self.numbers)})
            self.numbers += 1
        self.refused += self.samples if refused else 0
        self._publish(orjson.dumps(messages if self.samples > 1 else messages[0]))

    def send_again(self, number: int) -> None:
        """Send a number that was sent before."""
        self._publish(orjson.dumps({"time": self.began_ms + number, "values": dict.fromkeys(SIGNALS, number)}))

    def fault_is_over(self) -> None:
        """What was sent until now should be in the database soon: how soon is the recovery time."""
        self.fault_ended.append((time.monotonic(), self.numbers * len(SIGNALS)))

    async def flow(self, seconds: float, rate: float = _RATE) -> None:
        """Send at a steady rate."""
        began, sent = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * rate:
                self.send()
                sent += 1
            await asyncio.sleep(0.01)

    async def settle(self) -> None:
        """Wait until the broker has acknowledged everything."""
        deadline = time.monotonic() + _SETTLED_S
        while self._on_way and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert not self._on_way, "the broker did not acknowledge everything"

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _publish(self, payload: bytes) -> None:
        mid = self._client.publish(f"ib/v1/{SITE}/{self.machine}/readings", payload, qos=1).mid
        if mid in self._early:
            self._early.discard(mid)
            self.acknowledged += 1
        else:
            self._on_way[mid] = 1

    def _published(self, _client: Any, _userdata: Any, mid: int, *_: Any) -> None:
        if self._on_way.pop(mid, None) is None:
            self._early.add(mid)  # the broker was faster than publish() could return
        else:
            self.acknowledged += 1


@dataclass
class Rig:
    """An installation whose parts can be hurt."""

    product: Product
    database: Database
    database_cable: Cable
    broker_cable: Cable
    spool_is_small: bool
    device_url: str = ""
    """The broker that devices publish to, where that is not the installation's."""
    _used: set[str] = field(default_factory=set)
    outcomes: list[Outcome] = field(default_factory=list)

    def pid(self, part: str) -> int:
        """Process id of ``collect``, ``ingest``, ``broker`` or ``postgres``."""
        found = self.product.embedded_pid(part) if part in ("broker", "postgres") else self.product.supervisor.pid(part)
        assert found is not None, f"{part} does not run"
        return found

    async def running(self, part: str) -> int:
        """Its process id, once it runs (again)."""
        for _ in range(600):
            try:
                return self.pid(part)
            except AssertionError:
                await asyncio.sleep(0.1)
        pytest.fail(f"{part} did not come back")

    async def committed(self) -> int:
        """Readings and quarantined messages that the database has taken from the spool."""
        try:
            async with asyncio.timeout(5), self.database.connection() as connection:
                positions = await load_positions(connection)
        except _AWAY:
            return -1
        return sum(position.committed_readings + position.quarantined for position in positions.values())

    @asynccontextmanager
    async def stream(self, fault: str, samples: int = 1) -> AsyncIterator[Stream]:
        """A stream of a machine of its own; afterwards it is counted, printed, and must be whole."""
        machine = next(name for number in range(100) if (name := f"m{number:02d}") not in self._used)
        self._used.add(machine)
        stream = Stream(self.device_url or self.product.mqtt_url, machine, samples)
        watching = asyncio.create_task(self._recovery(stream, await self.committed()))
        try:
            yield stream
            await stream.settle()
            outcome = await self._outcome(fault, stream)
        finally:
            watching.cancel()
            stream.close()
        self.outcomes.append(outcome)
        assert (outcome.lost, outcome.doubled, outcome.wrong) == (0, 0, 0), outcome

    async def _recovery(self, stream: Stream, before: int) -> None:
        """The longest time from the end of a fault until what was sent by then is in the database."""
        longest = 0.0
        while True:
            done = await self.committed() - before
            while stream.fault_ended and done >= stream.fault_ended[0][1]:
                longest = max(longest, time.monotonic() - stream.fault_ended.pop(0)[0])
            stream.recovery_s = longest
            await asyncio.sleep(0.05)

    async def _outcome(self, fault: str, stream: Stream) -> Outcome:
        """Count, once nothing changes any more."""
        expected = (stream.numbers - stream.refused) * len(SIGNALS)
        counts: dict[str, int] = {}
        deadline = time.monotonic() + _SETTLED_S
        while time.monotonic() < deadline:
            try:
                async with asyncio.timeout(20), self.database.connection() as connection:
                    counts = dict(
                        await connection.fetchrow(COUNTS, stream.machine, stream.began_ms, f"%/{stream.machine}/%")
                    )
            except _AWAY:
                counts = {}
            if counts.get("stored", 0) >= expected and counts["quarantined"] >= stream.refused * len(SIGNALS):
                break
            await asyncio.sleep(0.1)
        assert counts, "the database did not come back"
        return Outcome(
            fault,
            stream.numbers * len(SIGNALS),
            counts["stored"],
            counts["stored"] - counts["keys"],
            counts["quarantined"],
            counts["wrong"],
            round(stream.recovery_s, 1),
        )


# A value must be the number that its time says, whole hours aside (clocks that jump).
COUNTS = """
select count(*)::int as stored, count(distinct (reading.signal_id, reading.time))::int as keys,
    (count(*) filter (
        where (value::bigint - (round(extract(epoch from time) * 1000)::bigint - $2::bigint)) % 3600000 <> 0
    ))::int as wrong,
    (select count(*)::int from quarantine where address like $3) as quarantined
from reading
join signal on signal.id = reading.signal_id
join machine on machine.id = signal.machine_id
where machine.code = $1
"""


_OUTCOMES = pytest.StashKey[list[Outcome]]()


@pytest.fixture(scope="session")
def outcomes(request: pytest.FixtureRequest) -> list[Outcome]:
    """What the summary at the end shows."""
    return request.config.stash.setdefault(_OUTCOMES, [])


@pytest.fixture(scope="session")
def small_spool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, bool]]:
    """A data directory whose spool is on a disk of 16 MB, where we may mount one."""
    directory = tmp_path_factory.mktemp("faults")
    spool = directory / "spool"
    spool.mkdir()
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(spool)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield directory, mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(spool)], check=False)


@pytest_asyncio.fixture(scope="session")
async def rig(small_spool: tuple[Path, bool], outcomes: list[Outcome]) -> AsyncIterator[Rig]:
    """A running installation; the writer reaches the database, and the collector the broker, over cables."""
    directory, mounted = small_spool
    settings = Settings(data_dir=directory, log_level="warning")
    machines = [MachineSpec(SITE, "line-1", f"m{number:02d}", f"m{number:02d}", "motor") for number in range(100)]
    async with Product.open(settings) as product:
        socket = Path(parse_qs(urlsplit(product.database_url).query)["host"][0]) / ".s.PGSQL.5432"
        broker = urlsplit(product.mqtt_url)
        async with (
            Cable.to_socket(socket) as database_cable,
            Cable.to(broker.hostname or "", broker.port or 0) as broker_cable,
            Database.open(product.database_url, max_size=2) as database,
        ):
            await install(settings, product.database_url, machines)
            through = f"postgresql://postgres@127.0.0.1:{database_cable.port}/postgres?sslmode=disable"
            source = {"name": "field", "url": f"mqtt://127.0.0.1:{broker_cable.port}", "client_id": "faults"}
            await product.start("ingest", environment={"BRAIN_DATABASE_URL": through})
            await product.start("collect", environment={"BRAIN_MQTT": json.dumps([source])})
            await collecting(product, 1)
            rig = Rig(product, database, database_cable, broker_cable, mounted)
            rig.outcomes = outcomes
            yield rig


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """A line a fault, whatever else is shown."""
    outcomes = config.stash.get(_OUTCOMES, [])
    line = terminalreporter.write_line
    if not outcomes:
        return
    line("")
    line(f"{'fault':<58} {'sent':>8} {'stored':>8} {'lost':>5} {'doubled':>7} {'quarantined':>11} {'recovery s':>10}")
    for outcome in outcomes:
        line(
            f"{outcome.fault:<58} {outcome.sent:>8} {outcome.stored:>8} {outcome.lost:>5} {outcome.doubled:>7} "
            f"{outcome.quarantined:>11} {outcome.recovery_s:>10}"
        )
