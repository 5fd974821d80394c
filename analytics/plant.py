"""The machines that all services of analytics look at, and their newest seconds, read once for all."""

import asyncio
from collections.abc import Callable

from analytics.window import LiveReadings
from historian import Connection, Machine, load_machines


class LivePlant:
    """Loads the machines whenever they have changed.

    revision: a number that is another one after every change (:class:`historian.PlantWatch`)
    """

    def __init__(self, revision: Callable[[], int]) -> None:
        self._revision = revision
        self._seen = -1
        self._edition = 0
        self._lock = asyncio.Lock()
        self.machines: list[Machine] = []
        self.live = LiveReadings([])

    async def look(self, connection: Connection) -> int:
        """Bring the machines up to date; the number of their edition, which changes with them."""
        async with self._lock:
            revision = self._revision()
            if revision != self._seen:
                machines = await load_machines(connection)
                if machines != self.machines or not self._edition:
                    self.machines, self.live = machines, LiveReadings(machines)
                    self._edition += 1
                self._seen = revision
            return self._edition
