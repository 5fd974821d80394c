"""The service that follows what machines do: states, stops and their ends."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np

from analytics.indicators import indicators
from analytics.operation import GAP_US, MINUTE_US, Interval, count_standstills, state_intervals
from analytics.repetition import repeat
from analytics.states import StateCode, classify_states
from analytics.window import SignalIndex, pivot_readings, pivot_rollup
from historian import (
    Connection,
    Database,
    Machine,
    StateRow,
    end_downtime,
    load_current_states,
    load_machines,
    load_planned_stops,
    minutes_span,
    open_downtime,
    read_readings,
    read_rollup,
    replace_states,
    set_states,
)
from plant import MICROSECONDS, template_library, to_datetime, to_microseconds

_LIVE_S = 15
_MACHINES_US = 10 * MICROSECONDS
_MOST_MINUTES = 1440


class OperationService:
    """States of all machines.

    clock: wall time in microseconds since the epoch; tick_s: seconds between two looks
    """

    def __init__(self, database: Database, clock: Callable[[], int], tick_s: float = 3.0) -> None:
        self._database = database
        self._clock = clock
        self._tick_s = tick_s
        self._machines: list[Machine] = []
        self._base: dict[int, Interval] = {}
        self._shown: dict[int, tuple[str, int]] = {}
        self._look_after = 0

    async def run(self) -> None:
        """Follow until cancelled; a database that is away is tried again."""
        await repeat(
            self._database, self.tick, every_s=self._tick_s, forget=self._forget, event="operation_not_followed"
        )

    def _forget(self) -> None:
        self._machines, self._base, self._look_after = [], {}, 0

    async def tick(self, connection: Connection) -> None:
        """Follow everything once: whole minutes into intervals, the newest seconds into the state of now."""
        now = self._clock()
        if now >= self._look_after:
            await self._look_for_machines(connection)
            self._look_after = now + _MACHINES_US
        for machine in self._machines:
            while await self._follow_minutes(connection, machine):
                pass
        await self._show_now(connection, now)

    async def _look_for_machines(self, connection: Connection) -> None:
        self._machines = await load_machines(connection)
        known = await load_current_states(connection)
        for machine in self._machines:
            if machine.id in self._base or machine.id not in known:
                continue
            row = known[machine.id]
            # What a standstill counts as is decided anew; underneath it is a standstill.
            state = "stopped" if row.state in ("down", "maintenance") else row.state
            self._base[machine.id] = Interval(to_microseconds(row.started_at), to_microseconds(row.ended_at), state)

    async def _follow_minutes(self, connection: Connection, machine: Machine) -> bool:
        """Take a day of new minutes in; whether there may be more."""
        before = self._base.get(machine.id)
        ids = list(machine.signal_ids.values())
        span = await minutes_span(connection, ids)
        if span is None:
            return False
        start = before.end if before is not None else to_microseconds(span[0])
        if to_microseconds(span[1]) < start:
            return False
        end = min(start + _MOST_MINUTES * MINUTE_US, to_microseconds(span[1]) + MINUTE_US)
        rollup = await read_rollup(connection, ids, to_datetime(start), to_datetime(end), "1min")
        steps = (end - start) // MINUTE_US
        index = SignalIndex.of([machine])
        values = pivot_rollup(rollup, index, start, MINUTE_US, steps)[0]
        codes = _codes(machine, {key: values[column] for column, key in enumerate(index.keys)})
        minutes = [(start + number * MINUTE_US, int(code)) for number, code in enumerate(codes)]
        intervals = state_intervals(minutes, before)
        reached = end < to_microseconds(span[1])
        if not intervals:
            return reached
        if intervals[-1] != before:
            await self._store(connection, machine, intervals)
        self._base[machine.id] = intervals[-1]
        return reached and intervals[-1] != before

    async def _store(self, connection: Connection, machine: Machine, intervals: Sequence[Interval]) -> None:
        template = template_library()[machine.template]
        first = to_datetime(intervals[0].start)
        stops = (await load_planned_stops(connection, first)).get(machine.id, [])
        planned = [(to_microseconds(since), to_microseconds(until)) for since, until in stops]
        counted = count_standstills(intervals, template.standstill_s(machine.nameplate), planned)
        rows = [StateRow(to_datetime(entry.start), to_datetime(entry.end), entry.state) for entry in counted]
        async with connection.transaction():
            await replace_states(connection, machine.id, machine.tenant_id, rows)
            for number, entry in enumerate(counted):
                if entry.state not in ("down", "maintenance"):
                    continue
                began = to_datetime(entry.start)
                await open_downtime(
                    connection, machine.tenant_id, machine.id, began, planned=entry.state == "maintenance"
                )
                # A stop ends when the machine is seen to do something else; losing sight of it is no end.
                if number + 1 < len(counted):
                    await end_downtime(connection, machine.id, began, to_datetime(entry.end))

    async def _show_now(self, connection: Connection, now: int) -> None:
        """The state of this moment, from the newest readings; off-line where there are none."""
        start = (now // MICROSECONDS - _LIVE_S) * MICROSECONDS
        horizon = timedelta(seconds=_LIVE_S + 5)
        batch = await read_readings(connection, None, to_datetime(start), to_datetime(start) + horizon)
        index = SignalIndex.of(self._machines)
        window = pivot_readings(batch, index, start, MICROSECONDS, _LIVE_S + 5)
        changed = []
        for row, machine in enumerate(self._machines):
            signals = window.of_machine(index, row)
            known = _codes(machine, signals)
            known = known[known != StateCode.UNKNOWN]
            base = self._base.get(machine.id)
            if len(known):
                state = StateCode(int(known[-1])).name.lower()
            elif base is not None and now - base.end <= GAP_US:
                state = base.state  # sends once a minute: the last minute still holds
            else:
                state = "off_line"
            since = self._since(machine, state, base, now)
            state = self._counted(machine, state, since, now)
            if self._shown.get(machine.id) != (state, since):
                self._shown[machine.id] = (state, since)
                changed.append((machine.id, machine.tenant_id, state, to_datetime(since)))
        if changed:
            await set_states(connection, changed)

    def _since(self, machine: Machine, state: str, base: Interval | None, now: int) -> int:
        shown = self._shown.get(machine.id)
        same = {"down": "stopped", "maintenance": "stopped"}
        if shown is not None and same.get(shown[0], shown[0]) == state:
            return shown[1]
        if base is not None and base.state == state:
            return base.start
        if state == "off_line" and base is not None:
            return base.end
        return now

    @staticmethod
    def _counted(machine: Machine, state: str, since: int, now: int) -> str:
        allowed = template_library()[machine.template].standstill_s(machine.nameplate) * MICROSECONDS
        return "down" if state == "stopped" and now - since > allowed else state


def _codes(
    machine: Machine, signals: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]]
) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    found = indicators(machine.template, machine.nameplate, signals)
    return classify_states(template_library()[machine.template], machine.nameplate, found)
