"""Does deploy/ name only what exists? Holds it against the code; no container engine is needed.

    python deploy/check.py            # prints what is wrong and exits 1, or says nothing

A check takes what deploy/ says (:class:`Parts`) and yields problems in words; tests/unit/test_deploy.py runs
them all and shows for each that it finds what is wrong.
"""

import ipaddress
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import typer
import yaml

from brain.cli import app
from brain.settings import Settings

DEPLOY = Path(__file__).parent
ROOT = DEPLOY.parent
OUR_IMAGE = "industry-brain"
VARIABLE = re.compile(r"\$\{(\w+)(?:(:[?-])([^}]*))?\}")
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


@dataclass(frozen=True)
class Parts:
    """What deploy/ says, read."""

    compose: dict[str, Any]
    compose_text: str
    environment: dict[str, str]  # .env.example: name -> value, commented ones with a leading "# "
    dockerfile: list[tuple[str, str]]  # instruction, arguments
    broker: list[list[str]]  # directives of mosquitto.conf
    broker_tls: list[list[str]]  # and of tls.conf
    access: str
    data_sources: dict[str, Any]
    dashboards: dict[str, Any]

    @property
    def services(self) -> dict[str, dict[str, Any]]:
        services: dict[str, dict[str, Any]] = self.compose["services"]
        return services


def read_parts() -> Parts:
    provisioning = DEPLOY / "grafana" / "provisioning"
    text = (DEPLOY / "docker-compose.yml").read_text()
    return Parts(
        compose=yaml.safe_load(text),
        compose_text=text,
        environment=dict(re.findall(r"^((?:# )?[A-Z_]+)=(.*)$", (DEPLOY / ".env.example").read_text(), re.MULTILINE)),
        dockerfile=read_dockerfile((DEPLOY / "Dockerfile").read_text()),
        broker=read_directives((DEPLOY / "mosquitto" / "mosquitto.conf").read_text()),
        broker_tls=read_directives((DEPLOY / "mosquitto" / "tls.conf").read_text()),
        access=(DEPLOY / "mosquitto" / "access.acl").read_text(),
        data_sources=yaml.safe_load((provisioning / "datasources" / "historian.yaml").read_text()),
        dashboards=yaml.safe_load((provisioning / "dashboards" / "industry-brain.yaml").read_text()),
    )


