"""A standstill outside of a site's shifts is planned, one inside of them is not, at the site's own hours."""

from datetime import UTC, datetime, time, timedelta

import pytest

from analytics import LivePlant, OperationService
from analytics.operation import Interval
from historian import Database, ShiftRow, ensure_tenant, load_machines, register_machines, set_shifts
from plant import MachineSpec, to_microseconds

pytestmark = pytest.mark.integration


async def test_the_night_is_planned_and_the_morning_is_not(database: Database) -> None:
    # Shanghai is UTC+8: the shift from 08:00 to 20:00 is 00:00 to 12:00 UTC.
    midnight = datetime(2026, 5, 4, tzinfo=UTC)

    def us(hours: float) -> int:
        return to_microseconds(midnight + timedelta(hours=hours))

    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        spec = MachineSpec("works", "l", "M1", "Motor", "motor", time_zone="Asia/Shanghai")
        await register_machines(connection, tenant, [spec])
        (machine,) = await load_machines(connection)
    async with database.tenant(tenant) as connection:
        day = ShiftRow("works", "", "day", [1, 2, 3, 4, 5, 6, 7], time(8), time(20))
        assert await set_shifts(connection, "works", [day])
        assert not await set_shifts(connection, "moon", [day])
    service = OperationService(database, LivePlant(lambda: 1), lambda: us(40))
    # Running until 10:00, standing until 26:00 (02:00 of the next day), running again.
    intervals = [
        Interval(us(0), us(10), "running"),
        Interval(us(10), us(26), "stopped"),
        Interval(us(26), us(28), "running"),
    ]
    async with database.connection() as connection:
        for _ in range(2):  # looked at again: the same
            await service._store(connection, machine, intervals)
        stops = await connection.fetch("select started_at, ended_at, planned from downtime_event order by started_at")
    hours = [((row["started_at"] - midnight) / timedelta(hours=1), row["planned"]) for row in stops]
    # Two hours of the shift that runs, twelve hours of night, two hours of the next shift.
    assert hours == [(10, False), (12, True), (24, False)]
    assert [(row["ended_at"] - row["started_at"]) / timedelta(hours=1) for row in stops] == [2, 12, 2]
