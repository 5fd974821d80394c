"""Work orders under many hands: steps that are allowed, each noted once, and nothing taken or opened twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import ApiSettings, create_app
from historian import (
    Database,
    NewWorkOrder,
    SparePart,
    WorkOrderError,
    accounts,
    add_work_order,
    change_work_order,
    get_work_order,
    list_steps,
    maintenance,
)
from plant import work_states, work_steps
from tests.plant_records import PASSWORD, plant_with

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def tenant(database: Database) -> int:
    """A plant with three motors, an open finding on the first, one bearing in stock, and an engineer."""
    tenant_id = await plant_with(database, 3)
    async with database.connection() as connection:
        await accounts.create_user(connection, tenant_id, "li", PASSWORD, role="engineer")
    async with database.tenant(tenant_id) as connection:
        await maintenance.set_part(connection, SparePart("6205", "Bearing", 1, 0, 0, 90, []))
    return tenant_id


async def _order(database: Database, tenant: int) -> int:
    async with database.tenant(tenant) as connection:
        order = await add_work_order(connection, NewWorkOrder(1, "corrective", "job"))
    assert order is not None
    return order.id


@pytest_asyncio.fixture
async def client(database_url: str, tenant: int) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ApiSettings(database_url, console=False))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test/api/v1") as opened:
            yield opened


async def _log_in(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/token", data={"username": name, "password": PASSWORD})
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def test_from_open_to_closed_with_who_and_when(client: httpx.AsyncClient) -> None:
    await _log_in(client, "li")
    order = (await client.post("/work-orders", json={"machine": 1, "title": "Noise"})).json()["id"]
    path = f"/work-orders/{order}"
    nobody = await client.patch(path, json={"state": "assigned"})
    assert (nobody.status_code, "assignee" in nobody.json()["detail"]) == (409, True)
    for state in ("assigned", "in_progress", "waiting_for_parts", "waiting_for_parts", "in_progress", "done"):
        assert (await client.patch(path, json={"state": state, "assignee": "wu"})).status_code == 200
    back = await client.patch(path, json={"state": "open"})
    assert back.status_code == 409
    assert back.json()["detail"] == (
        f"work order {order} is done: it cannot become open, "
        "only closed (by an administrator), in_progress (by an administrator)."
    )
    closing = await client.patch(path, json={"state": "closed"})
    assert (closing.status_code, "administrator" in closing.json()["detail"]) == (403, True)
    assert (await client.patch(path, json={"state": "lost"})).status_code == 422
    done_at = (await client.get("/work-orders", params={"state": "done"})).json()["items"][0]["closed_at"]
    await _log_in(client, "admin")
    closed = (await client.patch(path, json={"state": "closed"})).json()
    assert (closed["state"], closed["closed_at"]) == ("closed", done_at)
    steps = (await client.get(path)).json()["steps"]
    assert [(step["from_state"], step["to_state"], step["taken_by"]) for step in steps] == [
        ("open", "assigned", "li"), ("assigned", "in_progress", "li"), ("in_progress", "waiting_for_parts", "li"),
        ("waiting_for_parts", "in_progress", "li"), ("in_progress", "done", "li"), ("done", "closed", "admin"),
    ]  # fmt: skip
    states = {state["key"]: state for state in (await client.get("/work-orders/states")).json()}
    assert states["waiting_for_parts"]["name_zh"] == "待备件"
    assert states["done"]["next"] == {"closed": "administrator", "in_progress": "administrator"}


async def test_what_a_closed_order_cost_is_settled(client: httpx.AsyncClient) -> None:
    await _log_in(client, "admin")
    order = (await client.post("/work-orders", json={"machine": 1, "title": "Noise"})).json()["id"]
    path = f"/work-orders/{order}"
    for change in ({"state": "done"}, {"parts_cost": 90}, {"state": "closed"}, {"found": "grease was old"}):
        assert (await client.patch(path, json=change)).status_code == 200, change
    refused = await client.patch(path, json={"parts_cost": 9000})
    assert (refused.status_code, "is settled" in refused.json()["detail"]) == (409, True)
    (kept,) = (await client.get("/work-orders", params={"state": "closed"})).json()["items"]
    assert kept["parts_cost"] == 90


async def test_what_is_sent_twice_is_noted_once(client: httpx.AsyncClient) -> None:
    await _log_in(client, "li")
    order = (await client.post("/work-orders", json={"machine": 1, "title": "Noise"})).json()["id"]
    for _ in range(2):
        labour = {"person": "li", "hours": 2, "rate": 100, "request": "a"}
        assert (await client.post(f"/work-orders/{order}/labour", json=labour)).status_code == 204
        part = {"part": "6205", "quantity": 1, "request": "a"}
        assert (await client.post(f"/work-orders/{order}/parts", json=part)).status_code == 204
    job = (await client.get(f"/work-orders/{order}")).json()
    assert (len(job["labour"]), len(job["parts"])) == (1, 1)
    assert (await client.get("/spare-parts")).json()[0]["stock"] == 0


async def test_two_at_once_take_one_part_and_one_step(database: Database, tenant: int) -> None:
    order = await _order(database, tenant)

    async def take() -> bool:
        async with database.tenant(tenant) as connection:
            return await maintenance.use_part(connection, order, "6205", 1)

    async def go(state: str) -> str:
        async with database.tenant(tenant) as connection:
            try:
                changed = await change_work_order(connection, order, state=state, by=state)
            except WorkOrderError as problem:
                return str(problem)
            assert changed is not None
            return changed.state

    assert sorted(await asyncio.gather(*(take() for _ in range(4)))) == [False, False, False, True]
    ends = await asyncio.gather(*(go(state) for state in ("done", "cancelled", "done", "cancelled")))
    async with database.tenant(tenant) as connection:
        steps = await list_steps(connection, order)
        row = await get_work_order(connection, order)
        (part,) = await maintenance.list_parts(connection)
    assert part.stock == 0
    assert row is not None
    assert row.parts_cost == 90
    # One step, by one of them; who wanted the same is content, the others are told.
    assert [(step.from_state, step.to_state) for step in steps] == [("open", row.state)]
    assert ends.count(row.state) == 2
    assert sum(f"is {row.state}" in end for end in ends) == 2


async def test_a_finding_and_a_plan_are_answered_once(database: Database, tenant: int) -> None:
    async with database.tenant(tenant) as connection:
        plan = await maintenance.add_plan(connection, 1, "Grease", "preventive", 1.0, None, [])
    assert plan is not None

    async def answer() -> int | None:
        async with database.tenant(tenant) as connection:
            return await maintenance.open_from_finding(connection, 1, "Bearing", None, [])

    async def fall_due() -> int | None:
        async with database.tenant(tenant) as connection:
            return await maintenance.open_from_plan(connection, plan, datetime.now(UTC))

    for open_one in (answer, fall_due):
        made = await asyncio.gather(*(open_one() for _ in range(5)))
        assert sum(order is not None for order in made) == 1


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(st.tuples(st.sampled_from(list(work_states())), st.booleans()), max_size=12))
async def test_only_steps_of_the_list_are_taken(
    database: Database, tenant: int, wanted: list[tuple[str, bool]]
) -> None:
    order, state, taken = await _order(database, tenant), "open", []
    for to, by_administrator in wanted:
        role = "administrator" if by_administrator else "engineer"
        step = work_steps(state).get(to)
        allowed = to == state or (step is not None and step.role in ("engineer", role))
        async with database.tenant(tenant) as connection:
            if not allowed:
                with pytest.raises(WorkOrderError, match=f"is {state}"):
                    await change_work_order(connection, order, state=to, assignee="wu", role=role)
                continue
            await change_work_order(connection, order, state=to, assignee="wu", role=role)
        taken += [(state, to)] if to != state else []
        state = to
    async with database.tenant(tenant) as connection:
        row = await get_work_order(connection, order)
        steps = await list_steps(connection, order)
        # Labour only while it is worked on; what was done has an end, what is taken up again has none.
        assert await maintenance.add_labour(connection, order, "wu", 1, 1) == work_states()[state].is_open
    assert row is not None
    assert (row.state, row.closed_at is None) == (state, work_states()[state].is_open)
    assert [(step.from_state, step.to_state) for step in steps] == taken
