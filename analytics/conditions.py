"""The service that judges machines whose template says what to expect: alarms, findings, health and risk.

The thin part: it loads windows, calls the pure functions, and writes what they say.
"""

import asyncio
import math
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from analytics.case import Case
from analytics.condition import Judgement, judge_machine
from analytics.findings import evidence_rows, new_finding, ranking_rows
from analytics.indicators import Array
from analytics.learning import BehaviourLearner
from analytics.limits import MachineLimits
from analytics.window import LiveReadings, SignalIndex, Window
from historian import (
    Condition,
    Connection,
    Machine,
    RaisedAlarm,
    active_alarms,
    clear_alarm,
    close_finding,
    open_finding,
    open_findings,
    raise_alarm,
    read_rollup,
    store_conditions,
    update_finding,
)
from plant import MICROSECONDS, fault_library, template_library, to_datetime

log = structlog.get_logger()

_MINUTES = 360
# Signals from which on all are read instead of naming them.
_MANY = 5000
_ROWS_AT_ONCE = 2_000_000
_MINUTE_US = 60 * MICROSECONDS
_UPDATE_US = 15 * MICROSECONDS
# Machines judged at every tick whatever it takes, and what share of a core the others may cost.
_ALWAYS = 200
_SHARE = 0.1
_LONGEST_S = 2.0
_LATE_MINUTES = 4


@dataclass(slots=True)
class _Turn:
    """Rows that are judged one after the other, over many ticks, and the one whose turn it is."""

    rows: list[int] = field(default_factory=list)
    next_row: int = 0

    def from_here(self) -> list[int]:
        """All rows in order, beginning with the one whose turn it is."""
        first = bisect_left(self.rows, self.next_row)
        return [*self.rows[first:], *self.rows[:first]]


