"""What the service stores and the database adds up is what follows from the readings, whichever of them were lost."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics import LivePlant, OperationService, compute_kpis
from analytics.operation import MINUTE_US, Interval, state_intervals, unsettled
from analytics.states import StateCode
from historian import Database, KpiAsk, PlannedStop, add_planned_stop, load_kpi_sums, load_machines
from plant import to_microseconds
from tests.observed import NAMEPLATE, observe, readings_of
from tests.plant_records import one_motor

pytestmark = pytest.mark.integration

# Long ago, at no full hour: a stop that lasts is in doubt until the period ends.
BEGAN = datetime(2026, 3, 2, 7, 20, tzinfo=UTC)
CODES = {state: StateCode[state.upper()] for state in ("running", "idle", "stopped")}
SUMS = (
    "running_s", "idle_s", "stopped_s", "down_s", "maintenance_s", "off_line_s", "planned_s", "unplanned_s",
    "doubtful_s", "failures", "repair_s", "asked_s",
)  # fmt: skip

phases = st.lists(
    st.tuples(st.sampled_from(["running", "idle", "stopped", "stopped"]), st.integers(1, 90)), min_size=2, max_size=6
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=phases,
    lost=st.tuples(st.integers(0, 2**32), st.floats(0, 0.95)),
    planned=st.none() | st.tuples(st.integers(0, 200), st.integers(1, 120)),
    portions=st.lists(st.integers(1, 60), max_size=6),
    restarted=st.booleans(),
)
async def test_database_and_readings_agree(
    database: Database,
    drawn: list[tuple[str, int]],
    lost: tuple[int, float],
    planned: tuple[int, int] | None,
    portions: list[int],
    restarted: bool,
) -> None:
    states = ["running", *(state for state, length in drawn for _ in range(length))]
    random = np.random.default_rng(lost[0])
    kept = random.random(len(states)) >= lost[1]
    kept[0] = True
    readings = readings_of(states)
    for values in readings.values():
        values[~kept] = np.nan
    windows = [(planned[0], planned[0] + planned[1])] if planned else []
    minutes = len(states) + 45
    wanted = observe(readings, planned=windows)

    tenant, _ = await one_motor(database, "mine")
    begin = to_microseconds(BEGAN)
    service = OperationService(database, LivePlant(lambda: 1), lambda: begin)
    async with database.connection() as connection:
        await connection.execute("truncate machine_state, downtime_event, planned_stop, kpi_rollup")
        await connection.execute("update machine set nameplate = $1, commissioned_at = null", NAMEPLATE)
        (machine,) = await load_machines(connection)
        for since, until in windows:
            span = (BEGAN + timedelta(minutes=since), BEGAN + timedelta(minutes=until))
            assert await add_planned_stop(connection, tenant, PlannedStop("s", *span))
        known = [(begin + n * MINUTE_US, int(CODES[states[n]])) for n in range(len(states)) if kept[n]]
        base: list[Interval] = []
        for portion in [*portions, len(known)]:
            taken, known = known[:portion], known[portion:]
            intervals = state_intervals(taken, base)
            if intervals and intervals[-1:] != base[-1:]:
                await service._store(connection, machine, intervals)
            base = unsettled(intervals)
            if restarted:
                # What is in mind is found again in the database.
                service._base.clear()
                service._plant.machines = [machine]
                await service._take_up(connection)
                base = service._base.get(machine.id, [])
    start, end = BEGAN, BEGAN + timedelta(minutes=minutes)
    async with database.tenant(tenant) as connection:
        (rolled,) = await load_kpi_sums(connection, [(start, end)], KpiAsk("site"))
        (rows,) = await load_kpi_sums(connection, [(start, end)], KpiAsk("machine"))
        (group,) = await compute_kpis(connection, start=start, end=end)
    sums, value = wanted.sums(minutes), wanted.availability(minutes)
    for name in SUMS:
        assert getattr(rolled.sums, name) == pytest.approx(getattr(sums, name), abs=1e-3), name
        assert getattr(rows.sums, name) == pytest.approx(getattr(sums, name), abs=1e-3), name
    (found,) = [entry for entry in group.values if entry.key == "availability"]
    for one, other in ((found.value, value.value), (found.low, value.low), (found.high, value.high)):
        assert one == (pytest.approx(other) if other is not None else None)
