"""The cloud's side of gateways: where they are sent to, and how mosquitto learns who they are."""

import asyncio
import os
import re
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from brain.failure import Failure
from collectors import is_mqtt_url

_OURS = re.compile(rb"gw-[0-9a-f]{12}:")
# One process, one rewrite at a time; between processes the database's lock sees to that.
_writing = threading.Lock()


class GatewaySettings(BaseModel):
    """How gateways are let in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broker_url: str | None = Field(
        None, description="the broker as gateways reach it, mqtts://address:port; without it none is let in"
    )
    broker_ca_file: Path | None = Field(None, description="certificates that gateways trust there, told to them (PEM)")
    password_file: Path | None = Field(
        None, description="mosquitto's password_file; lines of gateways in it are ours, all others are kept"
    )
    pid_file: Path | None = Field(
        None, description="mosquitto's pid_file: it is told to read again; none: something else tells it"
    )

    @field_validator("broker_url")
    @classmethod
    def _mqtt(cls, url: str | None) -> str | None:
        if url is not None and not is_mqtt_url(url):
            raise ValueError("must look like mqtts://address:port or mqtt://address:port")
        if url is not None and "@" in url:
            raise ValueError("must not hold a user or password: every gateway gets its own")
        return url

    @property
    def lets_in(self) -> bool:
        """Whether enrolment is set up."""
        return self.broker_url is not None and self.password_file is not None

    def authorities(self) -> str:
        """The content of ``broker_ca_file``; raises :class:`Failure` where it cannot be read."""
        if self.broker_ca_file is None:
            return ""
        try:
            return self.broker_ca_file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as problem:
            raise Failure(f"[gateways] broker_ca_file {self.broker_ca_file} cannot be read: {problem}") from problem

    async def tell_broker(self, accounts: Sequence[tuple[str, str]]) -> None:
        """Have the broker take exactly these gateways; raises ``OSError``."""
        if self.password_file is not None:
            await asyncio.to_thread(write_accounts, self.password_file, accounts, self.pid_file)


def write_accounts(path: Path, accounts: Sequence[tuple[str, str]], pid_file: Path | None) -> None:
    """Put (user, hash) lines into mosquitto's password file in one step; everybody else's lines stay.

    Raises ``OSError``.
    """
    with _writing:
        try:
            lines = path.read_bytes().splitlines()
            before = path.stat()
        except FileNotFoundError:
            lines, before = [], None
        kept = [line for line in lines if line.strip() and not _OURS.match(line)]
        ours = [f"{user}:{broker_hash}".encode() for user, broker_hash in accounts]
        scratch = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(b"".join(line + b"\n" for line in [*kept, *ours]))
            file.flush()
            os.fsync(file.fileno())
        if before is not None:
            scratch.chmod(before.st_mode & 0o777)
            if before.st_uid != os.geteuid():
                os.chown(scratch, before.st_uid, before.st_gid)  # the broker must still be able to read it
        scratch.replace(path)
    if pid_file is not None:
        try:
            os.kill(int(pid_file.read_text()), signal.SIGHUP)
        except (ValueError, ProcessLookupError, FileNotFoundError):
            return  # it does not run: it reads the file when it starts
