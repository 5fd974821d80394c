"""The monthly report says what the KPIs say, in both languages, and claims nothing it cannot show."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from openpyxl import load_workbook

from analytics import Saving
from api import ApiSettings, Problem, create_app
from api.reports.content import Report, month_span
from api.reports.routes import savings_of
from brain.failure import Failure
from brain.report import write_report
from historian import Database, accounts, ensure_tenant, register_machines, set_baseline
from plant import MachineSpec

pytestmark = pytest.mark.integration

# October 2026 in Shanghai begins at 16:00 UTC on 30 September; the baseline is the August before.
OCTOBER = datetime(2026, 9, 30, 16, tzinfo=UTC)
AUGUST = datetime(2026, 7, 31, 16, tzinfo=UTC)
STATE = "insert into machine_state (machine_id, tenant_id, started_at, ended_at, state) values ($1, $2, $3, $4, $5)"
STOP = """
insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned, reason_key)
values ($1, $2, $3, $4, false, 'bearing')
"""


@pytest_asyncio.fixture
async def plant(database: Database) -> AsyncIterator[int]:
    """Six machines seen in both months: four stops of two hours each in August, one in October."""
    async with database.connection() as connection:
        tenant = await ensure_tenant(connection, "default", "default")
        specs = [
            MachineSpec("works", "l", f"M{n}", f"M{n}", "motor", downtime_cost_per_h=1000, time_zone="Asia/Shanghai")
            for n in range(6)
        ]
        await register_machines(connection, tenant, specs)
        machines = [row["id"] for row in await connection.fetch("select id from machine order by id")]
        for machine in machines:
            for month, stops in ((AUGUST, 4), (OCTOBER, 1)):
                moment = month
                for number in range(stops):
                    began = month + timedelta(days=2 + 6 * number)
                    await connection.execute(STATE, machine, tenant, moment, began, "running")
                    moment = began + timedelta(hours=2)
                    await connection.execute(STATE, machine, tenant, began, moment, "down")
                    await connection.execute(STOP, machine, tenant, began, moment)
                await connection.execute(STATE, machine, tenant, moment, month + timedelta(days=31), "running")
    yield tenant


async def test_numbers_charts_and_savings(database: Database, database_url: str, plant: int, tmp_path: Path) -> None:
    async with database.tenant(plant) as connection:
        assert await set_baseline(connection, "works", AUGUST, AUGUST + timedelta(days=31))
    for language, sheet, hours in (("en", "Indicators", "Unplanned downtime"), ("zh", "关键指标", "非计划停机")):
        pdf, excel = await write_report(database_url, "default", "works", "2026-10", language, tmp_path)
        assert pdf.read_bytes().startswith(b"%PDF")
        book = load_workbook(excel)
        rows = {row[0]: row[1:] for row in book[sheet].iter_rows(values_only=True)}
        # Six stops of two hours; 24 of them in the baseline; September was not seen.
        assert rows[hours][0] == "12.00 h"
        assert rows[hours][1] in ("not enough data", "数据不足")
        assert rows[hours][2] == "48.00 h"
        saved = {row[0]: row[1:] for row in book.worksheets[-1].iter_rows(values_only=True)}
        assert saved[hours] == ("36.00 h", "75%", "75% .. 75%", "yes" if language == "en" else "是")
        assert len(book.worksheets[1]._charts) == 1
        days = list(book.worksheets[1].iter_rows(min_row=2, values_only=True))
        assert len(days) == 31
        assert days[2] == ("03", 12)
    assert b"STSong" in (tmp_path / "works-2026-10-zh.pdf").read_bytes()


def test_a_saving_without_a_lower_bound_has_none_in_the_answer() -> None:
    unbounded = Saving("stops", "1", 1.0, 0.2, float("-inf"), 0.4, False)
    report = Report("works", "2026-10", "UTC", (AUGUST, OCTOBER), (AUGUST, OCTOBER), None, [], [], [], [unbounded])
    (answer,) = savings_of(report).items
    assert (answer.low, answer.high) == (None, 0.4)


async def test_without_a_baseline_nothing_is_claimed(database_url: str, plant: int, tmp_path: Path) -> None:
    _, excel = await write_report(database_url, "default", "works", "2026-10", "en", tmp_path)
    (line,) = load_workbook(excel).worksheets[-1].iter_rows(values_only=True)
    assert "nothing can be said to have been saved" in line[0]
    wrong = (("moon", "2026-10", "no site moon"), ("works", "october", "2026-10"), ("works", "2999-01", "begun"))
    for site, month, said in wrong:
        with pytest.raises(Failure, match=said):
            await write_report(database_url, "default", site, month, "en", tmp_path)


async def test_the_api_gives_the_same_report_to_its_tenant_alone(
    database: Database, database_url: str, plant: int, tmp_path: Path
) -> None:
    async with database.connection() as connection:
        other = await ensure_tenant(connection, "other", "other")
        for tenant, name in ((plant, "manager"), (other, "stranger")):
            await accounts.create_user(connection, tenant, name, "a-password-for-tests", role="viewer")
        tokens = {
            name: await accounts.issue_token(connection, name, timedelta(hours=1), "test")
            for name in ("manager", "stranger")
        }
    app = create_app(ApiSettings(database_url, console=False))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test/api/v1") as client,
    ):
        ask = {"site": "works", "month": "2026-10"}
        client.headers["Authorization"] = f"Bearer {tokens['manager']}"
        answer = await client.get("/reports", params={**ask, "language": "zh"})
        assert answer.headers["content-type"] == "application/pdf"
        assert "works-2026-10-zh.pdf" in answer.headers["content-disposition"]
        assert answer.content.startswith(b"%PDF")
        book = load_workbook(BytesIO((await client.get("/reports", params={**ask, "format": "xlsx"})).content))
        _, written = await write_report(database_url, "default", "works", "2026-10", "en", tmp_path)
        for sheet, same in zip(book.worksheets, load_workbook(written).worksheets, strict=True):
            assert list(sheet.values) == list(same.values)
        assert (await client.get("/reports/savings", params=ask)).json()["items"] == []
        async with database.tenant(plant) as connection:
            await set_baseline(connection, "works", AUGUST, AUGUST + timedelta(days=31))
        saved = {row["key"]: row for row in (await client.get("/reports/savings", params=ask)).json()["items"]}
        assert saved["unplanned_downtime"]["saved"] == pytest.approx(36)
        assert saved["unplanned_downtime"]["claim"]
        assert (await client.get("/reports", params={**ask, "month": "2999-01"})).status_code == 422
        client.headers["Authorization"] = f"Bearer {tokens['stranger']}"
        assert (await client.get("/reports", params=ask)).status_code == 404


def test_months_follow_the_clock_of_the_site() -> None:
    from zoneinfo import ZoneInfo

    start, end = month_span("2026-10", ZoneInfo("Europe/Berlin"))
    # October has the day of 25 hours.
    assert (end - start) == timedelta(days=31, hours=1)


@pytest.mark.parametrize("month", ["", "october", "2026-13", "2026-10-01", "0001-01", "9999-12"])
def test_what_is_no_month_is_refused(month: str) -> None:
    from zoneinfo import ZoneInfo

    with pytest.raises(Problem, match="is not a month"):
        month_span(month, ZoneInfo("Asia/Shanghai"))