class MachineJudge:
    """Judges all machines of one template that has expectations."""

    def __init__(self, template_key: str, machines: Sequence[Machine], live: LiveReadings) -> None:
        """live: the newest seconds of all machines, these among them"""
        self._live = live
        self._template = template_library()[template_key]
        self._index = SignalIndex.of(machines)
        self._faults = fault_library()
        self._learner = BehaviourLearner(self._template, machines)
        self._cases: dict[int, Case] = {machine.id: Case() for machine in machines}
        self._updated: dict[int, int] = {}
        shape = (len(machines), len(self._index.keys), _MINUTES)
        self._minutes = np.full(shape, np.nan, np.float32)  # half the memory, and finer than any sensor
        self._minutes_start = 0
        self._urgent, self._others = _Turn(), _Turn()
        self._judged_at = [0] * len(machines)
        self._behind = False
        self._ticked_at = 0
        self._limits = {machine.id: MachineLimits(self._template, machine.nameplate) for machine in machines}

    async def begin(self, connection: Connection) -> None:
        """Take up what an earlier run has left: models, open findings, active alarms."""
        mine = {machine.id for machine in self._index.machines}
        await self._learner.begin(connection)
        for finding in await open_findings(connection):
            if finding.machine_id in mine:
                self._cases[finding.machine_id].opened(finding.failure_mode, finding.id)
        for (machine_id, limit_key), (_, worst) in (await active_alarms(connection)).items():
            if machine_id in mine:
                self._limits[machine_id].restore(limit_key, worst)

    async def learn_missing(self, connection: Connection, now: int) -> None:
        """Learn what is normal for machines that have seen enough."""
        await self._learner.learn_missing(connection, now)

    async def tick(self, connection: Connection, now: int) -> None:
        """Judge what has sent something in the last minute: everything, or as many as there is time for.

        Those with an open finding or alarm come first, the others in turn. Small plants are judged whole.
        """
        window = await self._live.refresh(connection, now)
        await self._load_minutes(connection, now)
        budget_s = min(_SHARE * max(0.0, (now - self._ticked_at) / MICROSECONDS), _LONGEST_S)
        self._ticked_at = now
        newest = window.newest_us()
        judged: list[Condition] = []
        for turn, part in self._turns():
            judged += await self._judge_some(connection, window, newest, now, turn, part * budget_s)
        await store_conditions(connection, judged)
        self._note_pace(now)

    def _turns(self) -> list[tuple[_Turn, float]]:
        """Who is to be judged, and with which part of the time: the urgent ones first, then the others."""
        rows = range(len(self._index.machines))
        if len(rows) <= _ALWAYS:
            self._others.rows = list(rows)
            return [(self._others, 1.0)]
        urgent = {
            row
            for row in rows
            if self._cases[self._index.machines[row].id].open or self._limits[self._index.machines[row].id].active
        }
        self._urgent.rows = sorted(urgent)
        self._others.rows = [row for row in rows if row not in urgent]
        return [(self._urgent, 0.5), (self._others, 0.5)]

    async def _judge_some(
        self,
        connection: Connection,
        window: Window,
        newest: NDArray[np.int64],
        now: int,
        turn: _Turn,
        budget_s: float,
    ) -> list[Condition]:
        """Judge on in a turn, at least a number that is always judged, until the time is up or all have been."""
        began = time.monotonic()
        judged = []
        for number, row in enumerate(turn.from_here()):
            if number >= _ALWAYS and time.monotonic() - began > budget_s:
                break
            place = self._live.rows[self._index.machines[row].id]
            self._judged_at[row] = now
            turn.next_row = row + 1
            if newest[place] >= 0:
                judged.append(await self._judge(connection, row, window, place, int(newest[place])))
        return judged

    def _note_pace(self, now: int) -> None:
        """Say once when a round takes so long that seconds leave the window unseen."""
        oldest = min((at for at in self._judged_at if at), default=now)
        behind = now - oldest > (LiveReadings.SECONDS - 10) * MICROSECONDS
        if behind and not self._behind:
            log.warning(
                "judging_behind",
                template=self._template.key,
                machines=len(self._index.machines),
                round_s=round((now - oldest) / MICROSECONDS),
            )
        self._behind = behind

    async def _judge(self, connection: Connection, row: int, window: Window, place: int, newest: int) -> Condition:
        machine = self._index.machines[row]
        version, model = self._learner.models.get(machine.id, (None, None))
        minutes = self._minutes_of(row)
        seconds = window.of_machine(self._live.index, place)
        # The grid ends at each machine's own newest second: what has not come yet is not missing.
        length = int((newest - window.start_us) // MICROSECONDS) + 1
        seconds = {key: values[:length] for key, values in seconds.items()}
        judgement = await asyncio.to_thread(
            judge_machine,
            self._template,
            machine.nameplate,
            model,
            self._faults,
            minutes,
            seconds,
            window.bad_share(self._live.index, place),
        )
        await self._follow_case(connection, machine, judgement, newest, version)
        await self._watch(connection, machine, window, place, newest, judgement, minutes)
        return _condition(machine, judgement, newest, version)

    async def _follow_case(
        self, connection: Connection, machine: Machine, judgement: Judgement, time: int, version: int | None
    ) -> None:
        case = self._cases[machine.id]
        if judgement.risk is None:
            return
        known = {verdict.failure_mode: verdict for verdict in (*judgement.machine, *judgement.sensors)}
        opening, closing = case.follow(time, judgement.tops(), judgement.probabilities(self._faults))
        for mode in opening:
            rivals = judgement.rivals_of(mode)
            finding = new_finding(machine, self._faults[mode], known[mode], rivals, time, version, judgement.suspects)
            case.opened(mode, await open_finding(connection, finding))
            log.info("finding_opened", machine=machine.code, failure_mode=mode, probability=known[mode].probability)
        for mode in closing:
            await close_finding(connection, case.open[mode], to_datetime(time))
            case.closed(mode)
            log.info("finding_closed", machine=machine.code, failure_mode=mode)
        if case.open and judgement.judged and time - self._updated.get(machine.id, 0) >= _UPDATE_US:
            self._updated[machine.id] = time
            for mode, finding_id in case.open.items():
                verdict = known.get(mode)
                if verdict is None or verdict.probability < 0.5:
                    continue
                await update_finding(
                    connection,
                    finding_id,
                    verdict.probability,
                    to_datetime(time),
                    evidence_rows(verdict, judgement.suspects),
                    ranking_rows(judgement.rivals_of(mode)),
                )

    async def _watch(
        self,
        connection: Connection,
        machine: Machine,
        window: Window,
        row: int,
        newest: int,
        judgement: Judgement,
        minutes: dict[str, Array],
    ) -> None:
        """Limit alarms, of signals that are believed."""
        seconds = {
            key: values
            for key, values in window.of_machine(self._live.index, row).items()
            if key not in judgement.suspects
        }
        for resolved, event in self._limits[machine.id].follow(window.start_us, seconds, minutes, newest):
            if event.kind == "raised":
                alarm = RaisedAlarm(
                    machine.tenant_id,
                    machine.id,
                    event.limit_key,
                    self._template.version,
                    resolved.limit.severity,
                    to_datetime(event.time),
                    resolved.threshold,
                    event.value,
                )
                await raise_alarm(connection, alarm)
            else:
                await clear_alarm(connection, machine.id, event.limit_key, to_datetime(event.time), event.value)

    async def _load_minutes(self, connection: Connection, now: int) -> None:
        """The last hours minute by minute; only the newest minutes are read again."""
        start = (now // _MINUTE_US - _MINUTES) * _MINUTE_US
        if start == self._minutes_start:
            return
        shift = (start - self._minutes_start) // _MINUTE_US
        fresh = np.full_like(self._minutes, np.nan)
        since = start
        if 0 < shift < _MINUTES:
            fresh[..., : _MINUTES - shift] = self._minutes[..., shift:]
            since = start + max(0, _MINUTES - shift - _LATE_MINUTES) * _MINUTE_US
        end = start + _MINUTES * _MINUTE_US
        signals = [signal for machine in self._index.machines for signal in machine.signal_ids.values()]
        # All hours of all machines at once would be more than memory should hold.
        step = max(1, _ROWS_AT_ONCE // len(signals)) * _MINUTE_US
        for first in range(since, end, step):
            rollup = await read_rollup(
                connection,
                None if len(signals) > _MANY else signals,
                to_datetime(first),
                to_datetime(min(first + step, end)),
                "1min",
            )
            known, rows, columns = self._index.places(rollup.signal_ids)
            fresh[rows, columns, (rollup.buckets[known] - start) // _MINUTE_US] = rollup.averages[known]
        self._minutes, self._minutes_start = fresh, start

    def _minutes_of(self, row: int) -> dict[str, Array]:
        machine = self._index.machines[row]
        values = self._minutes[row].astype(np.float64)
        # The last minute is rolled up a little later: it belongs to the seconds.
        known = np.flatnonzero(np.isfinite(values).any(axis=0))
        length = int(known[-1]) + 1 if len(known) else 0
        return {
            key: values[column, :length] for column, key in enumerate(self._index.keys) if key in machine.signal_ids
        }


def _condition(machine: Machine, judgement: Judgement, time: int, version: int | None) -> Condition:
    return Condition(
        machine.id,
        machine.tenant_id,
        to_datetime(time),
        judgement.health,
        judgement.risk,
        version,
        {
            "indicators": {key: round(value, 4) for key, value in judgement.found.items() if math.isfinite(value)},
            "suspects": judgement.suspects,
        },
    )
