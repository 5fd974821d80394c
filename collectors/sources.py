"""What a settings file says of a source: ``[[opcua]]`` and ``[[mqtt]]`` tables."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collectors.mapping import Mapping, mapped_filters, state_filters

PLACES = ("site", "line", "machine", "signal")


def is_mqtt_url(url: str) -> bool:
    """Whether a broker can be reached by it."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"mqtt", "mqtts"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="what this source is called in status, logs and quarantine")
    url: str


class OpcUaNode(BaseModel):
    """One variable bound by hand: by namespace URI, because the index may change with a server's update."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    node: str = Field(description="node id, best as nsu=<namespace URI>;s=<name>")
    site: str = Field(description="site of the machine")
    machine: str = Field(description="machine it belongs to")
    signal: str = Field(description="signal of the machine's template")


class OpcUaSource(_Source):
    """An OPC UA server."""

    url: str = Field(description="opc.tcp://address:port/path")
    root: str = Field("Objects", description="folder below which variables are looked for, names joined by /")
    pattern: str = Field(
        "{site}/{line}/{machine}/{signal}",
        description="what the browse path below root means; any name matches {any}",
    )
    site: str = Field("", description="site, where the pattern does not say")
    machine: str = Field("", description="machine, where the pattern does not say")
    signals: dict[str, str] = Field(default_factory=dict, description="variable's name -> signal, where they differ")
    nodes: tuple[OpcUaNode, ...] = Field((), description="variables bound by hand instead of browsing")
    publishing_interval_ms: float = Field(500.0, gt=0, description="how often the server sends what changed")
    sampling_interval_ms: float = Field(0.0, ge=0, description="how often the server looks; 0 for every change")
    queue_size: int = Field(120, ge=1, description="values a signal the server keeps between two sendings")
    timeout_s: float = Field(10.0, gt=0, description="how long a request may take")
    history: bool = Field(True, description="after a gap, read what is missing from the server's history")

    @field_validator("url")
    @classmethod
    def _opc(cls, url: str) -> str:
        if urlsplit(url).scheme != "opc.tcp" or not urlsplit(url).hostname:
            raise ValueError("must look like opc.tcp://address:port/path")
        return url

    @field_validator("pattern")
    @classmethod
    def _places(cls, pattern: str) -> str:
        for part in pattern.split("/"):
            if not re.fullmatch(r"\{(site|line|machine|signal|any)\}|[^{}]+", part):
                raise ValueError(
                    f"part {part!r} must be a name or one of {{site}} {{line}} {{machine}} {{signal}} {{any}}"
                )
        if not pattern.endswith("{signal}"):
            raise ValueError("must end with {signal}")
        return pattern


class MqttSource(_Source):
    """An MQTT broker whose devices speak the native topic and payload, or JSON that mappings explain."""

    url: str = Field(description="mqtt://[user:password@]address:port, or mqtts:// for TLS")
    client_id: str = Field("industry-brain", description="fixed: the broker keeps messages for this name")
    topics: tuple[str, ...] = Field(("ib/v1/+/+/readings",), description="what to subscribe to")
    mapped_topics: tuple[str, ...] | None = Field(
        None, description="what to subscribe to for mappings; none: what their topics say"
    )
    state_topics: tuple[str, ...] | None = Field(
        None, description="what to subscribe to for device states; none: ib/v1/+/+/state and what mappings say"
    )
    receive_maximum: int = Field(5000, ge=1, le=65535, description="messages on their way before one is acknowledged")
    session_expiry_s: int = Field(7 * 86_400, ge=0, description="how long the broker keeps messages for us")
    max_payload: int = Field(262_144, ge=64, description="larger messages go to quarantine [bytes]")
    ca_file: Path | None = Field(None, description="with mqtts: certificates to trust; else those of the system")
    certificate_file: Path | None = Field(None, description="with mqtts: our own certificate, where the broker asks")
    key_file: Path | None = Field(None, description="private key of certificate_file")
    mappings: tuple[Mapping, ...] = Field((), description="how foreign JSON becomes readings; the first that fits")

    @property
    def reading_filters(self) -> tuple[str, ...]:
        """Subscriptions for readings, native and mapped, without repeats."""
        mapped = mapped_filters(self.mappings) if self.mapped_topics is None else self.mapped_topics
        return tuple(dict.fromkeys([*self.topics, *mapped]))

    @property
    def state_filters(self) -> tuple[str, ...]:
        """Subscriptions for device states, without repeats."""
        return state_filters(self.mappings) if self.state_topics is None else self.state_topics

    @field_validator("url")
    @classmethod
    def _mqtt(cls, url: str) -> str:
        if not is_mqtt_url(url):
            raise ValueError("must look like mqtt://address:port or mqtts://address:port")
        return url

    @model_validator(mode="after")
    def _tls(self) -> "MqttSource":
        if not self.url.startswith("mqtts:") and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("certificates are for TLS: let the url begin with mqtts://")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        return self
