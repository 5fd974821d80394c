"""The running condition service: every few seconds machines are judged on what has come in."""

from collections.abc import Callable

from analytics.conditions import MachineJudge
from analytics.departures import DepartureJudge
from analytics.plant import LivePlant
from analytics.repetition import repeat
from historian import Connection, Database
from plant import template_library


class ConditionService:
    """Alarms, models, findings, health and risk of all machines.

    plant: the machines and their newest seconds; clock: wall time in microseconds since the epoch
    tick_s: seconds between two judgements
    """

    def __init__(self, database: Database, plant: LivePlant, clock: Callable[[], int], tick_s: float = 3.0) -> None:
        self._database = database
        self._plant = plant
        self._clock = clock
        self._tick_s = tick_s
        self._known = -1
        self._judges: list[MachineJudge | DepartureJudge] = []

    async def run(self) -> None:
        """Judge until cancelled; a database that is away is tried again."""
        await repeat(
            self._database, self.tick, every_s=self._tick_s, forget=self._forget, event="conditions_not_judged"
        )

    def _forget(self) -> None:
        self._judges, self._known = [], -1

    async def tick(self, connection: Connection) -> None:
        """Judge everything once."""
        edition = await self._plant.look(connection)
        if edition != self._known:
            await self._take_up(connection)
            self._known = edition
        for judge in self._judges:
            await judge.learn_missing(connection, self._clock())
            await judge.tick(connection, self._clock())

    async def _take_up(self, connection: Connection) -> None:
        self._judges = []
        for key in sorted({machine.template for machine in self._plant.machines}):
            group = [machine for machine in self._plant.machines if machine.template == key]
            expects = bool(template_library()[key].behaviour.expectations)
            judge = MachineJudge(key, group, self._plant.live) if expects else DepartureJudge(key, group)
            await judge.begin(connection)
            self._judges.append(judge)
