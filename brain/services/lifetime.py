"""When a service ends: on SIGTERM or SIGINT, or when the supervisor that holds its standard input is gone."""

import asyncio
import faulthandler
import os
import signal
import sys
from collections.abc import Coroutine, Iterable
from typing import Any

_AGAIN_S = 1.0


def until_told_to_stop() -> asyncio.Event:
    """An event that is set when this process should end. Call it inside the running loop, once."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGUSR1, _say_where_everything_is)
    if os.environ.get("BRAIN_SUPERVISED") == "1":

        def parent_gone() -> None:
            if not os.read(sys.stdin.fileno(), 1024):
                loop.remove_reader(sys.stdin.fileno())
                told.set()

        loop.add_reader(sys.stdin.fileno(), parent_gone)
    return told


def _say_where_everything_is() -> None:
    """For a service engineer: `kill -USR1` writes what every task and thread is doing to the log."""
    faulthandler.dump_traceback(sys.stderr)
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)
    sys.stderr.flush()


async def run_until_told(*bodies: Coroutine[Any, Any, None], told: asyncio.Event | None = None) -> None:
    """Run all bodies until the process is told to stop, then cancel them; an error in one ends all.

    Raises what the failing body raised.
    """
    told = told or until_told_to_stop()
    tasks = [asyncio.create_task(body) for body in bodies]
    waiting = asyncio.create_task(told.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancelled([waiting, *tasks])
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended.

    Once is not enough: a library that is cleaning up a broken connection may answer a cancellation with an
    error of its own, and who retries after errors would then go on for ever.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
