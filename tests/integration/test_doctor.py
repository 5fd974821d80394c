"""`brain doctor` in an installation: each ill is found, named, and comes with what to do."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brain.broker_certificate import make_broker_certificate
from brain.doctor import Answer, examine
from brain.doctor.answer import clock_answer
from brain.doctor.database import _newest
from brain.edge import EdgeSettings
from brain.embedded_broker import EmbeddedBroker
from brain.rundir import RunDirectory
from brain.settings import Settings
from collectors import Certificate, CertificateStore, OpcUaSource
from ingest import Spool
from plant import Batch

from .conftest import NOW_US, OpcUaPlant, free_port
from .test_opcua_security import PASSWORD, SecuredPlant, press

__all__ = ["press"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


async def answers(settings: Settings) -> dict[str, Answer]:
    """By check; every problem must say what to do."""
    found = {answer.check: answer for answer in [answer async for answer in examine(settings)]}
    assert all(answer.fix for answer in found.values() if answer.level != "ok"), found
    return found


def settings_of(folder: Path, **options: object) -> Settings:
    return Settings.model_validate({"data_dir": folder, "mqtt": [], "opcua": [], **options})


def collector_says(folder: Path, service: str = "collect", **source: object) -> None:
    """As a collector at work writes it down; dated ahead, so that a slow test still finds it fresh."""
    state = {"name": "hall", "connected": True, "readings": 7, "rejected": 0, "last_error": "", **source}
    ahead = int(datetime.now(UTC).timestamp() * 1e6) + 60_000_000
    RunDirectory(folder).prepare()
    RunDirectory(folder).write(service, {"at": ahead, "sources": [state]})


async def test_all_is_well(database_url: str, mosquitto: EmbeddedBroker, plant: OpcUaPlant, tmp_path: Path) -> None:
    await plant.start(M1=["current_u"])
    mqtt = {"name": "hall", "url": mosquitto.url, "client_id": "collector"}
    opcua = {"name": "press", "url": plant.url}
    collector_says(tmp_path)
    found = await answers(settings_of(tmp_path, database_url=database_url, mqtt=[mqtt], opcua=[opcua]))
    assert {answer.level for answer in found.values()} == {"ok"}, found
    assert found.keys() >= {"disk", "database", "clock: database", "log-in: hall", "log-in: press", "clock: press"}
    assert "with MQTT v5" in found["log-in: hall"].found
    assert "anonymous" in found["log-in: press"].found


async def test_the_collector_at_work_is_left_alone(mosquitto: EmbeddedBroker, tmp_path: Path) -> None:
    """A log-in under its own client id would throw it out."""
    from collectors import SessionOptions, connect

    at_work = connect(mosquitto.url, SessionOptions("collector"))
    mqtt = {"name": "hall", "url": mosquitto.url, "client_id": "collector"}
    found = await answers(settings_of(tmp_path, mqtt=[mqtt]))
    assert found["log-in: hall"].level == "ok"
    assert not at_work.ended
    at_work.close()


async def test_what_is_away_is_named(tmp_path: Path) -> None:
    gone = f"127.0.0.1:{free_port()}"
    found = await answers(
        settings_of(
            tmp_path,
            database_url=f"postgresql://brain@{gone}/brain",
            mqtt=[{"name": "hall", "url": f"mqtt://{gone}"}],
            opcua=[{"name": "press", "url": "opc.tcp://no-such-host.invalid:4840"}],
        )
    )
    levels = {check: answer.level for check, answer in found.items() if answer.level != "ok"}
    wrong = {"database": "problem", "port: hall": "problem", "name: press": "problem", "collector": "warning"}
    assert levels == wrong
    assert "nothing listens there" in found["database"].fix


@pytest.mark.parametrize(
    ("source", "level", "words"),
    [
        ({}, "ok", "7 readings"),
        ({"connected": False, "last_error": "no route"}, "problem", "no route"),
        ({"readings": 0}, "warning", "does the device send?"),
        ({"readings": 0, "rejected": 3}, "warning", "`brain onboard`"),
        ({"dropped": 2}, "warning", "QoS 1"),
        ({"devices_offline": 2}, "ok", "2 devices away"),
    ],
)
async def test_a_collector_is_asked_what_comes(
    tmp_path: Path, source: dict[str, object], level: str, words: str
) -> None:
    collector_says(tmp_path, **source)
    mqtt = {"name": "hall", "url": f"mqtt://127.0.0.1:{free_port()}"}
    answer = (await answers(settings_of(tmp_path, mqtt=[mqtt])))["collector: hall"]
    assert answer.level == level
    assert words in answer.found + answer.fix


async def test_a_list_that_a_variable_replaces_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "brain.toml"
    file.write_text('[[mqtt]]\nname = "a"\nurl = "mqtt://a"\n[[mqtt]]\nname = "b"\nurl = "mqtt://b"\n')
    monkeypatch.setenv("BRAIN_CONFIG", str(file))
    assert "settings" not in await answers(settings_of(tmp_path))
    monkeypatch.setenv("BRAIN_MQTT", "[]")
    found = (await answers(settings_of(tmp_path)))["settings"]
    assert found.level == "warning"
    assert "BRAIN_MQTT is set: it stands for all 2 [[mqtt]]" in found.found


async def test_a_spool_that_may_grow_beyond_the_disk_is_said(tmp_path: Path) -> None:
    found = (await answers(settings_of(tmp_path, spool_max_gb=1e6)))["disk"]
    assert found.level == "warning"
    assert "spool_max_gb" in found.fix


async def test_a_spool_that_is_nearly_full_or_damaged_is_said(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, spool_max_gb=1e-6)
    now = int(datetime.now(UTC).timestamp() * 1e6)
    async with Spool.open(settings.spool_dir, "collect") as spool:
        for number in range(30):
            await spool.put(Batch.of_lists([now + number], [1], [1.0], [0]))
    assert "nearly full" in (await answers(settings))["spool collect"].found
    (segment,) = (settings.spool_dir / "collect").glob("*.spool")
    content = bytearray(segment.read_bytes())
    content[100] ^= 1
    segment.write_bytes(content)
    assert "46 bytes damaged" in (await answers(settings))["spool collect"].found


async def test_our_own_certificate_at_a_broker_is_looked_at(tmp_path: Path) -> None:
    make_broker_certificate(tmp_path / "authority", tmp_path, ["collector"])
    files = {"certificate_file": str(tmp_path / "broker.pem"), "key_file": str(tmp_path / "broker.key")}
    mqtt = {"name": "hall", "url": f"mqtts://127.0.0.1:{free_port()}", **files}
    check = f"certificate: broker, {tmp_path / 'broker.pem'}"
    assert (await answers(settings_of(tmp_path, mqtt=[mqtt])))[check].level == "ok"
    (tmp_path / "broker.pem").write_text("no certificate")
    assert (await answers(settings_of(tmp_path, mqtt=[mqtt])))[check].level == "problem"


@pytest.mark.parametrize(("host", "level"), [("localhost", "ok"), ("other.example", "problem")])
async def test_in_the_cloud_the_way_in_for_gateways_is_tried(tmp_path: Path, host: str, level: str) -> None:
    make_broker_certificate(tmp_path / "authority", tmp_path, [host])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "broker.pem", tmp_path / "broker.key")
    (tmp_path / "passwords").touch()
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        gateways = {
            "broker_url": f"mqtts://localhost:{server.sockets[0].getsockname()[1]}",
            "broker_ca_file": str(tmp_path / "ca.pem"),
            "password_file": str(tmp_path / "passwords"),
        }
        found = await answers(settings_of(tmp_path / "data", gateways=gateways))
        assert found["trust: gateways"].level == level
        assert found["gateways"].level == "ok"
        (tmp_path / "passwords").unlink()
        assert (await answers(settings_of(tmp_path / "data", gateways=gateways)))["gateways"].level == "problem"
    assert (await answers(settings_of(tmp_path / "data", gateways=gateways)))["port: gateways"].level == "problem"


async def test_a_gateway_that_could_not_start_or_read_its_spool_is_told(tmp_path: Path) -> None:
    edge = {"url": f"mqtt://127.0.0.1:{free_port()}", "gateway": "gw-1"}
    machines = [{"site": site, "line": "l", "machine": "M1"} for site in ("a", "b")]
    settings = settings_of(tmp_path, edge=edge, machines=machines)
    async with Spool.open(settings.spool_dir, "edge") as spool:
        await spool.put(Batch.of_lists([NOW_US], [1], [1.0], [0]))
    found = await answers(settings)
    assert "a gateway is of one site" in found["edge machines"].found
    assert "signals.json is not there" in found["edge signals"].found


def test_a_database_that_nothing_reaches_any_more_is_said() -> None:
    now = datetime.now(UTC)
    assert _newest("x", now, now - timedelta(hours=1), collects=True).level == "warning"
    assert _newest("x", now, now - timedelta(hours=1), collects=False).level == "ok"
    assert _newest("x", now, now - timedelta(seconds=9), collects=True).level == "ok"


@pytest.mark.parametrize(("password", "level"), [(PASSWORD, "ok"), ("wrong", "problem")])
async def test_a_log_in_at_an_opcua_server_is_really_tried(
    press: SecuredPlant,
    tmp_path: Path,
    password: str,
    level: str,
) -> None:
    source = OpcUaSource(name="press", url=press.url, user="li", password=password)
    settings = settings_of(tmp_path / "data", opcua=[source.model_dump()])
    CertificateStore(settings.pki_dir).trust(Certificate.of(press.certificate_file.read_bytes()))
    async with press.serving():
        found = await answers(settings)
    assert found["log-in: press"].level == level, found["log-in: press"]
    assert PASSWORD not in str(found)


async def test_a_gateway_is_asked_about_its_link(mosquitto: EmbeddedBroker, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, edge=EdgeSettings(url=mosquitto.url, gateway="gw-1").model_dump())
    async with Spool.open(settings.spool_dir, "edge") as spool:
        await spool.put(Batch.of_lists([NOW_US], [1], [1.0], [0]))
    found = await answers(settings)
    assert "database" not in found
    assert found["log-in: edge link"].level == "ok"
    assert "does not run" in found["edge link"].found
    status = {"connected": True, "waiting_bytes": 5_000_000, "dropped": 0, "last_error": ""}
    now = int(datetime.now(UTC).timestamp() * 1e6)
    for last_us, dropped, level, words in (
        (now - 3_000_000, 0, "ok", "last forwarded 3 s ago; 5.0 MB waiting"),
        (now - 3_000_000, 7, "warning", "7 readings given up"),
        (now - 600_000_000, 0, "warning", "nothing is acknowledged"),
    ):
        RunDirectory(tmp_path).prepare()
        RunDirectory(tmp_path).write(
            "edge", {"at": now + 5_000_000, "link": status | {"last_forwarded_us": last_us, "dropped": dropped}}
        )
        answer = (await answers(settings))["edge link"]
        assert answer.level == level
        assert words in answer.found + answer.fix


def test_clocks_may_differ_by_seconds() -> None:
    assert clock_answer("x", -1.0).level == "ok"
    assert clock_answer("x", timedelta(minutes=2).total_seconds()).level == "warning"


def test_the_command_prints_json_and_exits_with_1_on_a_problem(tmp_path: Path) -> None:
    environment = {**os.environ, "BRAIN_DATA_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "brain", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    items = json.loads(done.stdout.splitlines()[-1])["items"]
    assert done.returncode == 1
    assert {item["check"]: item["level"] for item in items}["database"] == "problem"
