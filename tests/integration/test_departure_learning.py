"""When a machine on line is judged: once it has run for an hour, while it runs, anew when a person says so."""

import numpy as np
import pytest

from analytics.departures import DepartureJudge
from historian import (
    READING,
    Connection,
    Database,
    LatestKeeper,
    Machine,
    PartitionKeeper,
    ensure_tenant,
    load_machines,
    register_machines,
    store_readings,
)
from plant import MICROSECONDS, Batch, MachineSpec, to_datetime

pytestmark = [pytest.mark.integration]

START = 1_795_000_000 * MICROSECONDS
MINUTE, HOUR = 60, 3600
USUAL = {"vibration_acceleration_1": 0.2, "current": 2.0, "voltage": 230.0, "flow": 32.0}
ORDER = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, verdict)
values ($1, $2, 'inspection', 'done', 'look', $3, $3, 'nothing_found')
"""


class Rig:
    """A pump set whose readings are told second by second."""

    def __init__(self, connection: Connection, machine: Machine) -> None:
        self.machine = machine
        self._connection = connection
        self._random = np.random.default_rng(7)
        self._latest = LatestKeeper()

    @classmethod
    async def on_line(cls, connection: Connection) -> "Rig":
        tenant = await ensure_tenant(connection, "t", "t")
        await register_machines(connection, tenant, [MachineSpec("s", "l", "p1", "p1", "pump_set")])
        return cls(connection, (await load_machines(connection))[0])

    async def send(self, first: int, last: int, **factors: np.ndarray | float) -> None:
        """Seconds [first, last), each signal its usual value times a factor."""
        times = START + np.arange(first, last) * MICROSECONDS
        await PartitionKeeper().ensure(self._connection, READING, int(times[0]), int(times[-1]))
        for key, usual in USUAL.items():
            values = usual * factors.get(key, 1.0) * (1 + self._random.normal(0, 0.01, len(times)))
            ids = np.full(len(times), self.machine.signal_ids[key], np.int32)
            batch = Batch(times, ids, values, np.zeros(len(times), np.int16))
            async with self._connection.transaction():
                await store_readings(self._connection, batch)
                self._latest.note(batch)
                await self._latest.flush(self._connection)

    async def stand(self, first: int, last: int) -> None:
        await self.send(first, last, **dict.fromkeys(USUAL, 0.0))

    async def findings(self) -> list[tuple[int, bool]]:
        rows = await self._connection.fetch("select model_version, closed_at from finding order by id")
        return [(row["model_version"], row["closed_at"] is None) for row in rows]

    async def versions(self) -> list[tuple[int, int]]:
        """(first, last) second that each version was learnt from."""
        rows = await self._connection.fetch("select baseline_start, baseline_end from normal_model order by version")
        began = to_datetime(START)
        return [tuple(round((moment - began).total_seconds()) for moment in row.values()) for row in rows]


async def _look(connection: Connection, judge: DepartureJudge, seconds: int) -> None:
    now = START + seconds * MICROSECONDS
    await judge.learn_missing(connection, now)
    await judge.tick(connection, now)


async def _judge(connection: Connection) -> DepartureJudge:
    judge = DepartureJudge("pump_set", await load_machines(connection))
    await judge.begin(connection)
    return judge


async def test_warming_up_and_standing_still_are_no_departures(database: Database) -> None:
    async with database.connection() as connection:
        rig = await Rig.on_line(connection)
        judge = await _judge(connection)
        cold = 1 + 0.2 * np.exp(-np.arange(30 * MINUTE) / 600)
        await rig.send(0, 30 * MINUTE, current=cold)
        await _look(connection, judge, 30 * MINUTE)
        assert await rig.versions() == [], "a machine on line is not judged by how it warms up"
        await rig.stand(30 * MINUTE, 50 * MINUTE)
        await rig.send(50 * MINUTE, 100 * MINUTE)
        await _look(connection, judge, 100 * MINUTE)
        assert len(await rig.versions()) == 1
        ((first, last),) = await rig.versions()
        assert first == 0
        assert 80 * MINUTE < last < 82 * MINUTE, "an hour of running, without the stop and the start after it"
        await rig.stand(100 * MINUTE, 110 * MINUTE)
        inrush = np.where(np.arange(20 * MINUTE) < 5, 6.0, 1.0)
        await rig.send(110 * MINUTE, 130 * MINUTE, current=inrush)
        await _look(connection, judge, 130 * MINUTE)
        assert await rig.findings() == []
        await rig.send(130 * MINUTE, 140 * MINUTE, flow=0.85)
        await _look(connection, judge, 140 * MINUTE)
        assert await rig.findings() == [(1, True)]
        await rig.stand(140 * MINUTE, 150 * MINUTE)
        await _look(connection, judge, 150 * MINUTE)
        assert await rig.findings() == [(1, True)], "switching it off mends nothing"


async def test_what_a_person_calls_harmless_is_learnt_as_normal(database: Database) -> None:
    async with database.connection() as connection:
        rig = await Rig.on_line(connection)
        judge = await _judge(connection)
        await rig.send(0, 61 * MINUTE)
        await _look(connection, judge, 61 * MINUTE)
        await rig.send(61 * MINUTE, 70 * MINUTE, flow=0.85)
        await _look(connection, judge, 70 * MINUTE)
        assert await rig.findings() == [(1, True)]
        await connection.execute(
            ORDER, rig.machine.tenant_id, rig.machine.id, to_datetime(START + 71 * MINUTE * MICROSECONDS)
        )
        await rig.send(70 * MINUTE, 120 * MINUTE, flow=0.85)
        await _look(connection, judge, 120 * MINUTE)
        assert await rig.findings() == [(1, True)], "there is no hour of it yet"
        await rig.send(120 * MINUTE, 140 * MINUTE, flow=0.85)
        await _look(connection, judge, 170 * MINUTE)
        assert [first for first, _ in await rig.versions()] == [0, 71 * MINUTE]
        assert await rig.findings() == [(1, False)]


async def test_a_longer_baseline_takes_the_place_of_a_shorter_one(database: Database) -> None:
    async with database.connection() as connection:
        rig = await Rig.on_line(connection)
        judge = await _judge(connection)
        await rig.send(0, 61 * MINUTE)
        await _look(connection, judge, 61 * MINUTE)
        # For a while something is wrong, which is not to be learnt.
        await rig.send(61 * MINUTE, 90 * MINUTE, flow=0.85)
        await _look(connection, judge, 90 * MINUTE)
        await rig.send(90 * MINUTE, 9 * HOUR)
        for hours in (2, 5, 9):
            await _look(connection, await _judge(connection), hours * HOUR)
        assert await rig.findings() == [(1, False)]
        (_, short), (first, last) = await rig.versions()
        assert HOUR <= short < 61 * MINUTE
        assert first == 0
        assert 8 * HOUR + 28 * MINUTE < last < 8 * HOUR + 32 * MINUTE, "the time of the finding is left out"
