"""deploy/ names nothing that does not exist, and the checks that say so do find what is wrong."""

import copy
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from paho.mqtt.client import topic_matches_sub

from api import ApiSettings, create_app
from brain.edge import Link
from brain.failure import Failure
from brain.services.edge import site_of
from brain.services.sources import require_sources
from brain.settings import load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def load_script(path: Path) -> ModuleType:
    """A script of this repository as a module."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


deploy = load_script(DEPLOY / "check.py")
Parts = Any
Check = Callable[[Parts], Iterator[str]]


@pytest.mark.parametrize("check", deploy.CHECKS, ids=lambda check: check.__name__)
def test_deploy_names_only_what_exists(check: Check) -> None:
    assert list(check(deploy.read_parts())) == []


# ---------------------------------------------------------------- the checks find what is wrong


def changed(change: Callable[[dict[str, Any]], object], text: Callable[[str], str] = str) -> Parts:
    """The parts as they are, with the Compose file changed."""
    parts = deploy.read_parts()
    compose = copy.deepcopy(parts.compose)
    change(compose["services"])
    return deploy.Parts(**{**vars(parts), "compose": compose, "compose_text": text(parts.compose_text)})


WRONG_COMPOSE: list[tuple[Check, Callable[[dict[str, Any]], object], str]] = [
    (deploy.check_images, lambda s: s["grafana"].update(image="grafana/grafana:latest"), "not pinned"),
    (deploy.check_images, lambda s: s["mosquitto"].update(image="eclipse-mosquitto"), "not pinned"),
    (deploy.check_images, lambda s: s["serve"].update(image="industry-brain:9.9.9"), "not industry-brain:"),
    (deploy.check_paths, lambda s: s["mosquitto"]["volumes"].append("./nowhere:/x"), "./nowhere is not there"),
    (
        deploy.check_paths,
        lambda s: s["grafana-role"].update(entrypoint=["/timescaledb/x.sh"]),
        "x.sh, which is not there",
    ),
    (deploy.check_paths, lambda s: s["serve"]["build"].update(dockerfile="Dockerfile"), "names no Dockerfile"),
    (deploy.check_commands, lambda s: s["collect"].update(command=["gather"]), "no command 'gather'"),
    (deploy.check_commands, lambda s: s["serve"].update(command=["serve", "--prot=1"]), "no option --prot=1"),
    (deploy.check_settings, lambda s: s["serve"]["environment"].update(BRAIN_PROT="1"), "BRAIN_PROT is not a setting"),
    (
        deploy.check_secrets,
        lambda s: s["grafana"]["environment"].update(GF_SECURITY_ADMIN_PASSWORD="admin"),
        "from .env",
    ),
    (
        deploy.check_secrets,
        lambda s: s["serve"]["environment"].update(BRAIN_DATABASE_URL="postgresql://brain:x@timescaledb:5432/brain"),
        "holds a password",
    ),
    (
        deploy.check_references,
        lambda s: s["serve"].update(volumes=["brian:/var/lib/brain"]),
        "volume brian is not defined",
    ),
    (deploy.check_references, lambda s: s["serve"].update(networks=["front"]), "network front is not defined"),
    (deploy.check_references, lambda s: s["grafana"].update(volumes=[]), "volume grafana is used by nobody"),
    (deploy.check_references, lambda s: s["timescaledb"].pop("healthcheck"), "has no health check"),
    (deploy.check_references, lambda s: s["migrate"].update(restart="always"), "started again for ever"),
    (
        deploy.check_references,
        lambda s: s["serve"]["depends_on"].update(redis={"condition": "x"}),
        "redis, which is not",
    ),
    (deploy.check_upkeep, lambda s: s["grafana"].pop("restart"), "no restart policy"),
    (deploy.check_upkeep, lambda s: s["grafana"].pop("logging"), "fill the disk"),
    (deploy.check_upkeep, lambda s: s["grafana"].pop("healthcheck"), "has no health check"),
    (deploy.check_ports, lambda s: s["timescaledb"].update(ports=["5432:5432"]), "open to the network"),
    (deploy.check_ports, lambda s: s["mosquitto"].update(ports=["0.0.0.0:1883:1883"]), "open to the network"),
    (deploy.check_ports, lambda s: s["mosquitto"].update(ports=["127.0.0.1:9883:9883"]), "publishes 9883, but listens"),
    (deploy.check_ports, lambda s: s["serve"]["environment"].update(BRAIN_PORT="9000"), "listens on 9000"),
    (deploy.check_ports, lambda s: s["serve"]["environment"].pop("BRAIN_HOST"), "beyond its container"),
    (
        deploy.check_addresses,
        lambda s: s["ingest"].update(environment={"BRAIN_DATABASE_URL": "postgresql://brain@database:5432/brain"}),
        "no service is called database",
    ),
    (deploy.check_addresses, lambda s: s["ingest"].update(networks=["field"]), "share no network"),
    (
        deploy.check_addresses,
        lambda s: s["ingest"].update(environment={"BRAIN_DATABASE_URL": "postgresql://brain@timescaledb:5433/brain"}),
        "listens on 5432, not 5433",
    ),
    (
        deploy.check_broker,
        lambda s: s["mosquitto"].update(volumes=["./mosquitto:/mosquitto/config"]),
        "no volume that lasts",
    ),
    (
        deploy.check_broker,
        lambda s: s["mosquitto"]["volumes"].remove("gateways:/mosquitto/gateways:ro"),
        "tls.conf: certfile",
    ),
    (deploy.check_data_source, lambda s: s["grafana"]["environment"].pop("GRAFANA_DATABASE_PASSWORD"), "is not given"),
]


@pytest.mark.parametrize(("check", "change", "problem"), WRONG_COMPOSE)
def test_a_wrong_compose_file_is_found(check: Check, change: Callable[[dict[str, Any]], object], problem: str) -> None:
    assert any(problem in found for found in check(changed(change)))


def test_a_variable_that_nobody_explains_is_found() -> None:
    found = list(deploy.check_variables(changed(lambda _: None, lambda text: text + "# ${A:?why} ${B:-1} ${C}")))
    assert [problem.split()[-1] for problem in found[:2]] == ["A", "1"]
    assert "${C} may be empty" in found[2]


def test_a_password_in_the_example_is_found() -> None:
    parts = deploy.read_parts()
    wrong = deploy.Parts(**{**vars(parts), "environment": {**parts.environment, "POSTGRES_PASSWORD": "x", "LEFT": ""}})
    assert list(deploy.check_variables(wrong)) == [
        ".env.example gives POSTGRES_PASSWORD a value",
        ".env.example: LEFT is used nowhere",
    ]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("USER brain\n", "", "runs as root"),
        ("COPY plant/ plant/\n", "", "room plant is not copied"),
        ("COPY plant/ plant/", "COPY plants/ plants/", "copies plants/, which is not there"),
        ("COPY plant/ plant/", "COPY docs/ docs/", "keeps docs/ from the builder"),
        ('CMD ["serve"]', 'CMD ["server"]', "no command 'server'"),
        ('ENTRYPOINT ["brain"]', 'ENTRYPOINT ["brian"]', "not a command of the project"),
        ("--require-hashes --only-binary=:all: -r requirements.txt", "-r requirements.txt", "no hash vouches for"),
        ("-r requirements.txt", "-r requirements-dev.txt", "development packages"),
    ],
)
def test_a_wrong_dockerfile_is_found(before: str, after: str, problem: str) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert before in text
    wrong = deploy.Parts(
        **{**vars(deploy.read_parts()), "dockerfile": deploy.read_dockerfile(text.replace(before, after))}
    )
    assert any(problem in found for found in deploy.check_dockerfile(wrong))


def test_a_broker_that_drops_messages_is_found() -> None:
    parts = deploy.read_parts()
    wrong = deploy.Parts(**{**vars(parts), "broker": [w for w in parts.broker if w[0] != "max_queued_messages"]})
    assert list(deploy.check_broker(wrong)) == ["mosquitto.conf: max_queued_messages must be 0, not None"]


# ---------------------------------------------------------------- files that are checked against code alone


def test_the_build_requirements_are_those_of_the_lock_file() -> None:
    def entries(name: str) -> dict[str, str]:
        blocks = re.findall(
            r"^([a-z][\w.-]*==[^ ]+).*\\\n((?: +--hash=.*\n?)+)", (ROOT / name).read_text(), re.MULTILINE
        )
        return {requirement: " ".join(hashes.split()) for requirement, hashes in blocks}

    building = entries("deploy/requirements-build.txt")
    locked = entries("requirements-dev.txt")
    assert {requirement.split("==")[0] for requirement in building} >= {"hatchling", "packaging", "tomlkit"}
    assert building == {requirement: locked.get(requirement) for requirement in building}


def test_grafana_may_read_only_what_the_schema_has_and_never_readings_themselves() -> None:
    schema = " ".join(path.read_text() for path in (ROOT / "historian" / "migrations").glob("*.sql"))
    made = set(re.findall(r"create (?:table|view) (?:if not exists )?(\w+)", schema))
    script = (DEPLOY / "timescaledb" / "grafana_role.sql").read_text()
    granted = {
        name
        for names in re.findall(r"grant select on ([\w,\s]+) to", script)
        for name in re.split(r"[,\s]+", names.strip())
    }
    assert granted <= made
    assert "tenant_reading" in granted
    assert not granted & {"reading", "reading_1min", "reading_1h", "user_account", "access_token", "normal_model"}


def test_the_settings_file_is_taken_and_its_broker_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = deploy.read_parts()
    collect = parts.services["collect"]
    for name in [key for key in os.environ if key.startswith("BRAIN_")]:
        monkeypatch.delenv(name)
    for name, value in collect["environment"].items():
        monkeypatch.setenv(name, deploy.default(value))
    monkeypatch.setenv("BRAIN_CONFIG", str(deploy.on_host(collect["environment"]["BRAIN_CONFIG"], collect)))
    settings = load_settings()
    assert settings.mqtt
    for source in settings.mqtt:
        assert list(deploy.address_problems(source.name, source.url, "collect", parts)) == []
        readable = re.findall(r"^topic (?:read|readwrite) (.+)$", parts.access, re.MULTILINE)
        for topic in source.topics:
            example = topic.replace("+", "x").replace("#", "x")
            assert any(topic_matches_sub(pattern, example) for pattern in readable), topic


def test_the_health_check_asks_for_a_route_that_exists() -> None:
    app = create_app(ApiSettings(database_url="postgresql://localhost/none", console=False))
    asked = re.findall(r":8000(/\w+)", (DEPLOY / "Dockerfile").read_text())
    assert asked
    assert set(asked) <= app.openapi()["paths"].keys()


def test_the_gateways_settings_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_CONFIG", str(ROOT / "deploy" / "edge" / "edge.toml"))
    settings = load_settings()
    require_sources(settings)
    assert site_of(settings, Link("mqtts://broker", "gw-1", "shangyu")) == "shangyu"
    with pytest.raises(Failure, match="enrolled for site"):
        site_of(settings, Link("mqtts://broker", "gw-1", "elsewhere"))


def test_the_gateways_unit_runs_what_there_is() -> None:
    unit = (ROOT / "deploy" / "edge" / "brain-edge.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    words = command.split()
    assert words[:3] == ["/opt/brain/bin/brain", "--config", "/etc/brain/edge.toml"]
    assert list(deploy.command_problems("unit", words[3:])) == []
