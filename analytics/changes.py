"""Machines that are other ones since: mended, or found to be as they should be. What was normal is learnt anew."""

from datetime import UTC, datetime

from historian import Connection, changed_machines
from plant import MICROSECONDS

_ASK_EVERY_US = 60 * MICROSECONDS


class Changes:
    """Asks for answered findings from time to time, and remembers when each machine changed last."""

    def __init__(self) -> None:
        self._since: dict[int, datetime] = {}
        self._asked_until = datetime.fromtimestamp(0, UTC)
        self._ask_at = 0

    async def notice(self, connection: Connection, now: int) -> list[int]:
        """Ids of machines that have changed since the last look; now: wall time [us]."""
        if now < self._ask_at:
            return []
        self._ask_at = now + _ASK_EVERY_US
        changed = []
        for machine_id, since in (await changed_machines(connection, self._asked_until)).items():
            self._asked_until = max(self._asked_until, since)
            if self._since.get(machine_id) != since:
                self._since[machine_id] = since
                changed.append(machine_id)
        return changed

    def since(self, machine_id: int) -> datetime | None:
        """When a machine changed last, as far as it is known."""
        return self._since.get(machine_id)
