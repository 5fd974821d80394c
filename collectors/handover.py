"""Hands readings to a sink until it takes them: what a source has given is never let go of because of a full disk."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from plant import Batch, Rejected, Sink

log = structlog.get_logger()

_RETRY_S = 0.5


async def hand_over(
    sink: Sink, batch: Batch, rejected: Sequence[Rejected], source: str, note_refusal: Callable[[str], None]
) -> None:
    """Return when the sink has everything; ``note_refusal`` is told each time why it has not. Cancelled like a put."""
    said = ""
    while True:
        try:
            await sink.put(batch, rejected)
        except OSError as problem:
            if said != str(problem):
                log.error("sink_takes_nothing", source=source, reason=str(problem))
            said = str(problem)
            note_refusal(said)
            await asyncio.sleep(_RETRY_S)
        else:
            return
