"""When it is worth learning from which machine: once it has seen enough, and anew when it is another one since."""

import heapq
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

from historian import Connection, Machine, changed_machines
from plant import MICROSECONDS

_ASK_EVERY_US = 60 * MICROSECONDS
# How long learning may hold up judging.
_LEARN_S = 2.0


class LearningSchedule:
    """Machines in the order in which they are due, soonest first; all of them at once in the beginning."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self._machines = machines
        self._rows = {machine.id: row for row, machine in enumerate(machines)}
        self._due = [(0, row) for row in range(len(machines))]
        # Since when a machine is another one: mended, or found to be as it should be.
        self._changed: dict[int, datetime] = {}
        self._asked_until = datetime.fromtimestamp(0, UTC)
        self._ask_at = 0

    def changed(self, machine_id: int) -> datetime | None:
        """Since when a machine is another one, as far as it is known."""
        return self._changed.get(machine_id)

    def is_outdated(self, machine_id: int, learnt_from: datetime | None) -> bool:
        """Whether a machine has changed since the time from which on it was learnt (None: not at all)."""
        changed = self._changed.get(machine_id)
        return learnt_from is not None and changed is not None and learnt_from < changed

    async def run(
        self,
        connection: Connection,
        now: int,
        learnt_from: Callable[[int], datetime | None],
        learn: Callable[[Machine], Awaitable[int | None]],
    ) -> None:
        """Learn from machines that are due, as many as fit into a moment: others want to be judged.

        now: wall time [us]; learnt_from: machine id -> start of its baseline, None for one without a model
        learn: gives in which time to look at the machine again [us], None for not before it changes
        """
        await self._notice_changes(connection, now, learnt_from)
        began = time.monotonic()
        while self._due and self._due[0][0] <= now and time.monotonic() - began < _LEARN_S:
            _, row = heapq.heappop(self._due)
            again_us = await learn(self._machines[row])
            if again_us is not None:
                heapq.heappush(self._due, (now + again_us, row))

    async def _notice_changes(
        self, connection: Connection, now: int, learnt_from: Callable[[int], datetime | None]
    ) -> None:
        if now < self._ask_at:
            return
        self._ask_at = now + _ASK_EVERY_US
        for machine_id, since in (await changed_machines(connection, self._asked_until)).items():
            self._asked_until = max(self._asked_until, since)
            if machine_id not in self._rows or self._changed.get(machine_id) == since:
                continue
            self._changed[machine_id] = since
            if self.is_outdated(machine_id, learnt_from(machine_id)):
                heapq.heappush(self._due, (now, self._rows[machine_id]))
