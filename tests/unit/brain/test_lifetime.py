"""A service ends when it is told to, whatever its bodies make of a cancellation."""

import asyncio

import pytest

from brain.services import run_until_told


async def test_a_body_that_takes_a_cancellation_for_an_error_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brain.services.lifetime._AGAIN_S", 0.01)
    told = asyncio.Event()
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 2:
                    raise

    asyncio.get_running_loop().call_later(0.02, told.set)
    async with asyncio.timeout(5):
        await run_until_told(stubborn(), told=told)
    assert swallowed == 3


async def test_what_a_body_raises_ends_the_others_and_is_raised() -> None:
    async def fails() -> None:
        raise OSError("no disk")

    async def waits() -> None:
        await asyncio.sleep(60)

    with pytest.raises(OSError, match="no disk"):
        await run_until_told(waits(), fails(), told=asyncio.Event())
