"""What commands share: the data directory option, running a body, printing JSON."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
import typer

from brain.failure import Failure

Result = TypeVar("Result")

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="where spool, database and broker live")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object as the last line")]


def print_json(content: Any) -> None:
    sys.stdout.write(orjson.dumps(content, default=str).decode() + "\n")


def run_body(body: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's body; a Failure inside a task group is a Failure."""
    try:
        return asyncio.run(body)
    except BaseExceptionGroup as group:
        failures, rest = group.split(Failure)
        if failures is not None and rest is None:
            found: BaseException = failures
            while isinstance(found, BaseExceptionGroup):
                found = found.exceptions[0]
            raise found from None
        raise
