"""The REST API as a program uses it: log-in, lists in pages, one tenant's rows only, errors that say what to do."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from api import ApiSettings, create_app
from historian import (
    Database,
    accounts,
    add_gateway,
    end_downtime,
    ensure_tenant,
    register_machines,
    revoke_gateway,
)
from plant import MachineSpec, template_library
from tests.plant_records import PASSWORD, disturbed_bus, plant_with

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def client(database_url: str, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application on a plant of 25 motors; not logged in."""
    await plant_with(database, 25)
    app = create_app(ApiSettings(database_url, console=False))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
            yield opened


async def _log_in(client: httpx.AsyncClient, name: str = "admin", password: str = PASSWORD) -> httpx.Response:
    answer = await client.post("/api/v1/token", data={"username": name, "password": password})
    if answer.status_code == 200:
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return answer


# They take a password, and a one-time token.
OPEN_ROUTES = {"/api/v1/token", "/api/v1/edge/enrolment"}


async def test_nothing_but_health_without_a_token(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await client.get(path)).status_code == 200
    schema = (await client.get("/api/v1/openapi.json")).json()
    assert schema["openapi"].startswith("3.1")
    for path, methods in schema["paths"].items():
        if not path.startswith("/api/v1") or path in OPEN_ROUTES:
            continue
        for method in methods:
            answer = await client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 401, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert "token" in answer.json()["detail"]


async def test_wrong_password_is_told_apart_from_nothing_and_slows_down(client: httpx.AsyncClient) -> None:
    wrong = await _log_in(client, password="wrong")
    nobody = await _log_in(client, name="nobody", password="wrong")
    assert (wrong.status_code, wrong.json()) == (nobody.status_code, nobody.json())
    assert wrong.status_code == 401
    for _ in range(4):
        await _log_in(client, password="wrong")
    assert (await _log_in(client)).status_code == 429


