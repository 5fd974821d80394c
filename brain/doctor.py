"""`brain doctor`: what a service engineer would ask on the phone, each answer with what to do about it."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

import asyncpg

from brain.endpoints import ENDPOINTS
from brain.rundir import RunDirectory
from brain.settings import Settings
from collectors import CertificateStore
from historian import Database, Position, load_positions, pending_migrations
from ingest import inspect_spool

Level = Literal["ok", "warning", "problem"]

_REACH_S = 5.0
_LEAST_FREE = 2e9
_LATE_S = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and what to do where it is not well."""

    check: str
    level: Level
    found: str
    fix: str = ""


async def examine(settings: Settings) -> AsyncIterator[Answer]:
    """Every check in turn; none of them changes anything."""
    yield _disk(settings)
    positions: Mapping[str, Position] = {}
    url = settings.database_url or RunDirectory(settings.data_dir).read(ENDPOINTS).get("database_url")
    if not url:
        yield Answer(
            "database", "problem", "none is set, and none runs here", "start `brain run`, or set BRAIN_DATABASE_URL"
        )
    else:
        answer, positions = await _database(str(url))
        yield answer
    for found in await asyncio.to_thread(_spool, settings, positions, bool(url)):
        yield found
    for answer in _certificates(settings):
        yield answer
    for source in [*settings.mqtt, *settings.sparkplug, *settings.opcua]:
        yield await _reachable(f"source {source.name}", source.url)


def _disk(settings: Settings) -> Answer:
    existing = next(path for path in (settings.data_dir, *settings.data_dir.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    level: Level = "ok" if free > _LEAST_FREE else "warning"
    fix = "make room, or lower spool_max_gb: a full disk holds collectors back" if level != "ok" else ""
    return Answer("disk", level, f"{free / 1e9:.1f} GB free below {settings.data_dir}", fix)


def _certificates(settings: Settings) -> list[Answer]:
    """Dates of OPC UA certificates; none before security is used."""
    store = CertificateStore(settings.pki_dir)
    known = [(f"OPC UA server {one.subject}", one) for one in store.trusted()]
    if store.own_certificate_file.is_file():
        known.append(("OPC UA, our own", store.own()))
    answers = []
    for whose, certificate in known:
        warning = certificate.expiry_warning("it", datetime.now(UTC))
        ours = whose.endswith("own")
        fix = (
            "`brain onboard certificate --renew`, then let every server trust it"
            if ours
            else "have the server's renewed"
        )
        answers.append(
            Answer(f"certificate: {whose}", "warning", warning, fix)
            if warning
            else Answer(f"certificate: {whose}", "ok", f"valid until {certificate.expires:%Y-%m-%d}")
        )
    return answers


async def _database(url: str) -> tuple[Answer, Mapping[str, Position]]:
    try:
        async with (
            asyncio.timeout(_REACH_S * 2),
            Database.open(url, max_size=1) as database,
            database.connection() as connection,
        ):
            missing = await pending_migrations(connection)
            if missing:
                found = f"{database.edition}, schema lacks {', '.join(missing)}"
                return Answer("database", "problem", found, "run `brain migrate`"), {}
            positions = await load_positions(connection)
            return Answer("database", "ok", str(database.edition)), positions
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        words = f"does not answer: {type(problem).__name__}: {problem}"
        fix = "check that it runs and that BRAIN_DATABASE_URL is right; collecting goes on into the spool"
        return Answer("database", "problem", words, fix), {}


def _spool(settings: Settings, positions: Mapping[str, Position], known: bool) -> list[Answer]:
    answers = []
    for lane in inspect_spool(settings.spool_dir, positions):
        words = f"{lane.waiting_readings:,} of {lane.readings:,} readings waiting in {lane.segments} segments"
        level: Level = "ok"
        fix = ""
        if not known or (not positions and lane.waiting_readings):
            words += " (how far the database is, is not known)"
        elif lane.oldest_us is not None and (age := time.time() - lane.oldest_us / 1e6) > _LATE_S:
            level, words = "warning", f"{words}, the oldest for {age:,.0f} s"
            fix = "the writer is behind or does not run: look at `brain ingest` and its log"
        if lane.torn:
            words += f"; {len(lane.torn)} with a torn end (a crash; what was torn was never acknowledged)"
        if lane.foreign:
            level, words = "problem", f"{words}; not ours or of another version: {', '.join(map(str, lane.foreign))}"
            fix = "the writer waits there: write them with the version they came from, or move the files away"
        answers.append(Answer(f"spool {lane.lane}", level, words, fix))
    return answers or [Answer("spool", "ok", f"empty: nothing was collected below {settings.spool_dir} yet")]


async def _reachable(check: str, url: str) -> Answer:
    parts = urlsplit(url)
    default = {"mqtt": 1883, "mqtts": 8883, "opc.tcp": 4840}
    port = parts.port or default.get(parts.scheme, 0)
    try:
        async with asyncio.timeout(_REACH_S):
            _, writer = await asyncio.open_connection(parts.hostname, port)
        writer.close()
    except (OSError, TimeoutError) as problem:
        words = f"{parts.hostname}:{port} cannot be reached: {type(problem).__name__} {problem}".strip()
        return Answer(check, "problem", words, "check address, port, cable and firewall; is the device switched on?")
    return Answer(check, "ok", f"{parts.hostname}:{port} takes connections")
