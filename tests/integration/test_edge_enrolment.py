"""A new gateway, from a token to its first message, and out again; with TLS, passwords and the ACL that we ship."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from api import ApiSettings, Enrolment, create_app
from brain.doctor import examine
from brain.edge import Credential, Link, link_of
from brain.edge.settings import EdgeSettings
from brain.embedded_broker import free_port
from brain.gateways import write_accounts
from brain.settings import Settings
from collectors import Connection, Refused, connect, edge_topic
from historian import Database, ensure_tenant, issue_edge_token, load_directory, register_machines
from plant import MachineSpec

from .conftest import SITE, until
from .test_mqtt_tls import Authority

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

ACCESS = Path(__file__).parents[2] / "deploy" / "mosquitto" / "access.acl"
PASSWORD = "of-the-collector"
CONFIGURATION = """\
listener {port} 127.0.0.1
certfile {certificate}
keyfile {key}
allow_anonymous false
password_file {passwords}
acl_file {access}
pid_file {pid}
user root
"""


@dataclass
class Broker:
    """mosquitto with TLS, a password file, and the access list that we ship."""

    url: str
    authority: Authority
    passwords: Path
    pid: Path

    def collector_url(self) -> str:
        return self.url.replace("mqtts://", f"mqtts://brain:{PASSWORD}@")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    passwd = shutil.which("mosquitto_passwd")
    if program is None or passwd is None:
        pytest.skip("mosquitto is not installed")
    authority = Authority.founded(tmp_path / "authority")
    certificate, key = authority.issue("broker", "127.0.0.1")
    passwords, pid, port = tmp_path / "passwords", tmp_path / "mosquitto.pid", free_port()
    subprocess.run([passwd, "-b", "-c", str(passwords), "brain", PASSWORD], check=True, capture_output=True)
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(
        CONFIGURATION.format(port=port, certificate=certificate, key=key, passwords=passwords, access=ACCESS, pid=pid)
    )
    process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not pid.is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield Broker(f"mqtts://127.0.0.1:{port}", authority, passwords, pid)
    finally:
        process.terminate()
        process.wait(10)


class Cloud:
    """`brain serve` on a database of its own, and the commands of whoever runs it."""

    def __init__(self, folder: Path, database_url: str, broker: Broker) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        gateways = {
            "broker_url": broker.url,
            "broker_ca_file": str(broker.authority.file),
            "password_file": str(broker.passwords),
            "pid_file": str(broker.pid),
        }
        self.environment = {
            **os.environ,
            "BRAIN_DATABASE_URL": database_url,
            "BRAIN_DATA_DIR": str(folder),
            "BRAIN_GATEWAYS": json.dumps(gateways),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }

    def brain(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command, however it ends."""
        return subprocess.run(
            [sys.executable, "-m", "brain", *words],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def token(self, site: str = SITE) -> str:
        """A fresh one."""
        done = self.brain("edge", "token", "--site", site, "--json")
        assert done.returncode == 0, done.stderr
        token: str = json.loads(done.stdout.splitlines()[-1])["token"]
        return token

    def enrol(self, gateway: Path, token: str, *more: str) -> subprocess.CompletedProcess[str]:
        """`brain edge enrol` on a gateway of this data directory."""
        return self.brain("edge", "enrol", "--url", self.url, "--token", token, *more, BRAIN_DATA_DIR=str(gateway))


@pytest_asyncio.fixture
async def office(tmp_path: Path, database_url: str, broker: Broker) -> Cloud:
    """Its database and its commands, without the API."""
    async with Database.open(database_url, max_size=1) as database, database.connection() as connection:
        tenant = await ensure_tenant(connection, "default", "default")
        await register_machines(connection, tenant, [MachineSpec(SITE, "line-1", "M1", "M1", "motor")])
        other = await ensure_tenant(connection, "other", "other")
        await register_machines(connection, other, [MachineSpec("theirs", "line-1", "M1", "M1", "motor")])
    return Cloud(tmp_path / "cloud", database_url, broker)


@pytest_asyncio.fixture
async def cloud(office: Cloud) -> AsyncIterator[Cloud]:
    """With the API."""
    process = subprocess.Popen(
        [sys.executable, "-m", "brain", "serve", "--port", str(office.port)], env=office.environment
    )
    try:
        await until(lambda: is_ready(office.url), "the API to answer", 60)
        yield office
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


class Sender:
    """A connection of a gateway that notes what the broker says to each message."""

    def __init__(self, link: Link) -> None:
        self.reasons: dict[int, int] = {}
        self.connection: Connection = connect(
            link.url, link.session(), on_published=lambda mid, reason: self.reasons.update({mid: reason.value})
        )

    async def send(self, topic: str) -> int:
        """The broker's answer: 0 taken, 16 nobody listens, 135 not allowed."""
        mid = await asyncio.to_thread(self.connection.publish, topic, b"x")
        await until(lambda: mid in self.reasons, "the broker's answer")
        return self.reasons[mid]


@asynccontextmanager
async def sender(gateway: Path) -> AsyncIterator[Sender]:
    made = await asyncio.to_thread(Sender, link_of(EdgeSettings(), gateway / "edge"))
    try:
        yield made
    finally:
        await asyncio.to_thread(made.connection.close)


async def test_from_a_token_to_a_revoked_gateway(
    cloud: Cloud, broker: Broker, database_url: str, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    token = cloud.token()
    done = cloud.enrol(first, token, "--name", "hall 1")
    assert done.returncode == 0, done.stderr
    file = first / "edge" / "credential.json"
    assert file.stat().st_mode & 0o777 == 0o600
    known = Credential.of(first / "edge")
    assert known is not None
    assert (known.site, known.broker_url, known.cloud_url) == (SITE, broker.url, cloud.url)

    reused = cloud.enrol(second, token)
    assert (reused.returncode, "has been used" in reused.stderr) == (1, True)
    assert cloud.enrol(second, cloud.token()).returncode == 0
    other = Credential.of(second / "edge")
    assert other is not None
    over = cloud.enrol(second, "x.y")
    assert (over.returncode, "--again" in over.stderr) == (1, True)

    # Passwords are known to the gateways alone.
    stored = broker.passwords.read_text() + str(await everything(database_url))
    assert known.password not in stored
    assert token.partition(".")[2] not in stored
    assert "brain:" in broker.passwords.read_text()

    async with sender(first) as gateway:
        own = edge_topic(SITE, known.gateway)
        assert await gateway.send(own) in (0, 16)
        assert await gateway.send(edge_topic(SITE, other.gateway)) == 135
        assert await gateway.send(f"ib/v1/{SITE}/M1/readings") == 135
        directory = await directory_of_tenant(database_url)
        assert directory.gateways == {known.gateway: SITE, other.gateway: SITE}
        listed = json.loads(cloud.brain("edge", "list", "--json").stdout.splitlines()[-1])["items"]
        assert [entry["name"] for entry in listed][:1] == ["hall 1"]

        assert cloud.brain("edge", "revoke", known.gateway).returncode == 0
        await until(lambda: gateway.connection.ended, "the revoked gateway to be thrown out")
    with pytest.raises(Refused, match="refuses"):
        await asyncio.to_thread(Sender, link_of(EdgeSettings(), first / "edge"))
    assert (await directory_of_tenant(database_url)).gateways == {other.gateway: SITE}
    async with sender(second) as gateway:
        assert await gateway.send(edge_topic(SITE, other.gateway)) in (0, 16)
    again = cloud.brain("edge", "revoke", known.gateway)
    assert (again.returncode, "edge list" in again.stderr) == (1, True)


async def test_where_the_broker_cannot_be_told_the_token_is_not_used_up(database: Database, database_url: str) -> None:
    """Two at once: one gateway each, and the broker knows both in the end."""
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "default", "default")
        await register_machines(connection, tenant, [MachineSpec(SITE, "line-1", "M1", "M1", "motor")])
        tokens = [await issue_edge_token(connection, tenant, SITE, timedelta(hours=1)) for _ in range(6)]
    known: list[Sequence[tuple[str, str]]] = []
    problems = [OSError("read-only file system")]

    async def tell_broker(accounts: Sequence[tuple[str, str]]) -> None:
        if problems:
            raise problems.pop()
        await asyncio.sleep(0.01)
        known.append(accounts)

    settings = ApiSettings(database_url, console=False, enrolment=Enrolment("mqtts://broker", "", tell_broker))
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):

        async def status(token: str) -> int:
            return (await client.post("/api/v1/edge/enrolment", json={"token": token})).status_code

        assert await status(tokens[0]) == 503
        assert await asyncio.gather(*(status(token) for token in tokens)) == [200] * len(tokens)
        assert sorted(await asyncio.gather(*(status(token) for token in tokens[:2]))) == [403, 403]
        assert (await client.post("/api/v1/edge/enrolment", json={"token": "x", "more": 1})).status_code == 422
    assert len(known[-1]) == len(tokens)
    async with database.tenant(tenant) as bound:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await bound.fetch("select broker_hash from edge_gateway")


