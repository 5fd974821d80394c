"""What a session at a broker is asked for with: who we are, whom we trust, what is to be kept for us."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PORTS = {"mqtt": 1883, "mqtts": 8883}


class Refused(OSError):
    """The broker does not take us; the message says why."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM format.

    ca_file: certificates to trust; None: those of the system
    certificate_file, key_file: our own certificate, where the broker asks for one
    """

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or newer, the broker's name checked. Raises :class:`Refused` naming a file that is of no use."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as problem:
            raise Refused(f"ca_file {self.ca_file} holds no certificates that can be read: {problem}") from problem
        if self.certificate_file is not None and self.key_file is not None:
            try:
                context.load_cert_chain(self.certificate_file, self.key_file)
            except (OSError, ssl.SSLError) as problem:
                files = f"certificate_file {self.certificate_file} and key_file {self.key_file}"
                raise Refused(f"{files} are no certificate and its key: {problem}") from problem
        return context


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us, retained and with QoS 1, should we end without saying so."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """How to connect.

    receive_maximum: messages on their way to us before one is acknowledged (the broker's limit under 3.1.1)
    max_payload: of longer messages only the beginning is handed on [bytes]
    session_expiry_s: how long the broker keeps the session; 0 for none
    reconnect: whether the client connects again by itself and sends unacknowledged messages again
    tls: whom to trust and who we are, for URLs that begin with mqtts://
    will: what others are told if we end without a word
    """

    client_id: str
    receive_maximum: int = 500
    max_payload: int = 262_144
    session_expiry_s: int = 0
    reconnect: bool = False
    tls: Tls = field(default_factory=Tls)
    will: Will | None = None


def url_without_password(url: str) -> str:
    """The URL as it may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or PORTS[parts.scheme]}"