async def test_machines_come_riskiest_first_in_pages_each_once(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    seen = []
    cursor = None
    while True:
        query = {"sort": "-risk", "limit": 7, **({"cursor": cursor} if cursor else {})}
        page = (await client.get("/api/v1/machines", params=query)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({machine["id"] for machine in seen}) == len(seen) == 25
    assert [machine["risk"] for machine in seen] == sorted((machine["risk"] for machine in seen), reverse=True)
    first = seen[0]
    assert (first["code"], first["state"], first["failure_mode"]) == ("M001", "running", "bearing_wear_de")
    fleet = (await client.get("/api/v1/fleet")).json()
    assert sorted(fleet["code"]) == sorted(machine["code"] for machine in seen)


async def test_one_machine_with_signals_trend_and_export(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    machine = (await client.get("/api/v1/machines", params={"q": "M001"})).json()["items"][0]
    detail = (await client.get(f"/api/v1/machines/{machine['id']}")).json()
    speed = next(signal for signal in detail["signals"] if signal["key"] == "speed")
    assert speed["unit"] == "1/min"
    assert speed["quality"] == "good"
    assert detail["nameplate"]["rated_power"] == 15.0

    end = datetime.now(UTC) + timedelta(minutes=1)
    period = {"start": (end - timedelta(hours=1)).isoformat(), "end": end.isoformat()}
    path = f"/api/v1/machines/{machine['id']}/trend"
    trend = (await client.get(path, params={"signal": "speed", "points": 50, **period})).json()
    assert len(trend["time"]) == len(trend["value"]) <= 50
    everything = {"machine": machine["id"], "signal": "speed", **period}
    text = (await client.get("/api/v1/export/readings", params=everything)).text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 600
    assert max(float(row["value"]) for row in rows) == pytest.approx(max(trend["maximum"]))
    binary = await client.get("/api/v1/export/readings", params={**everything, "format": "parquet"})
    table = pq.read_table(io.BytesIO(binary.content))
    assert table["value"].to_pylist() == [float(row["value"]) for row in rows]


async def test_finding_has_evidence_and_advice_and_becomes_a_work_order(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    (finding,) = (await client.get("/api/v1/findings", params={"open": True})).json()["items"]
    assert finding["failure_mode"] == "bearing_wear_de"
    assert finding["evidence"][0]["text_zh"]
    assert finding["advice"]
    made = await client.post(
        "/api/v1/work-orders",
        json={"machine": finding["machine_id"], "title": "Replace bearing", "finding_id": finding["id"]},
    )
    assert made.status_code == 201
    order = f"/api/v1/work-orders/{made.json()['id']}"
    done = {"state": "done", "labour_h": 2, "labour_rate": 100, "parts_cost": 50, "found": "outer race"}
    assert (await client.patch(order, json=done)).json()["state"] == "done"
    again = await client.patch(order, json={"state": "open"})
    assert again.status_code == 409
    assert "done" in again.json()["detail"]
    now = datetime.now(UTC)
    query = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    (group,) = (await client.get("/api/v1/kpis", params=query)).json()["items"]
    values = {value["key"]: value for value in group["values"]}
    assert values["maintenance_cost"]["value"] == 250
    assert values["availability"]["value"] is None
    assert "not enough data" in values["availability"]["reason"]


async def test_alarm_is_acknowledged_by_whom_and_shelved(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    (alarm,) = (await client.get("/api/v1/alarms", params={"active": True})).json()["items"]
    assert alarm["standard"].startswith("ISO 20816-3")
    path = f"/api/v1/alarms/{alarm['id']}"
    acknowledged = (await client.post(f"{path}/acknowledge", json={"note": "seen"})).json()
    assert (acknowledged["acknowledged_by"], acknowledged["note"]) == ("admin", "seen")
    past = await client.post(f"{path}/shelve", json={"until": "2020-01-01T00:00:00Z"})
    assert past.status_code == 422
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert (await client.post(f"{path}/shelve", json={"until": later})).json()["shelved_by"] == "admin"


async def test_a_viewer_may_look_only(client: httpx.AsyncClient, database: Database) -> None:
    async with database.connection() as connection:
        await accounts.create_user(connection, 1, "guest", PASSWORD, role="viewer")
    await _log_in(client, "guest")
    assert (await client.get("/api/v1/machines")).status_code == 200
    refused = await client.post("/api/v1/alarms/1/acknowledge")
    assert refused.status_code == 403
    assert "engineer" in refused.json()["detail"]


async def test_another_tenant_sees_none_of_it(client: httpx.AsyncClient, database: Database) -> None:
    await plant_with(database, 2, "other", "other-admin")
    await _log_in(client)
    mine = {machine["id"] for machine in (await client.get("/api/v1/machines", params={"limit": 100})).json()["items"]}
    alarm = (await client.get("/api/v1/alarms")).json()["items"][0]["id"]
    await _log_in(client, "other-admin")
    theirs = (await client.get("/api/v1/machines")).json()["items"]
    assert len(theirs) == 2
    assert not mine & {machine["id"] for machine in theirs}
    assert len((await client.get("/api/v1/findings")).json()["items"]) == 1
    for path in (f"/api/v1/machines/{min(mine)}", "/api/v1/findings/1"):
        assert (await client.get(path)).status_code == 404, path
    assert (await client.post(f"/api/v1/alarms/{alarm}/acknowledge")).status_code == 404
    order = {"machine": min(mine), "title": "not mine"}
    assert (await client.post("/api/v1/work-orders", json=order)).status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("machines?sort=colour", 422, "sort must be one of"),
        ("machines?limit=0", 422, "limit"),
        ("machines?cursor=rubbish", 400, "cursor"),
        ("findings?cursor=rubbish", 400, "cursor"),
        ("machines/999999", 404, "999999"),
        ("machines/1/trend?signal=speed&start=2026-01-01T00:00:00&end=2026-01-02T00:00:00", 422, "time zone"),
        ("kpis?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z", 422, "after start"),
        ("kpis?group_by=moon", 422, "group_by"),
    ],
)
async def test_wrong_questions_are_answered_with_what_to_do(
    client: httpx.AsyncClient, path: str, status: int, said: str
) -> None:
    await _log_in(client)
    answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


async def test_token_ends_with_the_account(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    async with database.connection() as connection:
        token = await accounts.issue_token(connection, "admin", timedelta(seconds=-1))
        await accounts.disable(connection, "admin")
    assert (await client.get("/api/v1/machines")).status_code == 401
    client.headers["Authorization"] = f"Bearer {token}"
    assert (await client.get("/api/v1/machines")).status_code == 401


async def test_listeners_hear_of_a_change(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    app = client._transport.app  # type: ignore[attr-defined]
    announcer = app.state.announcer
    listener = announcer.join(1)
    try:
        await asyncio.sleep(0.3)
        async with database.connection() as connection:
            await connection.execute("update machine_condition set state = 'down' where machine_id = 1")
        async with asyncio.timeout(10):
            message = await listener.get()
        assert b'"state":"down"' in message
        assert message.startswith(b"event: machine\ndata: ")
    finally:
        announcer.leave(1, listener)


async def test_onboarding_proposes_and_checks(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    tags = [
        {"name": "Motor1.I_L1", "unit": "mA"},
        {"name": "Motor1.BearingTemp", "unit": "°C"},
        {"name": "Motor1.Fault", "samples": [0, 1]},
    ]
    answer = await client.post("/api/v1/onboarding/propose", json={"tags": tags})
    assert answer.status_code == 200
    first, second, third = answer.json()["items"]
    assert (first["machine"], first["template"], first["signal"], first["factor"]) == (
        "Motor1",
        "motor",
        "current_u",
        1e-3,
    )
    assert (second["ask"], second["candidates"][0]["signal"]) == (True, "bearing_temperature_de")
    assert (third["signal"], third["ask"]) == (None, False)
    for wrong in ({"tags": []}, {"tags": [{"name": ""}]}, {"tags": [{"name": "a", "low": "x"}]}, {}):
        assert (await client.post("/api/v1/onboarding/propose", json=wrong)).status_code == 422
    machine = (await client.get("/api/v1/machines?limit=1")).json()["items"][0]["id"]
    check = (await client.get(f"/api/v1/onboarding/check?machine_id={machine}")).json()
    assert check["machine_id"] == machine
    assert {item["level"] for item in check["items"]} <= {"ok", "warning", "problem"}
    assert check["ok"] == all(item["level"] != "problem" for item in check["items"])
    assert (await client.get("/api/v1/onboarding/check?machine_id=999999")).status_code == 404


async def _values(client: httpx.AsyncClient, **query: object) -> list[dict]:  # type: ignore[type-arg]
    answer = await client.get("/api/v1/kpis", params=query)
    assert answer.status_code == 200, answer.text
    return [{**group, "values": {value["key"]: value for value in group["values"]}} for group in answer.json()["items"]]


async def test_kpis_by_day_and_shift_of_the_site_and_against_what_was(
    client: httpx.AsyncClient, database: Database
) -> None:
    await _log_in(client)
    # Ten days in Shanghai (UTC+8): M001 ran all the time but for two hours before midnight of 4 May, local time.
    begin = datetime(2026, 4, 30, 16, tzinfo=UTC)
    stop = datetime(2026, 5, 4, 15, tzinfo=UTC)
    async with database.connection() as connection:
        rows = [
            (begin, stop, "running"),
            (stop, stop + timedelta(hours=2), "down"),
            (stop + timedelta(hours=2), begin + timedelta(days=10), "running"),
        ]
        for row in rows:
            await connection.execute(
                "insert into machine_state (machine_id, tenant_id, started_at, ended_at, state) "
                "values (1, 1, $1, $2, $3)",
                *row,
            )
        await connection.execute(
            "insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned) "
            "values (1, 1, $1, $2, false)",
            stop,
            stop + timedelta(hours=2),
        )
    period = {"start": begin.isoformat(), "end": (begin + timedelta(days=10)).isoformat()}
    days = await _values(client, group_by="day", machine=1, **period)
    assert len(days) == 10
    # 15:00 to 17:00 UTC is 23:00 to 01:00: an hour on either day; the failure belongs to the day it began on.
    hours = [day["values"]["unplanned_downtime_h"]["value"] for day in days]
    assert hours == [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert [day["values"]["stops"]["value"] for day in days] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert days[4]["values"]["unplanned_downtime_h"]["previous"] == 1
    assert days[0]["start"] == "2026-04-30T16:00:00Z"

    shifts = [
        {"name": "day", "weekdays": [1, 2, 3, 4, 5, 6, 7], "starts": "08:00", "ends": "20:00"},
        {"name": "night", "weekdays": [1, 2, 3, 4, 5, 6, 7], "starts": "20:00", "ends": "08:00"},
    ]
    assert (await client.put("/api/v1/sites/site-a/shifts", json=shifts)).status_code == 204
    assert [shift["name"] for shift in (await client.get("/api/v1/sites/site-a/shifts")).json()] == ["day", "night"]
    by_shift = await _values(client, group_by="shift", machine=1, **period)
    lost = {(group["label"], group["start"]): group["values"]["unplanned_downtime_h"]["value"] for group in by_shift}
    assert sum(lost.values()) == 2
    assert lost["night", "2026-05-04T12:00:00Z"] == 2

    second = {"start": (begin + timedelta(days=5)).isoformat(), "end": (begin + timedelta(days=10)).isoformat()}
    baseline = {"start": (begin + timedelta(days=3)).isoformat(), "end": (begin + timedelta(days=5)).isoformat()}
    assert (await client.put("/api/v1/sites/site-a/baseline", json=baseline)).status_code == 204
    (group,) = await _values(client, site="site-a", machine=1, compare=True, **second)
    downtime = group["values"]["unplanned_downtime_h"]
    # The stop ended on 4 May at 17:00 UTC, before the five days that are asked for.
    assert (downtime["value"], downtime["previous"], downtime["baseline"]) == (0, 2, 2)
    # What amounts of spans of different length are set beside each other by.
    seen = [group[name]["seen_h"] for name in ("exposure", "previous_exposure", "baseline_exposure")]
    assert seen == [pytest.approx(hours) for hours in (120, 120, 48)]
    # All 25 machines asked for, one was seen: too little of the site.
    (group,) = await _values(client, site="site-a", compare=True, **second)
    assert group["values"]["unplanned_downtime_h"]["coverage"] == pytest.approx(1 / 25)
    assert group["values"]["unplanned_downtime_h"]["value"] is None


async def test_a_stop_is_explained_cut_joined_and_counted(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    began = datetime(2026, 5, 4, 8, tzinfo=UTC)

    def at(minutes: float) -> str:
        return (began + timedelta(minutes=minutes)).isoformat()

    async with database.connection() as connection:
        add = (
            "insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned, failure_mode) "
            "values ($1, 1, $2, $3, false, $4) returning id"
        )
        long = await connection.fetchval(add, 1, began, began + timedelta(hours=4), "bearing_wear_de")
        short = await connection.fetchval(
            add, 1, began + timedelta(hours=5), began + timedelta(hours=5, minutes=2), None
        )
        with pytest.raises(asyncpg.ExclusionViolationError):
            await connection.execute(add, 1, began + timedelta(hours=1), None, None)
    stops = "/api/v1/downtime"
    waiting = (await client.get(stops, params={"unexplained": True})).json()["items"]
    assert [(stop["id"], stop["proposed_reason"], stop["micro_stop"]) for stop in waiting] == [
        (short, None, True),
        (long, "bearing", False),
    ]
    for narrowed, found in (
        ({"micro_stops": False}, [long]),
        ({"site": "moon"}, []),
        ({"site": "site-a"}, [short, long]),
    ):
        items = (await client.get(stops, params={"unexplained": True, **narrowed})).json()["items"]
        assert [stop["id"] for stop in items] == found
    marks = {"detected_at": at(10), "responded_at": at(60), "repaired_at": at(220)}
    assert (await client.patch(f"{stops}/{long}", json={"reason_key": "bearing", **marks})).status_code == 204
    explained = (await client.get(stops)).json()["items"][1]
    # 10 min to detect; nobody noted when it was notified: 50 min for both; 160 min repair, 20 min restart.
    assert [(part["names"], part["seconds"] / 60) for part in explained["phases"]] == [
        (["detect"], 10),
        (["notify", "respond"], 50),
        (["repair"], 160),
        (["restart"], 20),
    ]
    wrong = await client.patch(f"{stops}/{long}", json={"responded_at": at(230)})
    assert (wrong.status_code, "in this order" in wrong.json()["detail"]) == (422, True)
    assert (await client.patch(f"{stops}/{long}", json={"reason_key": "moon"})).status_code == 422

    second = (await client.post(f"{stops}/{long}/split", json={"at": at(180)})).json()["id"]
    assert (await client.patch(f"{stops}/{second}", json={"reason_key": "planned_maintenance"})).status_code == 204
    period = {"start": at(-60), "end": at(600)}
    rows = (await client.get(f"{stops}/pareto", params=period)).json()
    # Three hours of bearing, and two minutes apart; the planned hour is in neither.
    assert [(row["reason"], row["branch"], row["stops"]) for row in rows] == [
        ("bearing", "mechanical", 1),
        ("micro_stop", "micro_stop", 1),
    ]
    assert rows[0]["hours"] == 3
    assert rows[1]["running"] == pytest.approx(1)
    assert (await client.post(f"{stops}/merge", json={"ids": [long, short]})).status_code == 409
    assert (await client.post(f"{stops}/merge", json={"ids": [long, second]})).json()["id"] == long
    outside = await client.post(f"{stops}/{long}/split", json={"at": at(999)})
    assert (outside.status_code, outside.json()["errors"][0]["field"]) == (409, "at")
    assert (await client.post(f"{stops}/merge", json={"ids": [long, 999999]})).status_code == 404
    (group,) = await _values(client, machine=1, **period)
    assert group["values"]["unplanned_downtime_h"]["reason"].startswith("not enough data")
    async with database.connection() as connection:
        # What people have set, analytics leaves alone.
        await end_downtime(connection, 1, began, began + timedelta(minutes=5))
        kept = await connection.fetchval("select ended_at from downtime_event where id = $1", long)
    assert kept == began + timedelta(hours=4)


async def test_gateways_are_those_of_the_tenant(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    assert (await client.get("/api/v1/edge/gateways")).json() == []
    async with database.connection() as connection:
        other = await ensure_tenant(connection, "other", "other")
        await register_machines(connection, other, [MachineSpec("site-x", "l", "X1", "X1", "motor")])
        await add_gateway(connection, other, "site-x", "theirs")
        ours = await add_gateway(connection, 1, "site-a", "ours")
        gone = await add_gateway(connection, 1, "site-a", "gone")
        assert await revoke_gateway(connection, 1, gone.key)
        newest = await connection.fetchval("select max(judged_at) from machine_condition where tenant_id = 1")
    rows = (await client.get("/api/v1/edge/gateways")).json()
    assert [(row["key"], row["name"], row["revoked_at"] is None) for row in rows] == [
        (ours.key, "ours", True),
        (gone.key, "gone", False),
    ]
    assert datetime.fromisoformat(rows[0]["newest"]) == newest
    assert ours.password not in str(rows)


async def test_a_finding_becomes_a_job_with_labour_parts_and_a_verdict(client: httpx.AsyncClient) -> None:
    await _log_in(client)
    (finding,) = (await client.get("/api/v1/findings", params={"open": True})).json()["items"]
    path = f"/api/v1/findings/{finding['id']}/work-order"

    async def unanswered() -> list[int]:
        answer = await client.get("/api/v1/findings", params={"unanswered": True})
        return [item["id"] for item in answer.json()["items"]]

    assert await unanswered() == [finding["id"]]
    part = {"name": "Bearing 6205", "stock": 1, "minimum": 1, "lead_time_days": 10, "unit_cost": 90}
    modes = {"failure_modes": ["bearing_wear_de"]}
    assert (await client.put("/api/v1/spare-parts/6205", json={**part, **modes})).status_code == 204
    made = await client.post(path, json={"assignee": "li"})
    assert (made.status_code, made.json()["kind"], made.json()["assignee"]) == (201, "condition_based", "li")
    assert (await client.post(path, json={})).status_code == 409
    assert await unanswered() == []
    order = f"/api/v1/work-orders/{made.json()['id']}"
    job = (await client.get(order)).json()
    assert job["evidence"] == finding["evidence"]
    assert job["due_at"] == finding["act_before"]
    assert job["checklist"][0]["text_zh"] == finding["first_check_zh"]

    assert (await client.post(f"{order}/labour", json={"person": "li", "hours": 2, "rate": 100})).status_code == 204
    assert (await client.post(f"{order}/labour", json={"person": "wu", "hours": 1, "rate": 250})).status_code == 204
    assert (await client.post(f"{order}/parts", json={"part": "6205", "quantity": 1})).status_code == 204
    assert (await client.post(f"{order}/parts", json={"part": "6205", "quantity": 1})).status_code == 409
    # 2 h at 100 and 1 h at 250 are 3 h at 150; one bearing at 90. The stock is empty, below its minimum.
    (stock,) = (await client.get("/api/v1/spare-parts")).json()
    assert (stock["stock"], stock["order_now"], stock["wanted"]) == (0, True, 1)
    silent = await client.patch(order, json={"state": "done"})
    assert (silent.status_code, "what was found" in silent.json()["detail"]) == (422, True)
    verdict = {"verdict": "confirmed", "found_mode": "bearing_wear_de", "meter_readings": {"hours": 8123}}
    closed = (await client.patch(order, json={"state": "done", **verdict})).json()
    assert (closed["labour_h"], closed["labour_rate"], closed["parts_cost"]) == (3, 150, 90)
    assert (await client.post(f"{order}/labour", json={"person": "li", "hours": 1, "rate": 1})).status_code == 409
    (rate,) = (await client.get("/api/v1/findings-statistics")).json()
    assert (rate["failure_mode"], rate["confirmed"], rate["precision"]) == ("bearing_wear_de", 1, 1)
    now = datetime.now(UTC)
    period = {"start": (now - timedelta(hours=1)).isoformat(), "end": (now + timedelta(hours=1)).isoformat()}
    (group,) = await _values(client, **period)
    assert group["values"]["maintenance_cost"]["value"] == 540
    assert group["values"]["planned_work_share"]["value"] == 1


async def test_people_say_whether_a_finding_was_right_and_the_last_word_counts(
    client: httpx.AsyncClient, database: Database
) -> None:
    await _log_in(client)
    (finding,) = (await client.get("/api/v1/findings", params={"open": True})).json()["items"]
    assert (finding["answer"], finding["hit_rate"]["n"]) == (None, 0)
    path = f"/api/v1/findings/{finding['id']}/verdict"
    for wrong, said in (
        ({"verdict": "maybe"}, "confirmed"),
        ({"verdict": "other_fault", "found_mode": "gremlins"}, "bearing_wear_nde"),
        ({"verdict": "nothing_found", "found_mode": "misalignment"}, "leave it out"),
    ):
        refused = await client.post(path, json=wrong)
        assert refused.status_code == 422
        assert said in refused.text
    assert (await client.post("/api/v1/findings/999/verdict", json={"verdict": "confirmed"})).status_code == 404
    said = {"verdict": "other_fault", "found_mode": "misalignment", "note": "coupling"}
    answered = (await client.post(path, json=said)).json()
    assert (answered["answer"]["verdict"], answered["answer"]["by"]) == ("other_fault", "admin")
    assert (answered["answer"]["found_mode"], answered["answer"]["note"]) == ("misalignment", "coupling")
    assert (answered["hit_rate"]["right"], answered["hit_rate"]["n"]) == (0, 1)

    # The job that answers it is closed later, and says otherwise: one finding counts once.
    order = (await client.post(f"/api/v1/findings/{finding['id']}/work-order", json={"assignee": "li"})).json()["id"]
    await client.patch(f"/api/v1/work-orders/{order}", json={"state": "done", "verdict": "confirmed", "found": "spall"})
    (rate,) = (await client.get("/api/v1/findings-statistics")).json()
    assert (rate["confirmed"], rate["other_fault"], rate["n"]) == (1, 0, 1)
    assert (rate["low"], rate["high"]) == (None, None)
    assert "too few to say" in rate["text_en"]
    shown = (await client.get(f"/api/v1/findings/{finding['id']}")).json()["answer"]
    assert (shown["verdict"], shown["by"], shown["note"]) == ("confirmed", "li", "spall")

    async with database.connection() as connection:
        await connection.execute(
            "insert into finding (tenant_id, machine_id, failure_mode, probability, severity, opened_at, updated_at, "
            "closed_at, evidence, verdict, verdict_at) select tenant_id, machine_id, failure_mode, 1, severity, now(), "
            "now(), now(), case when n < 5 then evidence else '[]' end, "
            "case when n < 7 then 'confirmed' else 'nothing_found' end, now() "
            "from finding cross join generate_series(1, 8) as n"
        )
    (rate,) = (await client.get("/api/v1/findings-statistics")).json()
    assert (rate["right"], rate["n"], rate["text_en"]) == (7, 9, "right in 7 of 9 cases, 45-94 %")
    # Five of them rested on this symptom, and all five were right.
    (symptom,) = rate["symptoms"]
    assert (symptom["indicator"], symptom["right"], symptom["n"]) == ("vibration_ratio_de", 5, 5)
    assert symptom["low"] == pytest.approx(0.566, abs=0.001)


async def test_a_viewer_answers_no_finding_and_another_tenant_sees_none(
    client: httpx.AsyncClient, database: Database
) -> None:
    async with database.connection() as connection:
        await accounts.create_user(connection, 1, "looker", PASSWORD, role="viewer")
    await plant_with(database, 1, "other", "stranger")
    await _log_in(client, "looker")
    assert (await client.post("/api/v1/findings/1/verdict", json={"verdict": "confirmed"})).status_code == 403
    await _log_in(client, "stranger")
    assert (await client.post("/api/v1/findings/1/verdict", json={"verdict": "confirmed"})).status_code == 404
    assert (await client.get("/api/v1/findings-statistics")).json() == []


async def test_an_alarm_says_which_limit_made_it_after_the_template_has_changed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _log_in(client)
    (before,) = (await client.get("/api/v1/alarms")).json()["items"]
    motor = template_library()["motor"]
    changed = motor.model_copy(update={"version": motor.version + 1, "limits": ()})
    monkeypatch.setattr("api.alarms.template_library", lambda: {"motor": changed})
    (after,) = (await client.get("/api/v1/alarms")).json()["items"]
    assert after == before
    assert (after["template_version"], after["threshold"], after["unit"]) == (motor.version, 2.8, "mm/s")
    assert (after["limit"]["standard"], after["limit"]["verified"]) == ("ISO 20816-3", False)
    assert after["name_zh"] == "驱动端振动进入C区"


async def test_a_machine_says_what_its_sensors_can_show(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    explanation = {"indicators": {"current_ratio": 0.7, "voltage_ratio": 1.0, "load": 0.7}, "running": True}
    async with database.connection() as connection:
        await connection.execute(
            "update machine_condition set explanation = $1, held_since = judged_at - interval '1 hour' "
            "where machine_id = 1",
            explanation,
        )
    machine = (await client.get("/api/v1/machines/1")).json()
    told = {entry["failure_mode"]: entry for entry in machine["detectability"]}
    assert told["overload"]["because"] is None
    assert (told["broken_rotor_bar"]["because"], told["broken_rotor_bar"]["missing"]) == (
        "not_measured",
        ["current_waveform"],
    )
    assert told["cooling_blocked"]["because"] == "lost"
    assert datetime.fromisoformat(machine["judged_at"]) - datetime.fromisoformat(machine["held_since"]) == timedelta(
        hours=1
    )
    # The second motor has never sent anything.
    silent = (await client.get("/api/v1/machines/2")).json()["detectability"]
    assert {entry["because"] for entry in silent} == {"not_measured"}
    check = (await client.get("/api/v1/onboarding/check", params={"machine_id": 1})).json()
    assert [entry["failure_mode"] for entry in check["detectability"] if entry["because"]] == ["broken_rotor_bar"]


async def test_plans_fall_due_by_calendar_or_running_hours(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    plan = {"machine": 1, "title": "Grease", "every_days": 30, "every_running_h": 100, "checklist": ["Grease DE"]}
    assert (await client.post("/api/v1/maintenance-plans", json={"machine": 1, "title": "x"})).status_code == 422
    assert (await client.post("/api/v1/maintenance-plans", json=plan)).status_code == 201
    assert (await client.post("/api/v1/maintenance-plans/open-due")).json() == {"opened": []}
    now = datetime.now(UTC)
    async with database.connection() as connection:
        await connection.execute("update maintenance_plan set starts_at = $1", now - timedelta(days=6))
        await connection.execute(
            "insert into machine_state (machine_id, tenant_id, started_at, ended_at, state) "
            "values (1, 1, $1, $2, 'running')",
            now - timedelta(days=7),
            now - timedelta(days=1),
        )
    # Five of the six days since the plan began it ran: 120 h of 100.
    (state,) = (await client.get("/api/v1/maintenance-plans")).json()
    assert (state["running_h"], state["used"]) == (pytest.approx(120), pytest.approx(1.2))
    (order,) = (await client.post("/api/v1/maintenance-plans/open-due")).json()["opened"]
    assert (await client.post("/api/v1/maintenance-plans/open-due")).json() == {"opened": []}
    assert (await client.patch(f"/api/v1/work-orders/{order}", json={"state": "done"})).status_code == 200
    (state,) = (await client.get("/api/v1/maintenance-plans")).json()
    assert (state["running_h"], state["open"]) == (0, False)

    life = {"commissioned_at": (now - timedelta(days=4)).isoformat(), "replacement_value": 5000}
    assert (await client.patch("/api/v1/machines/1/life", json=life)).status_code == 204
    kept = (await client.get("/api/v1/machines/1/life")).json()
    assert (datetime.fromisoformat(kept["commissioned_at"]), kept["scrapped_at"]) == (now - timedelta(days=4), None)
    assert (await client.get("/api/v1/machines/999/life")).status_code == 404
    period = {"start": (now - timedelta(days=8)).isoformat(), "end": now.isoformat()}
    (group,) = await _values(client, machine=1, **period)
    assert group["exposure"]["asked_h"] == pytest.approx(96)
    assert (
        await client.post("/api/v1/machines/1/documents", json={"title": "Manual", "reference": "share/m.pdf"})
    ).is_success
    assert (await client.get("/api/v1/machines/1/documents")).json()[0]["reference"] == "share/m.pdf"


async def test_a_disturbed_bus_is_one_matter_of_the_supply(client: httpx.AsyncClient, database: Database) -> None:
    await _log_in(client)
    async with database.connection() as connection:
        tenant_id = await connection.fetchval("select id from tenant")
    first, *others = await disturbed_bus(database, tenant_id, ("M002", "M003"), "MCC-1")

    async def ids(**query: str | int) -> set[int]:
        items = (await client.get("/api/v1/findings", params=query)).json()["items"]
        return {item["id"] for item in items if item["failure_mode"] == "voltage_unbalance"}

    assert await ids() == {first, *others}
    assert await ids(grouped="true") == {first}
    assert await ids(part_of=first) == set(others)
    finding = (await client.get(f"/api/v1/findings/{others[0]}")).json()
    assert (finding["origin"], finding["bus"], finding["part_of"]) == ("bus", "MCC-1", first)
    assert finding["name_en"] == "Voltage unbalance of the bus"
    assert "substation" in finding["advice"][0]
    assert finding["evidence"][0]["text_en"].startswith("Peers on bus MCC-1: 1 of 1")

    # The electrician's job says the same; one contactor is wanted for the bus, not one for each motor.
    job = (await client.post(f"/api/v1/findings/{first}/work-order", json={})).json()
    assert job["title"].startswith("Voltage unbalance of the bus")
    detail = (await client.get(f"/api/v1/work-orders/{job['id']}")).json()
    assert detail["evidence"] == finding["evidence"]
    assert "bus" in detail["checklist"][0]["text_en"]
    part = {"name": "Contacts", "stock": 1, "minimum": 0, "lead_time_days": 1, "unit_cost": 9}
    modes = {"failure_modes": ["voltage_unbalance"]}
    await client.put("/api/v1/spare-parts/c1", json={**part, **modes})
    (stock,) = (await client.get("/api/v1/spare-parts")).json()
    assert stock["wanted"] == 1