async def test_wrong_tokens_are_refused_and_slowed_down(cloud: Cloud, database_url: str, tmp_path: Path) -> None:
    token = cloud.token()
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("update edge_token set expires_at = now() - interval '1 second'")
    finally:
        await connection.close()
    expired = cloud.enrol(tmp_path / "gateway", token)
    assert (expired.returncode, "has expired" in expired.stderr) == (1, True)
    answers = [await asyncio.to_thread(post, cloud.url, f"{token[:-1]}!") for _ in range(8)]
    assert answers[0] == 403
    assert answers[-1] == 429
    assert not (tmp_path / "gateway" / "edge" / "credential.json").exists()


async def test_a_site_of_another_tenant_gets_no_token(office: Cloud) -> None:
    done = office.brain("edge", "token", "--site", "theirs")
    assert (done.returncode, "no machine" in done.stderr) == (1, True)
    assert office.brain("edge", "token", "--site", "a/+").returncode == 2


async def test_a_credential_is_not_sent_in_the_clear(office: Cloud) -> None:
    done = office.brain("edge", "enrol", "--url", "http://192.0.2.1:8000", "--token", "x.y")
    assert (done.returncode, "not encrypted" in done.stderr) == (1, True)


async def test_doctor_tries_every_log_in(cloud: Cloud, broker: Broker, tmp_path: Path) -> None:
    """On a gateway: link, cloud, clocks, the plant's broker with a wrong password, a name that is none."""
    gateway = tmp_path / "gateway"
    assert cloud.enrol(gateway, cloud.token()).returncode == 0
    collector = {"name": "right", "url": broker.collector_url(), "client_id": "c", "ca_file": broker.authority.file}
    settings = Settings.model_validate(
        {
            "data_dir": gateway,
            "database_url": None,
            "mqtt": [
                collector,
                collector | {"name": "wrong", "url": broker.collector_url().replace(PASSWORD, "wrong")},
                collector | {"name": "nowhere", "url": "mqtts://nowhere.invalid:8883"},
            ],
        }
    )
    found = {answer.check: answer for answer in [answer async for answer in examine(settings)]}
    levels = {check: answer.level for check, answer in found.items()}
    assert "database" not in found
    assert levels["log-in: edge link"] == "ok", found["log-in: edge link"]
    assert levels["certificate: edge link"] == "warning"  # the test's authority signs for two days
    assert levels["clock: cloud"] == "ok"
    assert levels["edge link"] == "problem"  # `brain edge` does not run
    assert levels["log-in: right"] == "ok"
    assert levels["log-in: wrong"] == "problem"
    assert levels["name: nowhere"] == "problem"
    assert "log-in: nowhere" not in found
    assert all(answer.fix for answer in found.values() if answer.level == "problem")
    assert PASSWORD not in str(found)


async def test_the_broker_takes_the_hashes_that_we_write(broker: Broker) -> None:
    from historian.gateways import broker_hash

    write_accounts(broker.passwords, [("gw-0123456789ab", broker_hash("secret"))], broker.pid)
    write_accounts(broker.passwords, [("gw-ba9876543210", broker_hash("other"))], broker.pid)
    names = [line.partition(":")[0] for line in broker.passwords.read_text().splitlines()]
    assert names == ["brain", "gw-ba9876543210"]


def post(url: str, token: str) -> int:
    request = urllib.request.Request(
        f"{url}/api/v1/edge/enrolment", json.dumps({"token": token}).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


async def everything(database_url: str) -> list[Any]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch("select edge_token::text from edge_token")
        return [*rows, *await connection.fetch("select edge_gateway::text from edge_gateway")]
    finally:
        await connection.close()


async def directory_of_tenant(database_url: str) -> Any:
    async with Database.open(database_url, max_size=1) as database, database.connection() as connection:
        return await load_directory(connection, await ensure_tenant(connection, "default", "default"))