def read_directives(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def read_dockerfile(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def command_options(words: list[str]) -> tuple[str, set[str]]:
    """The click command that ``brain <words>`` reaches, and its options; ``LookupError`` for an unknown one."""
    command: Any = typer.main.get_command(app)
    path = ["brain"]
    for word in words:
        if not hasattr(command, "commands") or word.startswith("-"):
            break
        if word not in command.commands:
            raise LookupError(f"`{' '.join(path)}` has no command {word!r}")
        command = command.commands[word]
        path.append(word)
    return " ".join(path), {option for parameter in command.params for option in parameter.opts}


def command_problems(where: str, words: list[str]) -> Iterator[str]:
    try:
        name, options = command_options(words)
    except LookupError as problem:
        yield f"{where}: {problem}"
        return
    for word in words:
        if word.startswith("--") and word.split("=")[0] not in options:
            yield f"{where}: `{name}` has no option {word}"


def is_ours(service: Mapping[str, Any]) -> bool:
    return "build" in service


def binds(service: Mapping[str, Any]) -> dict[str, str]:
    """Bind mounts: path in the container -> path beside docker-compose.yml."""
    return {
        volume.split(":")[1]: volume.split(":")[0] for volume in service.get("volumes", []) if volume.startswith(".")
    }


def named_by(service: Mapping[str, Any]) -> list[str]:
    """Where a container sees volumes with a name."""
    return [volume.split(":")[1] for volume in service["volumes"] if not volume.startswith(".")]


def on_host(path: str, service: Mapping[str, Any]) -> Path | None:
    """The file of this repository that a container sees at ``path``; None where it is the image's own."""
    for target, source in binds(service).items():
        if PurePosixPath(path).is_relative_to(target):
            return DEPLOY / source / PurePosixPath(path).relative_to(target)
    return None


def networks(service: Mapping[str, Any]) -> set[str]:
    return set(service.get("networks", []))


def check_images(parts: Parts) -> Iterator[str]:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {name: service["image"] for name, service in parts.services.items()}
    bases = [value.split()[0] for instruction, value in parts.dockerfile if instruction == "FROM"]
    for where, image in [*images.items(), *(("Dockerfile", base) for base in bases)]:
        tag = image.partition(":")[2]
        if not re.match(r"v?\d+\.\d+\.\d+", tag):
            yield f"{where}: image {image} is not pinned to a full version"
    for name, service in parts.services.items():
        if is_ours(service) and service["image"] != f"{OUR_IMAGE}:{version}":
            yield f"{name}: image {service['image']} is not {OUR_IMAGE}:{version} of pyproject.toml"


def check_paths(parts: Parts) -> Iterator[str]:
    for name, service in parts.services.items():
        if is_ours(service):
            context = (DEPLOY / service["build"]["context"]).resolve()
            if not (context / service["build"]["dockerfile"]).is_file():
                yield f"{name}: {service['build']} names no Dockerfile"
        for source in binds(service).values():
            if not (DEPLOY / source).exists():
                yield f"{name}: {source} is not there"
        named = [*service.get("entrypoint", []), *(str(v) for v in service.get("environment", {}).values())]
        for path in named:
            file = on_host(path, service) if path.startswith("/") else None
            if file is not None and not file.is_file():
                yield f"{name}: {path} would be {file.relative_to(DEPLOY)}, which is not there"


def check_commands(parts: Parts) -> Iterator[str]:
    for name, service in parts.services.items():
        if is_ours(service):
            yield from command_problems(name, service.get("command", []))


def check_settings(parts: Parts) -> Iterator[str]:
    known = {f"BRAIN_{field.upper()}" for field in Settings.model_fields} | {"BRAIN_CONFIG"}
    for name, service in parts.services.items():
        for variable in service.get("environment", {}):
            if variable.startswith("BRAIN_") and variable not in known:
                yield f"{name}: {variable} is not a setting"
    for variable in [*VARIABLE.findall(parts.compose_text), *((key,) for key in parts.environment)]:
        plain = variable[0].removeprefix("# ")
        if plain.startswith("BRAIN_") and plain not in known:
            yield f"{plain} is not a setting"


def check_variables(parts: Parts) -> Iterator[str]:
    used = {name: (kind, text) for name, kind, text in VARIABLE.findall(parts.compose_text)}
    for name, (kind, text) in used.items():
        if kind == ":?":
            if name not in parts.environment:
                yield f".env.example lacks {name}"
            elif parts.environment[name]:
                yield f".env.example gives {name} a value"
        elif kind == ":-":
            if parts.environment.get(f"# {name}") != text:
                yield f".env.example does not show {name} with its default {text}"
        else:
            yield f"${{{name}}} may be empty without a word: say ${{{name}:?why}} or give a default"
    for name in parts.environment:
        if name.removeprefix("# ") not in used:
            yield f".env.example: {name} is used nowhere"


def check_secrets(parts: Parts) -> Iterator[str]:
    for name, service in parts.services.items():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable) and not re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)):
                yield f"{name}: {variable} must come from .env, without a default"
            password = urlsplit(VARIABLE.sub("$", str(value))).password if "://" in str(value) else None
            if password not in (None, "$"):
                yield f"{name}: {variable} holds a password"
    for source in parts.data_sources["datasources"]:
        for key, value in source.get("secureJsonData", {}).items():
            if not re.fullmatch(r"\$[A-Z_]+", value):
                yield f"data source {source['name']}: {key} must come from the environment"


def check_references(parts: Parts) -> Iterator[str]:
    declared = {key: set(parts.compose.get(key) or {}) for key in ("networks", "volumes")}
    named: dict[str, set[str]] = {"networks": set(), "volumes": set()}
    for name, service in parts.services.items():
        named["networks"] |= networks(service)
        mounted = {v.split(":")[0] for v in service.get("volumes", []) if not v.startswith((".", "/"))}
        named["volumes"] |= mounted
        for kind, keys in (("networks", networks(service)), ("volumes", mounted)):
            yield from (f"{name}: {kind[:-1]} {key} is not defined" for key in keys - declared[kind])
        if not networks(service):
            yield f"{name}: is on no network"
        for other, how in service.get("depends_on", {}).items():
            yield from dependency_problems(name, other, how["condition"], parts)
    for kind, keys in declared.items():
        yield from (f"{kind[:-1]} {key} is used by nobody" for key in keys - named[kind])


