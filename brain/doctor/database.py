"""The historian: whether it answers, which edition it is, and whether its writer keeps up."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from datetime import UTC, datetime

import asyncpg

from brain.doctor.answer import REACH_S, Answer, clock_answer
from historian import Database, Position, load_positions, pending_migrations, read_clock

_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


async def database(url: str, positions: MutableMapping[str, Position]) -> AsyncIterator[Answer]:
    """Edition, schema, newest commit and clock; ``positions`` is filled with those of the spool's lanes."""
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
            newest = "nothing committed yet" if committed_at is None else f"newest commit {_age(now, committed_at)} ago"
            yield Answer("database", "ok", f"{opened.edition}, {newest}")
            yield clock_answer("database", (now - ours).total_seconds())
    except _AWAY as problem:
        words = f"does not answer: {type(problem).__name__}: {problem}"
        fix = "check that it runs and that BRAIN_DATABASE_URL is right; collecting goes on into the spool"
        yield Answer("database", "problem", words, fix)


def _age(now: datetime, then: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"
