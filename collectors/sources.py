"""What a settings file says of a source: ``[[opcua]]``, ``[[mqtt]]`` and ``[[sparkplug]]`` tables."""

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from collectors.edge import EDGE_TOPICS
from collectors.mapping import Mapping, mapped_filters, state_filters
from collectors.pattern import checked_pattern


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
    factor: float = Field(1.0, allow_inf_nan=False, description="what the value is multiplied by, before anything else")
    offset: float = Field(0.0, allow_inf_nan=False, description="what is added after that, in the signal's unit")

    @field_validator("factor")
    @classmethod
    def _something_left(cls, factor: float) -> float:
        if not factor:
            raise ValueError("a factor of 0 leaves nothing of the value")
        return factor

    @field_validator("node")
    @classmethod
    def _by_uri(cls, node: str) -> str:
        if re.match(r"ns=0*[1-9]", node):
            raise ValueError(
                f"{node!r} names its namespace by index, which may change when the server is updated: "
                "write nsu=<namespace URI>;... as `brain collect --once` prints it"
            )
        return node


class OpcUaSampling(BaseModel):
    """How one signal is watched, where that differs from its source."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sampling_interval_ms: float | None = Field(None, ge=0, description="how often the server looks")
    queue_size: int | None = Field(None, ge=1, description="values the server keeps between two sendings")
    deadband: float = Field(0.0, ge=0, description="changes not larger than this are not sent [unit of the variable]")


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
    sampling: dict[str, OpcUaSampling] = Field(
        default_factory=dict, description="signal -> how it is watched, where that differs"
    )
    history: bool = Field(True, description="after a gap, read what is missing from the server's history")
    first_history_h: float = Field(
        1.0, ge=0, description="how far back history is read for a signal that nothing is stored of yet"
    )
    security_policy: Literal["None", "Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = Field(
        "None", description="how messages are protected; all but None need certificates trusted on both sides"
    )
    security_mode: Literal["Sign", "SignAndEncrypt"] = Field("SignAndEncrypt", description="with a policy")
    user: str = Field("", description="user name, where the server wants one")
    password: str = Field("", description="of that user; best as ${VARIABLE}")
    plain_password: bool = Field(False, description="allow the password on a line that is not encrypted")
    user_certificate_file: Path | None = Field(None, description="log in by certificate instead (DER or PEM)")
    user_key_file: Path | None = Field(None, description="private key of user_certificate_file (PEM)")

    @field_validator("url")
    @classmethod
    def _opc(cls, url: str) -> str:
        if urlsplit(url).scheme != "opc.tcp" or not urlsplit(url).hostname:
            raise ValueError("must look like opc.tcp://address:port/path")
        if urlsplit(url).username is not None:
            raise ValueError("must not hold a user or password: they have settings of their own")
        return url

    @field_validator("pattern")
    @classmethod
    def _places(cls, pattern: str) -> str:
        return checked_pattern(pattern)

    @model_validator(mode="after")
    def _identity(self) -> "OpcUaSource":
        if (self.user_certificate_file is None) != (self.user_key_file is None):
            raise ValueError("user_certificate_file and user_key_file go together")
        if self.user and self.user_certificate_file is not None:
            raise ValueError("log in by user or by user_certificate_file, not by both")
        if self.password and not self.user:
            raise ValueError("a password needs a user")
        return self


class BrokerSource(_Source):
    """What every source at an MQTT broker needs."""

    url: str = Field(description="mqtt://[user:password@]address:port, or mqtts:// for TLS")
    client_id: str
    receive_maximum: int = Field(5000, ge=1, le=65535, description="messages on their way before one is acknowledged")
    max_payload: int = Field(262_144, ge=64, description="larger messages go to quarantine [bytes]")
    ca_file: Path | None = Field(None, description="with mqtts: certificates to trust; else those of the system")
    certificate_file: Path | None = Field(None, description="with mqtts: our own certificate, where the broker asks")
    key_file: Path | None = Field(None, description="private key of certificate_file")

    @field_validator("url")
    @classmethod
    def _mqtt(cls, url: str) -> str:
        if not is_mqtt_url(url):
            raise ValueError("must look like mqtt://address:port or mqtts://address:port")
        return url

    @model_validator(mode="after")
    def _tls(self) -> Self:
        if not self.url.startswith("mqtts:") and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("certificates are for TLS: let the url begin with mqtts://")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        return self


class MqttSource(BrokerSource):
    """An MQTT broker whose devices speak the native topic and payload, or JSON that mappings explain."""

    client_id: str = Field("industry-brain", description="fixed: the broker keeps messages for this name")
    topics: tuple[str, ...] = Field(("ib/v1/+/+/readings", EDGE_TOPICS), description="what to subscribe to")
    mapped_topics: tuple[str, ...] | None = Field(
        None, description="what to subscribe to for mappings; none: what their topics say"
    )
    state_topics: tuple[str, ...] | None = Field(
        None, description="what to subscribe to for device states; none: ib/v1/+/+/state and what mappings say"
    )
    session_expiry_s: int = Field(7 * 86_400, ge=0, description="how long the broker keeps messages for us")
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


class SparkplugSource(BrokerSource):
    """An MQTT broker with edge nodes that speak Sparkplug B."""

    client_id: str = Field("industry-brain-sparkplug", description="our name at the broker; nobody else may bear it")
    groups: tuple[str, ...] = Field((), description="group ids to collect from; all where none is given")
    patterns: tuple[str, ...] = Field(
        ("{site}/{line}/{machine}/{signal}",),
        min_length=1,
        description="what group/edge node/device/metric means, parts of the metric's name apart; "
        "any name matches {any}, the first pattern that fits counts",
    )
    site: str = Field("", description="site, where the pattern does not say")
    machine: str = Field("", description="machine, where the pattern does not say")
    signals: dict[str, str] = Field(
        default_factory=dict, description="metric's name, whole or its last part -> signal, where they differ"
    )
    host_id: str = Field(
        "", description="host application id of which edge nodes are told that we are online; empty: tell nobody"
    )
    max_payload: int = Field(4_194_304, ge=64, description="larger messages go to quarantine [bytes]; births are large")
    rebirth_interval_s: float = Field(5.0, ge=1, description="least time between two rebirth requests to an edge node")

    @field_validator("patterns")
    @classmethod
    def _places(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(checked_pattern, patterns))

    @field_validator("groups")
    @classmethod
    def _ids(cls, groups: tuple[str, ...]) -> tuple[str, ...]:
        for group in groups:
            checked_id(group)
        return groups

    @field_validator("host_id")
    @classmethod
    def _id(cls, host_id: str) -> str:
        return checked_id(host_id) if host_id else host_id


def checked_id(name: str) -> str:
    """An id that may stand in a Sparkplug topic (4.1.2 to 4.1.5); raises ``ValueError`` for another."""
    if not name or not {"+", "#", "/"}.isdisjoint(name):
        raise ValueError(f"id {name!r} must not be empty or hold one of + # /")
    return name