def dependency_problems(name: str, other: str, condition: str, parts: Parts) -> Iterator[str]:
    needed = parts.services.get(other)
    if needed is None:
        yield f"{name}: depends on {other}, which is not defined"
    elif condition == "service_healthy":
        check = needed.get("healthcheck")
        if (check is None and not is_ours(needed)) or (check or {}).get("disable"):
            yield f"{name}: waits for {other} to be healthy, which has no health check"
    elif condition == "service_completed_successfully" and needed["restart"] != "no":
        yield f"{name}: waits for {other} to end, which is started again for ever"


def check_upkeep(parts: Parts) -> Iterator[str]:
    for name, service in parts.services.items():
        if service.get("restart") not in ("unless-stopped", "no"):
            yield f"{name}: has no restart policy"
        if "max-size" not in service.get("logging", {}).get("options", {}):
            yield f"{name}: its log may fill the disk"
        if service.get("restart") != "no" and "healthcheck" not in service and not is_ours(service):
            yield f"{name}: has no health check"


def default(text: str) -> str:
    """A value of the Compose file with variables replaced by their defaults."""
    return VARIABLE.sub(lambda match: match[3] if match[2] == ":-" else "$", str(text))


def listening_ports(parts: Parts) -> dict[str, int]:
    """Where each service that others talk to listens: by its configuration, or by its image's default."""
    serve = parts.services["serve"]["environment"]
    return {
        "timescaledb": 5432,
        "grafana": 3000,
        "mosquitto": int(next(words[1] for words in parts.broker if words[0] == "listener")),
        "serve": int(serve.get("BRAIN_PORT", Settings.model_fields["port"].default)),
    }


def check_ports(parts: Parts) -> Iterator[str]:
    listening = listening_ports(parts)
    for name, service in parts.services.items():
        for published in service.get("ports", []):
            address, _, rest = default(published).rpartition(":")[0].partition(":")
            target = int(default(published).rpartition(":")[2])
            if not rest or not ipaddress.ip_address(address).is_loopback:
                yield f"{name}: {published} is open to the network by default"
            over_tls = name == "mosquitto" and ["listener", str(target)] in parts.broker_tls
            if listening.get(name) != target and not over_tls:
                yield f"{name}: publishes {target}, but listens on {listening.get(name)}"
    exposed = [int(value) for instruction, value in parts.dockerfile if instruction == "EXPOSE"]
    if exposed != [listening["serve"]]:
        yield f"Dockerfile: exposes {exposed}, serve listens on {listening['serve']}"
    for instruction, value in parts.dockerfile:
        if instruction == "HEALTHCHECK" and f":{listening['serve']}/readyz" not in value:
            yield "Dockerfile: its health check does not ask serve for /readyz"
    if parts.services["serve"]["environment"].get("BRAIN_HOST") != "0.0.0.0":
        yield "serve: does not listen beyond its container"


def address_problems(where: str, url: str, service: str, parts: Parts) -> Iterator[str]:
    """Whether ``service`` can reach ``url`` inside this Compose file."""
    split = urlsplit(default(url))
    host = str(split.hostname)
    if host not in parts.services:
        yield f"{where}: no service is called {host}"
        return
    if not networks(parts.services[host]) & networks(parts.services[service]):
        yield f"{where}: {service} and {host} share no network"
    if split.port != listening_ports(parts).get(host):
        yield f"{where}: {host} listens on {listening_ports(parts).get(host)}, not {split.port}"


def check_addresses(parts: Parts) -> Iterator[str]:
    for name, service in parts.services.items():
        for variable, value in service.get("environment", {}).items():
            if "://" in str(value):
                yield from address_problems(f"{name}: {variable}", str(value), name, parts)
    for source in parts.data_sources["datasources"]:
        yield from address_problems(f"data source {source['name']}", f"postgresql://{source['url']}", "grafana", parts)


