"""`brain doctor` in an installation: each ill is found, named, and comes with what to do."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from brain.doctor import Answer, examine
from brain.doctor.answer import clock_answer
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


async def test_all_is_well(database_url: str, mosquitto: EmbeddedBroker, plant: OpcUaPlant, tmp_path: Path) -> None:
    await plant.start(M1=["current_u"])
    mqtt = {"name": "hall", "url": mosquitto.url, "client_id": "collector"}
    opcua = {"name": "press", "url": plant.url}
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
    assert levels == {"database": "problem", "port: hall": "problem", "name: press": "problem"}


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
