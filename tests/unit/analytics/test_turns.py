"""On a large plant nobody is forgotten: every machine comes in turn, and those in trouble every time."""

from typing import Any

import numpy as np
import pytest

from analytics import conditions
from analytics.conditions import MachineJudge
from analytics.window import LiveReadings, Window
from historian import Machine
from plant import MICROSECONDS, template_library

NOW = 1_795_000_000 * MICROSECONDS
COUNT = 1000


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> MachineJudge:
    """A judge of many motors that has no time at all, and notes whom it judged."""
    template = template_library()["motor"]
    nameplate = template.complete_nameplate({})
    machines = [Machine(n, 1, "s", "UTC", "l", f"m{n}", "motor", nameplate, {"speed": n}) for n in range(1, COUNT + 1)]
    made = MachineJudge("motor", machines, LiveReadings(machines))
    seen: list[int] = []

    async def window(_connection: Any, now: int) -> Window:
        values = np.ones((COUNT, 1, 76), np.float32)
        return Window(
            now - 75 * MICROSECONDS, MICROSECONDS, values, np.zeros((COUNT, 1), int), np.ones((COUNT, 1), int)
        )

    async def judged(_connection: Any, row: int, *_: Any) -> int:
        seen.append(row)
        return row

    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(conditions, "_SHARE", 0.0)
    monkeypatch.setattr(conditions, "store_conditions", nothing)
    monkeypatch.setattr(made._live, "refresh", window)
    monkeypatch.setattr(made, "_judge", judged)
    monkeypatch.setattr(made, "_load_minutes", nothing)
    made.seen = seen  # type: ignore[attr-defined]
    return made


async def _tick(judge: MachineJudge, number: int) -> list[int]:
    judge.seen.clear()  # type: ignore[attr-defined]
    await judge.tick(None, NOW + number * 3 * MICROSECONDS)
    return list(judge.seen)  # type: ignore[attr-defined]


async def test_everybody_in_turn(judge: MachineJudge) -> None:
    rounds = [await _tick(judge, number) for number in range(5)]
    assert sorted(row for judged in rounds for row in judged) == list(range(COUNT))


@pytest.mark.parametrize("trouble", [3, 900])
async def test_those_in_trouble_hold_nobody_up(judge: MachineJudge, trouble: int) -> None:
    for row in range(trouble):
        judge._cases[row + 1].opened("bearing_wear_de", 1)
    rounds = [await _tick(judge, number) for number in range(6)]
    assert {row for judged in rounds for row in judged} == set(range(COUNT))
    if trouble < 200:
        assert all(set(range(trouble)) <= set(judged) for judged in rounds)
