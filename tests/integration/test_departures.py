"""Machines whose physics nobody has written down: learnt, departed, back again, across restarts and versions."""

import io

import numpy as np
import pytest

from analytics.departures import DepartureJudge
from historian import (
    READING,
    Connection,
    Database,
    LatestKeeper,
    PartitionKeeper,
    ensure_tenant,
    load_machines,
    register_machines,
    store_model,
    store_readings,
)
from plant import MICROSECONDS, Batch, MachineSpec, Quality, to_datetime

pytestmark = [pytest.mark.integration]

START = 1_795_000_000 * MICROSECONDS
USUAL = {
    "vibration_acceleration_1": 0.2,
    "vibration_acceleration_2": 0.3,
    "current": 2.0,
    "voltage": 230.0,
    "pressure": 0.4,
    "flow": 32.0,
    "motor_temperature": 70.0,
    "fluid_temperature": 25.0,
}
# When flow falls, and when it is back [s].
FALLS, BACK, END = 600, 800, 1000
# A recording that has ended is judged by its first minutes.
RECORDED = START + 86_400 * MICROSECONDS


async def _recorded(connection: Connection, sensor_fault: str = "") -> None:
    """Two pump sets: of the first, flow falls for a while; the second has no second accelerometer and stays well.

    With a sensor's fault, flow does not fall, but its sensor fails and stays so.
    """
    tenant_id = await ensure_tenant(connection, "t", "t")
    await register_machines(
        connection, tenant_id, [MachineSpec("s", "l", f"p{number}", f"p{number}", "pump_set") for number in (1, 2)]
    )
    random = np.random.default_rng(5)
    latest = LatestKeeper()
    for machine in await load_machines(connection):
        for key, mean in USUAL.items():
            if machine.code == "p2" and key == "vibration_acceleration_2":
                continue
            values = mean * (1 + random.normal(0, 0.01, END))
            qualities = np.zeros(END, np.int16)
            if key == "flow" and machine.code == "p1":
                _spoil(values, qualities, sensor_fault)
            if key == "motor_temperature":
                values += np.linspace(0, 10, END)
            times = START + np.arange(END) * MICROSECONDS
            ids = np.full(END, machine.signal_ids[key], np.int32)
            await PartitionKeeper().ensure(connection, READING, int(times[0]), int(times[-1]))
            batch = Batch(times, ids, values, qualities)
            async with connection.transaction():
                await store_readings(connection, batch)
            latest.note(batch)
    async with connection.transaction():
        await latest.flush(connection)


def _spoil(values: np.ndarray, qualities: np.ndarray, sensor_fault: str) -> None:
    if sensor_fault == "sensor_stuck":
        values[FALLS:] = values[FALLS]
    elif sensor_fault == "sensor_dropout":
        qualities[FALLS:] = Quality.BAD
    elif sensor_fault == "sensor_spikes":
        values[FALLS::20] *= 3
    else:
        values[FALLS:BACK] *= 0.9


async def _judge(connection: Connection) -> DepartureJudge:
    judge = DepartureJudge("pump_set", await load_machines(connection))
    await judge.begin(connection)
    await judge.learn_missing(connection, RECORDED)
    return judge


async def test_one_finding_from_fall_to_return_across_a_restart(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connection() as connection:
        await _recorded(connection)
        monkeypatch.setattr("analytics.departures._MOST_SAMPLES", 250)
        # A service that is started anew before every look.
        for _ in range(3):
            await (await _judge(connection)).tick(connection, 0)
        findings = await connection.fetch(
            "select machine.code, finding.* from finding join machine on machine.id = finding.machine_id"
        )
        conditions = await connection.fetch(
            "select machine.code, explanation, model_version, health from machine_condition "
            "join machine on machine.id = machine_condition.machine_id order by code"
        )
    assert [condition["code"] for condition in conditions] == ["p1", "p2"]
    assert [finding["code"] for finding in findings] == ["p1"]
    (finding,) = findings
    assert finding["failure_mode"] == "unexplained_departure"
    assert finding["model_version"] == 1
    assert to_datetime(START + FALLS * MICROSECONDS) < finding["onset_at"] < finding["opened_at"]
    assert finding["opened_at"] < to_datetime(START + (FALLS + 30) * MICROSECONDS)
    assert to_datetime(START + BACK * MICROSECONDS) < finding["closed_at"]
    assert finding["closed_at"] < to_datetime(START + (BACK + 60) * MICROSECONDS)
    parts = [row["indicator"] for row in finding["evidence"] if row["indicator"] != "departure"]
    assert parts[0] == "flow"
    assert parts[-1] == "baseline", "an engineer is told that it was learnt on little"
    for condition in conditions:
        assert condition["model_version"] == 1
        assert condition["health"] > 90
        # A quarter of an hour cannot tell warming up from a fault: temperatures are not judged.
        assert condition["explanation"]["baseline"] == {"samples": 400, "seconds": 400, "warmed_up": False}
        assert condition["explanation"]["indicators"]["departure"] < 1


async def test_a_model_of_an_older_form_is_learnt_anew_as_the_next_version(database: Database) -> None:
    async with database.connection() as connection:
        await _recorded(connection)
        old = io.BytesIO()
        np.savez_compressed(old, signals=np.array(["flow"]), mean=np.zeros(1), limits=np.ones(2))
        for machine in await load_machines(connection):
            start, end = to_datetime(START), to_datetime(START + 400 * MICROSECONDS)
            await store_model(connection, machine.id, machine.tenant_id, start, end, old.getvalue())
        judge = await _judge(connection)
        await judge.tick(connection, 0)
        versions = await connection.fetch("select model_version from machine_condition")
    assert [row["model_version"] for row in versions] == [2, 2]


@pytest.mark.parametrize("mode", ["sensor_stuck", "sensor_dropout", "sensor_spikes"])
async def test_a_bad_sensor_is_a_finding_of_its_own_and_takes_no_health(
    database: Database, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async with database.connection() as connection:
        await _recorded(connection, mode)
        monkeypatch.setattr("analytics.departures._MOST_SAMPLES", 20)
        judge = await _judge(connection)
        for _ in range(30):
            await judge.tick(connection, 0)
        findings = await connection.fetch("select failure_mode, evidence, closed_at from finding")
        condition = await connection.fetchrow(
            "select health, risk, explanation from machine_condition "
            "join machine on machine.id = machine_condition.machine_id where code = 'p1'"
        )
    assert [finding["failure_mode"] for finding in findings] == [mode]
    assert findings[0]["closed_at"] is None
    assert "flow" in findings[0]["evidence"][0]["text_en"]
    assert condition["explanation"]["suspects"] == ["flow"]
    assert condition["health"] > 90
    assert condition["risk"] > 0.2
