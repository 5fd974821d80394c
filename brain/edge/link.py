"""Where a gateway forwards to and who it is there: by the settings, or by the credential of its enrolment."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from brain.edge.settings import EdgeSettings
from brain.failure import Failure
from collectors import Connection, SessionOptions, Tls, connect, url_without_password

WINDOW = 16
"""Messages on their way to the broker at most."""

_CREDENTIAL = "credential.json"
_AUTHORITY = "ca.pem"


class Credential(msgspec.Struct, frozen=True):
    """What an enrolment gave.

    ca: certificates to trust in PEM, empty for those of the system
    cloud_url: where it was enrolled, for `brain doctor`
    """

    gateway: str
    site: str
    broker_url: str
    user: str
    password: str
    ca: str = ""
    cloud_url: str = ""

    def store(self, folder: Path) -> None:
        """Keep it for its owner's eyes alone; raises ``OSError``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.write(folder / _CREDENTIAL)

    def write(self, path: Path) -> None:
        """Write it to a file that only its owner may read; raises ``OSError``."""
        scratch = path.with_suffix(".tmp")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode(self))
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)

    @classmethod
    def of(cls, folder: Path) -> "Credential | None":
        """The stored one; None before enrolment. Raises :class:`Failure` for a file that is damaged."""
        path = folder / _CREDENTIAL
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as problem:
            raise Failure(f"{path} is no credential ({problem}): enrol anew with `brain edge enrol`") from problem


@dataclass(frozen=True, slots=True)
class Link:
    """A broker and our name there; ``site`` is empty where nothing binds us to one."""

    url: str
    gateway: str
    site: str = ""
    tls: Tls = field(default_factory=Tls)

    @property
    def shown(self) -> str:
        """The address without what is secret."""
        return url_without_password(self.url)

    def session(self, suffix: str = "") -> SessionOptions:
        """How to connect; with a suffix beside a connection that is in use."""
        return SessionOptions(f"{self.gateway}{suffix}", receive_maximum=WINDOW, tls=self.tls)

    @asynccontextmanager
    async def opened(
        self, on_published: Callable[[int, Any], None], on_end: Callable[[str], None]
    ) -> AsyncIterator[Connection]:
        """A connection; callbacks come in its own thread. Raises ``OSError`` where the broker does not take us."""
        given_up = threading.Event()
        connecting = asyncio.create_task(
            asyncio.to_thread(
                connect, self.url, self.session(), on_published=on_published, on_end=on_end, given_up=given_up
            )
        )
        try:
            connection = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            given_up.set()  # the thread closes what it opens
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(asyncio.to_thread(connection.close))


def link_of(settings: EdgeSettings, folder: Path) -> Link:
    """The settings' broker, else that of the enrolment; raises :class:`Failure` without either."""
    credential = Credential.of(folder)
    if settings.url is not None:
        tls = Tls(settings.ca_file, settings.certificate_file, settings.key_file)
        gateway = settings.gateway or (credential.gateway if credential else None)
        if gateway is None:
            raise Failure("[edge] has a url, so it needs `gateway` too: the name by which the cloud knows this gateway")
        return Link(settings.url, gateway, credential.site if credential else "", tls)
    if credential is None:
        raise Failure(
            "this gateway is not enrolled: get a token from `brain edge token --site SITE` in the cloud, then run "
            "`brain edge enrol --url https://... --token ...` here; or name a broker as `url` in [edge]"
        )
    parts = urlsplit(credential.broker_url)
    address = parts.netloc.rpartition("@")[2]
    login = f"{quote(credential.user, safe='')}:{quote(credential.password, safe='')}"
    authorities = None
    if credential.ca:
        authorities = folder / _AUTHORITY
        if not authorities.is_file() or authorities.read_text(encoding="ascii") != credential.ca:
            authorities.write_text(credential.ca, encoding="ascii")
    tls = Tls(authorities)
    return Link(f"{parts.scheme}://{login}@{address}", credential.gateway, credential.site, tls)
