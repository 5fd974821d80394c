"""A motor is learnt anew once a finding of it was answered, from then on; other jobs change nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from analytics.learning import BehaviourLearner
from historian import (
    READING_1MIN,
    Database,
    Machine,
    PartitionKeeper,
    constant_minutes,
    ensure_tenant,
    load_machines,
    register_machines,
)
from plant import MachineSpec, template_library, to_microseconds

pytestmark = [pytest.mark.integration]

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTES = """
insert into reading_1min (signal_id, bucket, average, minimum, maximum, count, last)
select $1, minute, $2 + sin(extract(epoch from minute) / 5000) * $2 / 50, 0, 0, 60, 0
from generate_series($3::timestamptz, $4::timestamptz, interval '1 minute') as minute
"""
VALUES = {"current_u": 20.0, "current_v": 20.1, "current_w": 19.9, "winding_temperature": 70.0}
VALUES |= {"ambient_temperature": 25.0}
ORDER = """
insert into work_order (tenant_id, machine_id, kind, state, title, opened_at, closed_at, verdict)
values ($1, $2, $3, 'done', 'job', $4, $4, $5)
"""


async def _days(database: Database, machine: Machine, first: float, last: float) -> None:
    async with database.connection() as connection:
        begin, end = to_microseconds(START + first * DAY), to_microseconds(START + last * DAY)
        await PartitionKeeper().ensure(connection, READING_1MIN, begin, end)
        for key, value in VALUES.items():
            signal = machine.signal_ids[key]
            await connection.execute(MINUTES, signal, value, START + first * DAY, START + last * DAY)


async def test_what_was_mended_is_learnt_from_then_on(database: Database) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "t", "t")
        await register_machines(connection, tenant, [MachineSpec("s", "l", "m1", "m1", "motor")])
        (machine,) = await load_machines(connection)
    learner = BehaviourLearner(template_library()["motor"], [machine])

    async def version_at(days: float) -> int | None:
        async with database.connection() as connection:
            await learner.learn_missing(connection, to_microseconds(START + days * DAY))
        known = learner.models.get(machine.id)
        return known[0] if known is not None else None

    await _days(database, machine, 0, 4)
    assert await version_at(4) == 1
    async with database.connection() as connection:
        await connection.execute(ORDER, tenant, machine.id, "preventive", START + 4.1 * DAY, None)
    await _days(database, machine, 4.01, 6)
    assert await version_at(6) == 1, "a job that answers no finding"
    async with database.connection() as connection:
        await connection.execute(ORDER, tenant, machine.id, "condition_based", START + 6.2 * DAY, "confirmed")
    assert await version_at(6.5) == 1, "there is nothing to learn from yet"
    await _days(database, machine, 6.01, 8.3)
    assert await version_at(8.5) == 2
    async with database.connection() as connection:
        since = await connection.fetchval("select max(baseline_start) from normal_model")
        # A later start of the service knows it, too.
        again = BehaviourLearner(template_library()["motor"], [machine])
        await again.begin(connection)
        await again.learn_missing(connection, to_microseconds(START + 9 * DAY))
    assert START + 6.2 * DAY <= since <= START + 6.2 * DAY + timedelta(minutes=1)
    assert again.models[machine.id][0] == 2


async def test_what_a_coarse_sensor_repeats_is_learnt_from_minutes_of_many_readings(database: Database) -> None:
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "t", "t")
        await register_machines(connection, tenant, [MachineSpec("s", "l", "m1", "m1", "motor")])
        (machine,) = await load_machines(connection)
        begin, end = to_microseconds(START), to_microseconds(START + timedelta(hours=1))
        await PartitionKeeper().ensure(connection, READING_1MIN, begin, end)
        coarse, fine, seldom = (machine.signal_ids[key] for key in ("power", "current_u", "winding_temperature"))
        # (minute, value, width, readings): three minutes of 11, a border, two of 12; then after a hole one more of 12.
        told = [(0, 11, 0, 60), (1, 11, 0, 60), (2, 11, 0, 60), (3, 11, 1, 60), (4, 12, 0, 60), (5, 12, 0, 60)]
        told += [(7, 12, 0, 60)]
        rows = [(coarse, *row) for row in told]
        rows += [(fine, minute, 20, 0.5, 60) for minute in range(8)] + [(seldom, m, 70, 0, 1) for m in range(8)]
        for signal, minute, value, width, count in rows:
            await connection.execute(
                "insert into reading_1min (signal_id, bucket, average, minimum, maximum, count, last) "
                "values ($1, $2, $3::float8, $3, $3 + $4::float8, $5, $3)",
                *(signal, START + timedelta(minutes=minute), float(value), float(width), count),
            )
        ids = [coarse, fine, seldom]
        assert await constant_minutes(connection, ids, START, START + timedelta(hours=1)) == {coarse: 3}
        assert await constant_minutes(connection, ids, START + timedelta(minutes=3), START + DAY) == {coarse: 2}
