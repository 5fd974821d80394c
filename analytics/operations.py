"""The service that follows what machines do: states, stops and their ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analytics.calendar import off_shift, shift_of
from analytics.indicators import Array, indicators
from analytics.operation import (
    GAP_US,
    MINUTE_US,
    Interval,
    count_standstills,
    note_stops,
    state_intervals,
    unsettled,
)
from analytics.plant import LivePlant
from analytics.repetition import repeat
from analytics.states import StateCode, classify_states
from analytics.window import SignalIndex, pivot_rollup
from historian import (
    Connection,
    Database,
    Machine,
    StateRow,
    end_downtime,
    extend_states,
    load_planned_stops,
    load_shifts_of,
    load_unsettled_states,
    minutes_span,
    open_downtime,
    read_rollup,
    replace_states,
    set_states,
)
from plant import MICROSECONDS, template_library, to_datetime, to_microseconds

_LIVE_S = 15
_MOST_MINUTES = 1440
# Machines followed one by one at every tick; more are followed together.
_ONE_BY_ONE = 50
# Of a large plant so many are looked at singly once the past of all is known.
_SEEN_AGAIN = 10
# A minute is rolled up a minute after it is over, and a little.
_ROLLED_UP_US = 75 * MICROSECONDS
_MOST_AT_ONCE = 10


class OperationService:
    """States of all machines.

    plant: the machines and their newest seconds; clock: wall time in microseconds since the epoch
    tick_s: seconds between two looks
    """

    def __init__(self, database: Database, plant: LivePlant, clock: Callable[[], int], tick_s: float = 3.0) -> None:
        self._database = database
        self._plant = plant
        self._clock = clock
        self._tick_s = tick_s
        # Of each machine the newest interval, and what before it is still judged with it.
        self._base: dict[int, list[Interval]] = {}
        self._shown: dict[int, tuple[str, int]] = {}
        self._known = -1
        self._alike: list[_Alike] = []
        # Machines whose minutes up to those that all share have been taken in one by one.
        self._caught_up: set[int] = set()
        self._next = 0
        self._reached = 0

    async def run(self) -> None:
        """Follow until cancelled; a database that is away is tried again."""
        await repeat(
            self._database, self.tick, every_s=self._tick_s, forget=self._forget, event="operation_not_followed"
        )

    def _forget(self) -> None:
        self._base, self._known = {}, -1

    async def tick(self, connection: Connection) -> None:
        """Follow everything once: whole minutes into intervals, the newest seconds into the state of now."""
        edition = await self._plant.look(connection)
        now = self._clock()
        if edition != self._known:
            await self._take_up(connection)
            self._known = edition
        machines = self._plant.machines
        if len(machines) > _ONE_BY_ONE:
            await self._follow_all(connection, now)
        known = len(machines) > _ONE_BY_ONE and len(self._caught_up) == len(machines)
        for _ in range(min(_SEEN_AGAIN if known else _ONE_BY_ONE, len(machines))):
            # In turn also where all are followed at once: what was late, or back-filled, is found here.
            machine = machines[self._next % len(machines)]
            self._next += 1
            while await self._follow_minutes(connection, machine):
                pass
            self._caught_up.add(machine.id)
        await self._show_now(connection, now)

    async def _take_up(self, connection: Connection) -> None:
        self._alike = _Alike.groups(self._plant.machines)
        self._caught_up.clear()
        known = await load_unsettled_states(connection)
        for machine in self._plant.machines:
            if machine.id in self._base or machine.id not in known:
                continue
            intervals: list[Interval] = []
            for row in known[machine.id]:
                # What a standstill counts as is decided anew; underneath it is a standstill.
                state = "stopped" if row.state in ("down", "maintenance") else row.state
                start, end = to_microseconds(row.started_at), to_microseconds(row.ended_at)
                if intervals and (intervals[-1].state, intervals[-1].end) == (state, start):
                    start = intervals.pop().start
                intervals.append(Interval(start, end, state))
            self._base[machine.id] = unsettled(intervals)

    async def _follow_all(self, connection: Connection, now: int) -> None:
        """Take the minutes in that have been rolled up since the last look, of all machines at once."""
        until = (now - _ROLLED_UP_US) // MINUTE_US * MINUTE_US
        since = max(self._reached, until - _MOST_AT_ONCE * MINUTE_US)
        if until <= since:
            return
        rollup = await read_rollup(connection, None, to_datetime(since), to_datetime(until), "1min")
        self._reached = until
        index = self._plant.live.index
        values = pivot_rollup(rollup, index, since, MINUTE_US, (until - since) // MINUTE_US)
        going_on = []
        for alike in self._alike:
            for row, codes in zip(alike.rows, alike.codes(values, index), strict=True):
                machine = self._plant.machines[row]
                before = self._base.get(machine.id)
                if before is None or machine.id not in self._caught_up:
                    continue  # its past comes first
                minutes = [(since + number * MINUTE_US, int(code)) for number, code in enumerate(codes)]
                intervals = state_intervals(minutes, before)
                newest = intervals[-1]
                if newest == before[-1]:
                    continue
                if newest.start == before[-1].start and newest.state != "stopped":
                    going_on.append((machine.id, to_datetime(newest.start), to_datetime(newest.end)))
                else:
                    await self._store(connection, machine, intervals)
                self._base[machine.id] = unsettled(intervals)
        await extend_states(connection, going_on)

    async def _follow_minutes(self, connection: Connection, machine: Machine) -> bool:
        """Take a day of new minutes in; whether there may be more."""
        before = self._base.get(machine.id, [])
        ids = list(machine.signal_ids.values())
        span = await minutes_span(connection, ids)
        if span is None:
            return False
        start = before[-1].end if before else to_microseconds(span[0])
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
        is_new = not before or intervals[-1] != before[-1]
        if is_new:
            await self._store(connection, machine, intervals)
        self._base[machine.id] = unsettled(intervals)
        return reached and is_new

    async def _store(self, connection: Connection, machine: Machine, intervals: Sequence[Interval]) -> None:
        template = template_library()[machine.template]
        first = to_datetime(intervals[0].start)
        stops = await load_planned_stops(connection, machine.id, first)
        planned = [(to_microseconds(since), to_microseconds(until)) for since, until in stops]
        if shifts := await load_shifts_of(connection, machine.id):
            last = to_datetime(intervals[-1].end)
            free = off_shift(first, last, [shift_of(row) for row in shifts], ZoneInfo(machine.time_zone))
            planned += [(to_microseconds(since), to_microseconds(until)) for since, until in free]
        allowed_s = template.standstill_s(machine.nameplate)
        counted = count_standstills(intervals, allowed_s, planned)
        rows = [StateRow(to_datetime(entry.start), to_datetime(entry.end), entry.state) for entry in counted]
        async with connection.transaction():
            await replace_states(connection, machine.id, machine.tenant_id, rows)
            for stop in note_stops(intervals, allowed_s, planned):
                began = to_datetime(stop.start)
                await open_downtime(
                    connection,
                    machine.tenant_id,
                    machine.id,
                    began,
                    planned=stop.planned,
                    earliest_start=to_datetime(stop.earliest) if stop.earliest is not None else None,
                    seen_again=stop.seen_again,
                )
                if stop.end is not None:
                    latest = to_datetime(stop.latest) if stop.latest is not None else None
                    await end_downtime(connection, machine.id, began, to_datetime(stop.end), latest)

    async def _show_now(self, connection: Connection, now: int) -> None:
        """The state of this moment, from the newest readings; off-line where there are none."""
        window = await self._plant.live.refresh(connection, now)
        # Counted from the window's own end: on a large plant it may be some seconds old.
        first = max(0, window.values.shape[2] - 1 - _LIVE_S)
        changed = []
        for alike in self._alike:
            codes = alike.codes(window.values[:, :, first:], self._plant.live.index)
            known = codes != StateCode.UNKNOWN
            newest = codes.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
            for place, row in enumerate(alike.rows):
                machine = self._plant.machines[row]
                base = next(reversed(self._base.get(machine.id, [])), None)
                if known[place].any():
                    state = StateCode(int(codes[place, newest[place]])).name.lower()
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


def _codes(machine: Machine, signals: dict[str, Array]) -> NDArray[np.int8]:
    found = indicators(machine.template, machine.nameplate, signals)
    return classify_states(template_library()[machine.template], machine.nameplate, found)


@dataclass(frozen=True, slots=True)
class _Alike:
    """Machines of one template and one nameplate: their states follow from their signals by the same numbers.

    rows: where they are among all machines
    """

    machine: Machine
    rows: list[int]

    @classmethod
    def groups(cls, machines: Sequence[Machine]) -> "list[_Alike]":
        """All machines, those that are alike together."""
        found: dict[tuple[object, ...], _Alike] = {}
        for row, machine in enumerate(machines):
            key = (machine.template, tuple(sorted(machine.nameplate.items())), tuple(machine.signal_ids))
            found.setdefault(key, cls(machine, [])).rows.append(row)
        return list(found.values())

    def codes(self, values: NDArray[np.floating[Any]], index: SignalIndex) -> NDArray[np.int8]:
        """State codes (machines of the group, steps) from values (all machines, signals, steps)."""
        signals: dict[str, Array] = {
            key: values[self.rows, column].astype(np.float64)
            for column, key in enumerate(index.keys)
            if key in self.machine.signal_ids
        }
        return _codes(self.machine, signals)
