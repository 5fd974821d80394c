"""Calls in parts: everything is asked once, in order, however little a server takes."""

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from collectors.opcua_limits import in_parts


@given(st.integers(0, 60), st.integers(1, 50), st.integers(1, 50))
async def test_a_server_that_takes_less_than_it_says_is_asked_for_less(items: int, most: int, taken: int) -> None:
    answered: list[int] = []

    async def call(part: object) -> list[int]:
        numbers = list(part)  # type: ignore[call-overload]
        if len(numbers) > taken:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadTooManyOperations)
        answered.extend(numbers)
        return [-number for number in numbers]

    assert await in_parts(range(items), most, call) == [-number for number in range(items)]
    assert answered == list(range(items))


async def test_other_refusals_are_told() -> None:
    async def call(_part: object) -> list[int]:
        raise ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid)

    with pytest.raises(ua.UaStatusCodeError):
        await in_parts([1, 2], 10, call)
