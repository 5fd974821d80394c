"""The running condition service: every few seconds all machines are judged on what has come in."""

from collections.abc import Callable

from analytics.conditions import MachineJudge
from analytics.departures import DepartureJudge
from analytics.repetition import repeat
from historian import Connection, Database, Machine, load_machines
from plant import MICROSECONDS, template_library

_MACHINES_US = 10 * MICROSECONDS


class ConditionService:
    """Alarms, models, findings, health and risk of all machines.

    clock: wall time in microseconds since the epoch; tick_s: seconds between two judgements
    """

    def __init__(self, database: Database, clock: Callable[[], int], tick_s: float = 3.0) -> None:
        self._database = database
        self._clock = clock
        self._tick_s = tick_s
        self._machines: list[Machine] = []
        self._judges: list[MachineJudge | DepartureJudge] = []
        self._look_after = 0

    async def run(self) -> None:
        """Judge until cancelled; a database that is away is tried again."""
        await repeat(
            self._database, self.tick, every_s=self._tick_s, forget=self._forget, event="conditions_not_judged"
        )

    def _forget(self) -> None:
        self._judges, self._machines, self._look_after = [], [], 0

    async def tick(self, connection: Connection) -> None:
        """Judge everything once."""
        now = self._clock()
        if now >= self._look_after:
            await self._look_for_machines(connection)
            self._look_after = now + _MACHINES_US
        for judge in self._judges:
            await judge.learn_missing(connection, now)
            await judge.tick(connection, self._clock())

    async def _look_for_machines(self, connection: Connection) -> None:
        machines = await load_machines(connection)
        if machines == self._machines:
            return
        self._machines = machines
        self._judges = []
        for key in sorted({machine.template for machine in machines}):
            group = [machine for machine in machines if machine.template == key]
            expects = bool(template_library()[key].behaviour.expectations)
            judge = MachineJudge(key, group) if expects else DepartureJudge(key, group)
            await judge.begin(connection)
            self._judges.append(judge)
