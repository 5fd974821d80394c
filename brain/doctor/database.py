"""The historian: whether it answers, which edition it is, and whether its writer keeps up."""

import asyncio
import socket
from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime, timedelta

import asyncpg

from brain.doctor.answer import REACH_S, Answer, clock_answer
from historian import Database, Position, load_positions, pending_migrations, read_clock

_SILENT = timedelta(minutes=10)
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def database(
    url: str, positions: MutableMapping[str, Position], *, collects: bool = False
) -> AsyncIterator[Answer]:
    """Edition, schema, newest commit and clock; ``positions`` is filled with those of the spool's lanes.

    collects: sources are set, so that something should come
    """
    try:
        async with (
            asyncio.timeout(REACH_S * 2),
            Database.open(url, max_size=1) as opened,
            opened.connection() as connection,
        ):
            missing = await pending_migrations(connection)
            if missing:
                found = f"{opened.edition}, schema lacks {', '.join(missing)}"
                yield Answer("database", "problem", found, "run `brain migrate`")
                return
            positions.update(await load_positions(connection))
            before = datetime.now(UTC)
            now, committed_at = await read_clock(connection)
            ours = before + (datetime.now(UTC) - before) / 2
            yield _newest(str(opened.edition), now, committed_at, collects=collects)
            yield clock_answer("database", (now - ours).total_seconds())
    except _AWAY as problem:
        words = f"does not answer: {type(problem).__name__}: {problem}"
        yield Answer("database", "problem", words, f"{_fix(problem)}; collecting goes on into the spool")


def _newest(edition: str, now: datetime, committed_at: datetime | None, *, collects: bool) -> Answer:
    if committed_at is None:
        return Answer("database", "ok", f"{edition}, nothing committed yet")
    words = f"{edition}, newest commit {_age(now, committed_at)} ago"
    if collects and now - committed_at > _SILENT:
        fix = "what waits in the spool says whether `brain ingest` is behind; else no device sends, or nobody collects"
        return Answer("database", "warning", words, fix)
    return Answer("database", "ok", words)


def _fix(problem: BaseException) -> str:
    """What to do about a database that does not answer, by how it does not."""
    if isinstance(problem, socket.gaierror):
        return "its name does not resolve: check the spelling in BRAIN_DATABASE_URL and this host's name servers"
    if isinstance(problem, asyncpg.InvalidAuthorizationSpecificationError):
        return "check user and password in BRAIN_DATABASE_URL, and pg_hba.conf at the server"
    if isinstance(problem, asyncpg.InvalidCatalogNameError):
        return "the server has no such database: check the name in BRAIN_DATABASE_URL, or create it"
    if isinstance(problem, asyncpg.TooManyConnectionsError):
        return "all its connections are taken: raise max_connections, or end what holds them"
    if isinstance(problem, TimeoutError):
        return "it is overloaded, or a firewall swallows what is sent: check the way to it and its load"
    if isinstance(problem, ConnectionRefusedError):
        return "nothing listens there: start it, or check address and port in BRAIN_DATABASE_URL"
    return "check that it runs and that BRAIN_DATABASE_URL is right"


def _age(now: datetime, then: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"
