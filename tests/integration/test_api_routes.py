"""The REST API as a program uses it: log-in, lists in pages, one tenant's rows only, errors that say what to do."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pyarrow.parquet as pq
import pytest
import pytest_asyncio

from api import ApiSettings, create_app
from historian import Database, accounts
from tests.plant_records import PASSWORD, plant_with

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
