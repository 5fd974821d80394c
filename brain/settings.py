"""Settings: one TOML file and BRAIN_* variables; a variable wins over the file."""

import os
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from brain.edge.settings import EdgeSettings
from brain.failure import Failure
from brain.gateways import GatewaySettings
from collectors import MqttSource, OpcUaSource, SparkplugSource, Targets, set_targets
from plant import MachineSpec, template_library


class MachineSettings(BaseModel):
    """A ``[[machines]]`` entry: a machine to register at start."""

    model_config = ConfigDict(extra="forbid")

    site: str = Field(description="key of the site, part of topics and addresses")
    line: str = Field(description="line in the site (ISA-95 work centre)")
    machine: str = Field(description="key of the machine, unique in its site")
    name: str = Field("", description="what people call it; else its key")
    template: str = Field("motor", description="machine type, a file in plant/templates")
    area: str = Field("", description="area of the site (ISA-95)")
    nameplate: dict[str, float | str] = Field(
        default_factory=dict, description="fields of the template's nameplate; the rest take its defaults"
    )
    downtime_cost_per_h: float = Field(0.0, description="what an hour of unplanned standstill costs")
    site_name: str = Field("", description="what people call the site; else its key")
    time_zone: str = Field("UTC", description="IANA time zone of the site, for shifts and display")
    currency: str = Field("CNY", description="ISO 4217 code of all costs of the site")
    replacement_value: float = Field(0.0, ge=0, description="what the machine would cost new; 0: not known")
    numerically_controlled: bool = Field(False, description="whether a numerical control runs it")

    def spec(self) -> MachineSpec:
        """The entry as the plant's own type; raises :class:`Failure` where template or nameplate is wrong."""
        template = template_library().get(self.template)
        if template is None:
            raise Failure(
                f"machine {self.site}/{self.machine}: template {self.template!r} is not known; "
                f"known are {', '.join(template_library())}"
            )
        template.complete_nameplate(self.nameplate)
        values = self.model_dump()
        return MachineSpec(**{**values, "name": self.name or self.machine})


_VARIABLE = re.compile(r"\$\{(\w+)\}")


class _SettingsFile(TomlConfigSettingsSource):
    """The settings file; ``${NAME}`` in a text is an environment variable, so that passwords stay out of it."""

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        content: dict[str, Any] = _filled(super()._read_file(file_path), file_path)
        return content


def _filled(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return {key: _filled(entry, path) for key, entry in value.items()}
    if isinstance(value, list):
        return [_filled(entry, path) for entry in value]
    if not isinstance(value, str):
        return value
    for name in _VARIABLE.findall(value):
        if name not in os.environ:
            raise Failure(f"settings file {path} asks for the environment variable {name}, which is not set")
    return _VARIABLE.sub(lambda match: os.environ[match[1]], value)


class Settings(BaseSettings):
    """Everything that can be set. Lists of tables are ``[[opcua]]``, ``[[mqtt]]``, ``[[sparkplug]]`` and
    ``[[machines]]``."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_", extra="forbid")

    data_dir: Path = Field(Path("var/brain"), description="spool, embedded database and broker live here")
    database_url: str | None = Field(None, description="replaces the embedded PostgreSQL")
    mqtt_url: str | None = Field(None, description="replaces the embedded broker")
    tenant: str = Field("default", description="whose data this is")
    admin_password: str | None = Field(None, description="password of the account admin; else generated")
    host: str = Field("127.0.0.1", description="address on which API and console listen")
    port: int = Field(8000, ge=1, le=65535, description="port of API and console")
    retention_days: int = Field(400, ge=1, description="older readings are refused and partitions dropped")
    tenant_retention_days: dict[str, int] = Field(
        default_factory=dict, description="tenants whose readings are kept for a shorter time"
    )
    spool_max_gb: float = Field(20.0, gt=0, description="spool size from which collectors are held back")
    workers: int = Field(1, ge=1, le=64, description="processes that collect, and as many that write")
    time_ahead_s: float = Field(300.0, gt=0, description="readings further in the future are quarantined")
    log_level: str = Field("warning", description="debug, info, warning or error")
    opcua: list[OpcUaSource] = Field(default_factory=list, description="OPC UA servers to collect from")
    mqtt: list[MqttSource] = Field(default_factory=list, description="brokers to collect from")
    sparkplug: list[SparkplugSource] = Field(
        default_factory=list, description="brokers with Sparkplug B edge nodes to collect from"
    )
    machines: list[MachineSettings] = Field(default_factory=list, description="machines to register")
    cloud: bool = Field(
        False,
        description="people who are not trusted enter addresses of sources: only public ones are reached",
    )
    allowed_targets: tuple[str, ...] = Field(
        (), description="in a cloud: networks, addresses and names (*.plant.example) that are reached all the same"
    )
    edge: EdgeSettings = Field(default_factory=EdgeSettings, description="`brain edge`: how a gateway forwards")
    gateways: GatewaySettings = Field(
        default_factory=GatewaySettings, description="in the cloud: how gateways are let in"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line over environment over file."""
        sources: list[PydanticBaseSettingsSource] = [init_settings, env_settings]
        path = settings_file()
        if path is not None:
            sources.append(_SettingsFile(settings_cls, toml_file=path))
        return tuple(sources)

    @property
    def spool_dir(self) -> Path:
        """Where spool lanes live."""
        return self.data_dir / "spool"

    @property
    def edge_dir(self) -> Path:
        """Where a gateway keeps its credential and how far it has forwarded."""
        return self.data_dir / "edge"

    @property
    def pki_dir(self) -> Path:
        """Where our OPC UA certificate and the trust list live."""
        return self.data_dir / "pki"


def settings_file() -> Path | None:
    """The file that BRAIN_CONFIG names, or ./brain.toml where there is one."""
    named = os.environ.get("BRAIN_CONFIG")
    if named:
        path = Path(named)
        if not path.is_file():
            raise Failure(f"settings file {path} is not there: check BRAIN_CONFIG or --config")
        return path
    path = Path("brain.toml")
    return path if path.is_file() else None


def load_settings(**given: Any) -> Settings:
    """Settings with the command line's values on top; raises :class:`Failure` naming each wrong key.

    From then on this process connects only to what they allow.
    """
    try:
        settings = Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as problem:
        where = settings_file() or "the environment (BRAIN_*)"
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in problem.errors()]
        raise Failure(f"settings in {where} are not right: " + "; ".join(lines)) from problem
    except ValueError as problem:
        raise Failure(f"settings file {settings_file()} cannot be read: {problem}") from problem
    set_targets(Targets(settings.cloud, settings.allowed_targets))
    return settings.model_copy(update={"data_dir": settings.data_dir.absolute()})