def check_broker(parts: Parts) -> Iterator[str]:
    says = {words[0]: words[1] for words in parts.broker}
    for key, wanted in {"allow_anonymous": "false", "persistence": "true", "max_queued_messages": "0"}.items():
        if says.get(key) != wanted:
            yield f"mosquitto.conf: {key} must be {wanted}, not {says.get(key)}"
    for key in ("max_inflight_messages", "max_packet_size", "max_queued_bytes"):
        if int(says.get(key, 0)) <= 0:
            yield f"mosquitto.conf: {key} must be set"
    service = parts.services["mosquitto"]
    for key in ("password_file", "persistence_location"):
        if not any(PurePosixPath(says[key]).is_relative_to(target) for target in named_by(service)):
            yield f"mosquitto.conf: {key} {says[key]} is on no volume that lasts"
    for key, path in (words for words in parts.broker_tls if words[0] in ("certfile", "keyfile")):
        if not any(PurePosixPath(path).is_relative_to(target) for target in named_by(service)):
            yield f"tls.conf: {key} {path} is on no volume that lasts"
    access = on_host(says["acl_file"], service)
    if access is None or not access.is_file():
        yield f"mosquitto.conf: acl_file {says['acl_file']} is not there"


def check_data_source(parts: Parts) -> Iterator[str]:
    grafana = parts.services["grafana"]
    for source in parts.data_sources["datasources"]:
        for value in source["secureJsonData"].values():
            if value[1:] not in grafana["environment"]:
                yield f"data source {source['name']}: Grafana is not given {value}"
        role = (DEPLOY / "timescaledb" / "grafana_role.sql").read_text()
        if f"alter role {source['user']} with login" not in role:
            yield f"data source {source['name']}: nobody creates the account {source['user']}"
    for provider in parts.dashboards["providers"]:
        folder = on_host(provider["options"]["path"], grafana)
        if folder is None or not folder.is_dir():
            yield f"dashboards {provider['name']}: {provider['options']['path']} is not there"


def check_dockerfile(parts: Parts) -> Iterator[str]:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    sources = [
        source
        for instruction, value in parts.dockerfile
        if instruction == "COPY" and "--from" not in value
        for source in value.split()[:-1]
    ]
    for source in sources:
        if not (ROOT / source).exists():
            yield f"Dockerfile: copies {source}, which is not there"
        if f"!{source}" not in ignored:
            yield f".dockerignore: keeps {source} from the builder"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    for missing in packages - {source.rstrip("/") for source in sources}:
        yield f"Dockerfile: room {missing} is not copied"
    final = [value for instruction, value in parts.dockerfile if instruction == "USER"]
    if not final or final[-1] in ("root", "0"):
        yield "Dockerfile: runs as root"
    said = dict(parts.dockerfile)
    if "HEALTHCHECK" not in said:
        yield "Dockerfile: has no health check"
    if json.loads(said["ENTRYPOINT"])[0] not in project["project"]["scripts"]:
        yield f"Dockerfile: {said['ENTRYPOINT']} is not a command of the project"
    yield from command_problems("Dockerfile", json.loads(said["CMD"]))
    for instruction, value in parts.dockerfile:
        for install in re.findall(r"pip install [^&]*", value) if instruction == "RUN" else []:
            words = shlex.split(install)
            if "--require-hashes" not in words and "--no-index" not in words:
                yield f"Dockerfile: `{install.strip()}` takes what no hash vouches for"
            if any("dev" in word for word in words):
                yield f"Dockerfile: `{install.strip()}` brings development packages"


CHECKS: list[Callable[[Parts], Iterator[str]]] = [
    check_images,
    check_paths,
    check_commands,
    check_settings,
    check_variables,
    check_secrets,
    check_references,
    check_upkeep,
    check_ports,
    check_addresses,
    check_broker,
    check_data_source,
    check_dockerfile,
]


def main() -> None:
    """Run every check on the files as they are."""
    parts = read_parts()
    problems = [problem for check in CHECKS for problem in check(parts)]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
