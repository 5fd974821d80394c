"""Compares machine-days of machines of one type, and finds those that were worn before they were learnt.

The thin part of :mod:`analytics.peers`: a day is worked out from the hours once it is over, a few machines at a time;
the comparison follows when all days are there, and then every hour.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

import structlog

from analytics.case import CLOSE_BELOW, OPEN_AT
from analytics.findings import new_finding, ranking_rows
from analytics.indicators import Array
from analytics.peers import (
    LEAST_HOURS,
    MODE,
    DayLevels,
    Standing,
    compare,
    day_levels,
    evidence_of,
    newest_levels,
    runs_in_pieces,
    verdict_of,
)
from analytics.plant import LivePlant
from analytics.repetition import repeat
from analytics.window import SignalIndex, pivot_rollup
from historian import (
    Connection,
    Database,
    Machine,
    MachineDay,
    answered_as_sound,
    changed_machines,
    close_finding,
    forget_machine_days,
    load_machine_days,
    open_finding,
    open_findings,
    read_rollup,
    store_machine_days,
    update_finding,
)
from plant import MICROSECONDS, PeerGroup, fault_library, template_library, to_datetime, to_microseconds

log = structlog.get_logger()

_TICK_S = 30.0
_EVERY_US = 3600 * MICROSECONDS
# After a start, each machine's own judgement has the first word.
_FIRST_US = 600 * MICROSECONDS
_DAY = timedelta(days=1)
# Hours are rolled up when they are over, and late readings come: a day is worked out so much later.
_LATE = timedelta(hours=2)
_AT_ONCE = 100
_MINUTES_AT_ONCE = 20
_STEP_US = {"1h": 3600 * MICROSECONDS, "1min": 60 * MICROSECONDS}
_COLUMNS: tuple[Literal["averages", "minima"], ...] = ("averages", "minima")
# How long one round may work out days: the database has others to serve.
_ROUND_S = 2.0


class PeerService:
    """Findings of machines that stand out from those of their type.

    plant: the machines; clock: wall time in microseconds since the epoch
    """

    def __init__(self, database: Database, plant: LivePlant, clock: Callable[[], int]) -> None:
        self._database = database
        self._plant = plant
        self._clock = clock
        self._days: dict[int, dict[date, DayLevels]] | None = None
        self._newest: date | None = None
        self._next_at: int | None = None

    async def run(self) -> None:
        """Compare until cancelled; a database that is away is tried again."""
        await repeat(self._database, self.tick, every_s=_TICK_S, forget=self._forget, event="peers_not_compared")

    def _forget(self) -> None:
        self._days = None

    async def tick(self, connection: Connection) -> None:
        """Work out some of the days that are missing; compare when none is."""
        await self._plant.look(connection)
        machines = [one for one in self._plant.machines if template_library()[one.template].peers.levels]
        now = to_datetime(self._clock())
        days = _days_over(now, max((_group(one).days for one in machines), default=0))
        if not days:
            return
        if self._days is None:
            self._days = defaultdict(dict)
            for kept in await load_machine_days(connection, days[0]):
                self._days[kept.machine_id][kept.day] = DayLevels(kept.hours, kept.levels)
        if days[-1] != self._newest:
            self._newest = days[-1]
            self._ask_again(days[0])
        if not await self._work_out(connection, machines, days):
            return
        if self._next_at is None:
            self._next_at = to_microseconds(now) + _FIRST_US
        if to_microseconds(now) >= self._next_at:
            self._next_at = to_microseconds(now) + _EVERY_US
            await forget_machine_days(connection, days[0])
            await self._compare(connection, machines, days)

    def _ask_again(self, oldest: date) -> None:
        """Once a day, drop what is too old, and days of too few hours: history may have come later."""
        assert self._days is not None
        self._days = defaultdict(
            dict,
            {
                machine_id: {day: one for day, one in known.items() if day >= oldest and one.hours >= LEAST_HOURS}
                for machine_id, known in self._days.items()
            },
        )

    async def _work_out(self, connection: Connection, machines: Sequence[Machine], days: Sequence[date]) -> bool:
        """Whether all days of all machines are known; newest days first, as many as there is time for."""
        assert self._days is not None
        began = time.monotonic()
        for day in reversed(days):
            missing = [machine for machine in machines if day not in self._days[machine.id]]
            for first in range(0, len(missing), _AT_ONCE):
                if time.monotonic() - began > _ROUND_S:
                    return False
                some = missing[first : first + _AT_ONCE]
                found = await self._levels(connection, some, day)
                await store_machine_days(
                    connection,
                    [
                        MachineDay(machine.id, machine.tenant_id, day, one.hours, one.levels)
                        for machine, one in zip(some, found, strict=True)
                        if one.hours >= LEAST_HOURS
                    ],
                )
                for machine, one in zip(some, found, strict=True):
                    self._days[machine.id][day] = one
        return True

    async def _levels(self, connection: Connection, machines: Sequence[Machine], day: date) -> list[DayLevels]:
        """From whole hours; from minutes of those machines that run in pieces."""
        by_hour = await self._averaged(connection, machines, day, "1h")
        levels = [one for one, _ in by_hour]
        pieces = [
            row
            for row, (machine, (one, averages)) in enumerate(zip(machines, by_hour, strict=True))
            if runs_in_pieces(machine.nameplate, one, averages)
        ]
        for first in range(0, len(pieces), _MINUTES_AT_ONCE):
            rows = pieces[first : first + _MINUTES_AT_ONCE]
            by_minute = await self._averaged(connection, [machines[row] for row in rows], day, "1min")
            for row, (one, _) in zip(rows, by_minute, strict=True):
                levels[row] = one
        return levels

    async def _averaged(
        self, connection: Connection, machines: Sequence[Machine], day: date, width: Literal["1h", "1min"]
    ) -> list[tuple[DayLevels, dict[str, Array]]]:
        """Levels of a day from one roll-up, and its averages."""
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        signals = [signal for machine in machines for signal in machine.signal_ids.values()]
        rollup = await read_rollup(connection, signals, start, start + _DAY, width)
        index, step_us = SignalIndex.of(machines), _STEP_US[width]
        steps = _DAY // timedelta(microseconds=step_us)

        def levels() -> list[tuple[DayLevels, dict[str, Array]]]:
            averages, minima = (
                pivot_rollup(rollup, index, to_microseconds(start), step_us, steps, column) for column in _COLUMNS
            )
            found = []
            for row, machine in enumerate(machines):
                mean = {key: averages[row, column] for column, key in enumerate(index.keys)}
                least = {key: minima[row, column] for column, key in enumerate(index.keys)}
                template = template_library()[machine.template]
                found.append((day_levels(template, machine.nameplate, mean, least, 24 / steps), mean))
            return found

        return await asyncio.to_thread(levels)

    async def _compare(self, connection: Connection, machines: Sequence[Machine], days: Sequence[date]) -> None:
        assert self._days is not None
        # A machine that was mended is another one since: its older days say nothing of it.
        changed = await changed_machines(connection, datetime.fromtimestamp(0, UTC))
        known = {
            machine.id: [
                self._days[machine.id][day]
                for day in days
                if machine.id not in changed or day > changed[machine.id].astimezone(UTC).date()
            ]
            for machine in machines
        }
        standings: dict[int, list[Standing]] = {}
        for group in _groups(machines):
            peers = _group(group[0])
            found = await asyncio.to_thread(
                compare,
                peers,
                [machine.nameplate for machine in group],
                [newest_levels(known[machine.id], peers) for machine in group],
            )
            standings |= {machine.id: one for machine, one in zip(group, found, strict=True)}
        await self._note(connection, {machine.id: machine for machine in machines}, standings)

    async def _note(
        self, connection: Connection, machines: Mapping[int, Machine], standings: Mapping[int, list[Standing]]
    ) -> None:
        """Open, bring up to date and close findings. What is found otherwise needs no comparison to be seen."""
        now = to_datetime(self._clock())
        sound = await answered_as_sound(connection, MODE)
        mine: dict[int, int] = {}
        otherwise: set[int] = set()
        for finding in await open_findings(connection):
            if finding.failure_mode == MODE:
                mine[finding.machine_id] = finding.id
            else:
                otherwise.add(finding.machine_id)
        for machine_id, machine in machines.items():
            found, open_id = standings[machine_id], mine.get(machine_id)
            if not found and machine_id not in sound:
                continue  # no longer compared is not like its peers
            verdict = verdict_of(found) if found else None
            if open_id is None:
                if verdict is not None and verdict.probability >= OPEN_AT and machine_id not in sound | otherwise:
                    new = new_finding(
                        machine, fault_library()[MODE], verdict, [verdict], to_microseconds(now), None, ()
                    )
                    new.evidence[:] = evidence_of(found)
                    await open_finding(connection, new)
                    log.info("finding_opened", machine=machine.code, failure_mode=MODE, score=found[0].score)
            elif verdict is None or verdict.probability < CLOSE_BELOW or machine_id in sound:
                await close_finding(connection, open_id, now)
                log.info("finding_closed", machine=machine.code, failure_mode=MODE)
            else:
                ranking = ranking_rows([verdict])
                await update_finding(connection, open_id, verdict.probability, now, evidence_of(found), ranking)


def _days_over(now: datetime, count: int) -> list[date]:
    """The newest days that are over (UTC), oldest first."""
    newest = (now - _LATE).date() - timedelta(days=1)
    return [newest - timedelta(days=back) for back in reversed(range(count))]


def _group(machine: Machine) -> PeerGroup:
    return template_library()[machine.template].peers


def _groups(machines: Sequence[Machine]) -> Iterable[list[Machine]]:
    """Machines of one owner and template: what others own is not compared with."""
    groups: dict[tuple[int, str], list[Machine]] = defaultdict(list)
    for machine in machines:
        groups[machine.tenant_id, machine.template].append(machine)
    return groups.values()
