"""A weekend worked by hand: a stop across midnight and the change of clocks, a gap, machines that come and go."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from analytics import KpiGroup, KpiValue, compute_kpis, kpi_series
from historian import (
    Database,
    KpiAsk,
    Production,
    StateRow,
    add_production,
    end_downtime,
    ensure_tenant,
    open_downtime,
    register_machines,
    replace_states,
)
from plant import MachineSpec

pytestmark = pytest.mark.integration

# On Sunday, 29 March 2026, clocks in Berlin go from 02:00 to 03:00: it lasts 23 hours.
BERLIN = ZoneInfo("Europe/Berlin")
ALARM = """
insert into alarm (machine_id, tenant_id, limit_key, template_version, severity, raised_at, cleared_at)
values ($1, $2, 'limit', 1, 'alarm', $3, $3)
"""
ENERGY = """
insert into machine_energy (machine_id, tenant_id, bucket, kwh, seconds, basis)
select $1, $2, hour, 10, 3600, 'power'
from generate_series($3::timestamptz, $4::timestamptz - interval '1 hour', interval '1 hour') as hour
"""


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


SATURDAY, SUNDAY, MONDAY = at(28, 0), at(29, 0), at(30, 0)


@pytest_asyncio.fixture
async def weekend(database: Database) -> int:
    """Three motors; an hour's standstill of the first costs 1,000.

    M1 runs, is down from Saturday 22:00 to Sunday 04:00, runs, is out of sight on Sunday from 10:00 to 12:00, runs.
    M2 is commissioned on Sunday at 12:00 and runs. M3 runs, and is scrapped on Sunday at 06:00.
    """
    lives = {
        "M1": [
            (SATURDAY, at(28, 22), "running"), (at(28, 22), at(29, 4), "down"), (at(29, 4), at(29, 10), "running"),
            (at(29, 10), at(29, 12), "off_line"), (at(29, 12), MONDAY, "running"),
        ],
        "M2": [(at(29, 12), MONDAY, "running")],
        "M3": [(SATURDAY, at(29, 6), "running")],
    }  # fmt: skip
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "mine", "mine")
        specs = [
            MachineSpec("works", "l", code, code, "motor", downtime_cost_per_h=1000.0, time_zone="Europe/Berlin")
            for code in lives
        ]
        await register_machines(connection, tenant, specs)
        await connection.execute("update site set operators = 2")
        ids = {row["code"]: row["id"] for row in await connection.fetch("select id, code from machine")}
        for code, rows in lives.items():
            await replace_states(connection, ids[code], tenant, [StateRow(*row) for row in rows])
        await connection.execute("update machine set commissioned_at = $1 where code = 'M2'", at(29, 12))
        await connection.execute("update machine set scrapped_at = $1 where code = 'M3'", at(29, 6))
        await open_downtime(connection, tenant, ids["M1"], at(28, 22), planned=False)
        # One that would overlap it is part of it.
        await open_downtime(connection, tenant, ids["M1"], at(28, 23), planned=False)
        await end_downtime(connection, ids["M1"], at(28, 22), at(29, 4))
        for moment in (SATURDAY, SUNDAY - timedelta(microseconds=1), SUNDAY):
            await connection.execute(ALARM, ids["M3"], tenant, moment)
        for since, until in ((SATURDAY, at(28, 22)), (at(29, 4), at(29, 10)), (at(29, 12), MONDAY)):
            await connection.execute(ENERGY, ids["M1"], tenant, since, until)
    async with database.tenant(tenant) as connection:
        for code, since, until, pieces, good in (
            ("M1", at(29, 4), MONDAY, 1000, 900),
            ("M2", at(29, 12), MONDAY, 400, 400),
            ("M3", SUNDAY, at(29, 6), 100, 50),
        ):
            assert await add_production(connection, Production(ids[code], since, until, pieces, good, 54))
    return tenant


def by_key(group: KpiGroup) -> dict[str, KpiValue]:
    return {value.key: value for value in group.values}


async def test_saturday_and_sunday_by_hand(database: Database, weekend: int) -> None:
    async with database.tenant(weekend) as connection:
        days = await kpi_series(connection, SATURDAY, MONDAY, "day", KpiAsk())
    saturday, sunday = (day.group for day in days)

    # Saturday: M1 and M3, 24 h each: 48 h asked for, all of them seen. M1 is down from 22:00 to 24:00: 2 h.
    assert (saturday.exposure.asked_h, saturday.exposure.seen_h, saturday.exposure.operating_h) == (48, 48, 46)
    found = by_key(saturday)
    assert found["availability"].value == pytest.approx(1 - 2 / 48)
    # One failure in 46 h; the stop lasts from 22:00 to 04:00, in which an hour is missing, and is Saturday's: 5 h.
    assert found["stops"].value == 1
    assert found["mtbf"].value == pytest.approx(46)
    assert found["mttr"].value == pytest.approx(5)
    assert (found["mttf"].value, found["mttf"].bound) == (pytest.approx(46 / 2.9957, rel=1e-4), True)
    assert found["unplanned_downtime_cost"].value == pytest.approx(2000)
    # M1 ran 22 h at 10 kW.
    assert found["energy"].value == pytest.approx(220)
    # Midnight to the last microsecond: two alarms in 24 h for two people.
    assert found["alarm_load"].value == pytest.approx(2 / (24 * 2))
    assert found["oee"].value is None

    # Sunday: M1 23 h, M2 from 12:00 12 h, M3 from 00:00 to 06:00 5 h: 40 h, less the gap of M1 38 h seen.
    # M1 is down from 00:00 to 04:00, which are 3 h; 35 h were work.
    assert (sunday.exposure.asked_h, sunday.exposure.seen_h, sunday.exposure.operating_h) == (40, 38, 35)
    found = by_key(sunday)
    assert found["availability"].value == pytest.approx(1 - 3 / 38)
    assert found["availability"].coverage == pytest.approx(38 / 40)
    assert found["availability"].low == pytest.approx(35 / 40)
    assert found["availability"].high == pytest.approx(1 - 3 / 40)
    # No stop began on Sunday, and one machine came to its end.
    assert (found["mtbf"].value, found["mtbf"].bound) == (pytest.approx(35 / 2.9957, rel=1e-4), True)
    assert found["mttr"].value is None
    assert found["mttf"].value == pytest.approx(35)
    assert found["unplanned_downtime_cost"].value == pytest.approx(3000)
    assert found["energy"].value == pytest.approx(180)
    # One alarm, at midnight; 38 machine hours of three machines are 12 2/3 h.
    assert found["alarm_load"].value == pytest.approx(1 / (38 / 3 * 2))
    # 1,500 pieces at 54 s are 22.5 h of work in 35 h; 1,350 of them are good.
    assert found["performance"].value == pytest.approx(22.5 / 35)
    assert found["quality"].value == pytest.approx(0.9)
    assert found["oee"].value == pytest.approx(35 / 38 * 22.5 / 35 * 0.9)
    assert found["specific_energy"].value == pytest.approx(180 / 1350)


@pytest.mark.parametrize("group_by", ["site", "line", "template", "machine"])
async def test_an_hour_across_a_border_by_hand(database: Database, weekend: int, group_by: str) -> None:
    # Saturday from 21:30 to 22:30: M1 is down for the second half of it, M3 runs.
    async with database.tenant(weekend) as connection:
        groups = await compute_kpis(connection, start=at(28, 21, 30), end=at(28, 22, 30), group_by=group_by)
    first = by_key(groups[0])
    assert first["unplanned_downtime_h"].value == pytest.approx(0.5)
    assert first["availability"].value == pytest.approx(0.5 if group_by == "machine" else 0.75)
    assert first["mttr"].value == pytest.approx(5)


async def test_gaps_beside_a_stop_by_hand(database: Database, weekend: int) -> None:
    # On Sunday M3's last hour but one was standstill, with nothing heard of it for an hour before: it ran until 03:00
    # (three hours less the one that is missing, 2 h), was seen down from 04:00 to 05:00, and ran until 06:00.
    async with database.connection() as connection:
        machine = await connection.fetchval("select id from machine where code = 'M3'")
        rows = [
            (SATURDAY, at(29, 3), "running"), (at(29, 3), at(29, 4), "off_line"), (at(29, 4), at(29, 5), "down"),
            (at(29, 5), at(29, 6), "running"),
        ]  # fmt: skip
        await replace_states(connection, machine, weekend, [StateRow(*row) for row in rows])
        await open_downtime(connection, weekend, machine, at(29, 4), planned=False, earliest_start=at(29, 3))
        await end_downtime(connection, machine, at(29, 4), at(29, 5))
    async with database.tenant(weekend) as connection:
        groups = await compute_kpis(connection, start=SUNDAY, end=MONDAY, group_by="machine")
        (whole,) = await compute_kpis(connection, start=SUNDAY, end=MONDAY)
        # A person knows that it was planned: neither the stop nor the doubt counts any more.
        await connection.execute("update downtime_event set planned = true where machine_id = $1", machine)
        (called_planned,) = [
            group
            for group in await compute_kpis(connection, start=SUNDAY, end=MONDAY, group_by="machine")
            if group.key == "M3"
        ]
    (found,) = [by_key(group) for group in groups if group.key == "M3"]
    # 5 h: 3 h of work, 1 h down, 1 h in doubt. It costs 1 h, is 1 h of repair, and 2 h of what was not available.
    assert found["availability"].value == pytest.approx(3 / 5)
    assert (found["availability"].low, found["availability"].high) == (pytest.approx(3 / 5), pytest.approx(4 / 5))
    assert found["availability"].coverage == pytest.approx(4 / 5)
    assert (found["unplanned_downtime_h"].value, found["mttr"].value) == (pytest.approx(1), pytest.approx(1))
    # Of all: 3 h of M1 and 1 h down and 1 h in doubt, of 37 h seen and the hour in doubt.
    assert by_key(whole)["availability"].value == pytest.approx(1 - 5 / 38)
    assert by_key(called_planned)["availability"].value == 1


def test_days_of_the_weekend_are_what_they_are_called() -> None:
    assert [day.astimezone(BERLIN).time() for day in (SATURDAY, SUNDAY, MONDAY)] == [time()] * 3
    assert (timedelta(hours=24), timedelta(hours=23)) == (SUNDAY - SATURDAY, MONDAY - SUNDAY)
