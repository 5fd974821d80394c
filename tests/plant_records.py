"""Rows for tests: a tenant with a site and motors, written by SQL as the services would write them."""

from datetime import UTC, datetime, timedelta

import numpy as np

from analytics.supply import Peers
from historian import (
    READING,
    Condition,
    Database,
    FindingPlace,
    NewFinding,
    PartitionKeeper,
    RaisedAlarm,
    accounts,
    ensure_tenant,
    load_directory,
    open_finding,
    place_findings,
    raise_alarm,
    register_machines,
    store_conditions,
    store_readings,
)
from historian.latest import LatestKeeper
from plant import Batch, MachineSpec, template_library, to_microseconds

PASSWORD = "a-password-for-tests"


async def plant_with(database: Database, machines: int, tenant: str = "default", user: str = "admin") -> int:
    """A tenant with motors M001.. on site ``site-a``, an administrator, and ten minutes of readings; its id.

    M001 has bearing wear (an open finding, risk 0.8) and an active alarm.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    async with database.connection() as connection:
        tenant_id = await ensure_tenant(connection, tenant, tenant)
        specs = [
            MachineSpec("site-a", f"line-{n % 3}", f"M{n:03d}", f"Motor {n}", "motor", time_zone="Asia/Shanghai")
            for n in range(1, machines + 1)
        ]
        await register_machines(connection, tenant_id, specs)
        await accounts.create_user(connection, tenant_id, user, PASSWORD, role="administrator")
        rows = await connection.fetch("select id, code from machine where tenant_id = $1 order by code", tenant_id)
        ids = [row["id"] for row in rows]
        await store_conditions(
            connection,
            [
                Condition(machine, tenant_id, now, 20.0 if n == 0 else 99.0, 0.8 if n == 0 else 0.001 * n, 1, {})
                for n, machine in enumerate(ids)
            ],
        )
        await connection.execute(
            "update machine_condition set state = 'running', state_since = now() where tenant_id = $1", tenant_id
        )
        evidence = {
            "indicator": "vibration_ratio_de", "value": 2.9, "limit": 1.5, "unit": "1", "direction": "for",
            "weight": 4.0, "text_en": "Vibration at the drive end above normal", "text_zh": "驱动端振动高于正常水平",
        }  # fmt: skip
        act_before = now + timedelta(days=5)
        finding = NewFinding(
            tenant_id, ids[0], "bearing_wear_de", 0.97, "alarm", now, None, act_before, [evidence], [], 1
        )
        await open_finding(connection, finding)
        await raise_alarm(
            connection, RaisedAlarm(tenant_id, ids[0], "vibration_de_warning", 1, "warning", now, 2.8, 3.4)
        )
        entry = (await load_directory(connection, tenant_id)).machine("site-a", "M001")
        assert entry is not None
        await _readings(connection, list(entry.signal_ids.values()), now)
    return tenant_id


async def disturbed_bus(database: Database, tenant_id: int, codes: tuple[str, ...], bus: str) -> list[int]:
    """Findings of one voltage unbalance at these motors of a bus, the first standing for all; their ids."""
    now = datetime.now(UTC).replace(microsecond=0)
    async with database.connection() as connection:
        rows = await connection.fetch(
            "select id from machine where tenant_id = $1 and code = any($2) order by code", tenant_id, list(codes)
        )
        ids = [
            await open_finding(
                connection,
                NewFinding(tenant_id, row["id"], "voltage_unbalance", 0.9, "warning", now, None, now, [], [], 1),
            )
            for row in rows
        ]
        evidence = [Peers(bus, len(ids) - 1, len(ids) - 1).evidence()]
        await place_findings(
            connection, [FindingPlace(one, "bus", bus, None if one == ids[0] else ids[0], evidence) for one in ids]
        )
    return ids


async def one_motor(database: Database, tenant: str) -> tuple[int, int]:
    """A tenant with one motor; (tenant id, id of its signal speed)."""
    async with database.connection() as connection:
        tenant_id = await ensure_tenant(connection, tenant, tenant)
        await register_machines(connection, tenant_id, [MachineSpec("s", "l", "M1", "Motor", "motor")])
        signal_id = (await load_directory(connection, tenant_id)).signal_id("s", "M1", "speed")
    assert signal_id is not None
    return tenant_id, signal_id


async def _readings(connection, signal_ids: list[int], now: datetime) -> None:
    count = len(template_library()["motor"].signals)
    seconds = np.arange(600)
    times = np.repeat(to_microseconds(now - timedelta(minutes=10)) + seconds * 1_000_000, count)
    ids = np.tile(np.asarray(signal_ids, np.int32), 600)
    values = np.tile(np.arange(1.0, count + 1), 600) + np.repeat(np.sin(seconds / 20), count)
    batch = Batch(times, ids, values, np.zeros(len(ids), np.int16))
    await PartitionKeeper().ensure(connection, READING, int(times.min()), int(times.max()))
    async with connection.transaction():
        await store_readings(connection, batch)
    keeper = LatestKeeper()
    await keeper.load(connection)
    async with connection.transaction():
        await keeper.flush(connection)
