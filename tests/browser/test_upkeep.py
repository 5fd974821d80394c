"""What people do about findings and stops, in a real browser: jobs, plans, reasons, reports; said at the field."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from historian import Database, accounts
from tests.browser.log_in import log_in
from tests.plant_records import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.integration]

# Four hours from 08:00 to 12:00 in Shanghai.
BEGAN = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=2)
PAGES = ("/downtime", "/maintenance", "/work-orders/1", "/kpis", "/reports", "/machines/1")


@pytest_asyncio.fixture
async def stop(console: str, database: Database) -> int:
    """A stop of M001 that bearing wear preceded; its id."""
    async with database.connection() as connection:
        found: int = await connection.fetchval(
            "insert into downtime_event (machine_id, tenant_id, started_at, ended_at, planned, failure_mode) "
            "select id, tenant_id, $1, $2, false, 'bearing_wear_de' from machine where code = 'M001' returning id",
            BEGAN,
            BEGAN + timedelta(hours=4),
        )
    return found


@pytest_asyncio.fixture
async def page(console: str, browser: Browser) -> AsyncIterator[Page]:
    """An engineer's page in English."""
    opened = await browser.new_page(locale="en-GB", viewport={"width": 1440, "height": 1000})
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    await log_in(opened, console)
    await expect(opened.get_by_text("Every machine")).to_be_visible()
    yield opened
    assert complaints == []


async def choose(page: Page, label: str, option: str) -> None:
    """Pick an option of a field."""
    await page.get_by_label(label, exact=True).click()
    await page.get_by_role("option", name=option).click()


async def test_a_finding_is_answered_worked_on_and_closed_with_what_was_found(
    console: str, page: Page, database: Database
) -> None:
    await page.goto(f"{console}/maintenance")
    await page.get_by_role("button", name="Open work order").click()
    await page.get_by_role("link", name="Bearing wear, drive end").click()
    await page.get_by_role("checkbox").first.click()
    await page.get_by_role("button", name="Note").first.click()
    await page.get_by_role("button", name="Save").click()
    # The hours are missing, and so is the rate.
    await expect(page.get_by_text("Please fill this in.")).to_have_count(2)
    await page.get_by_label("Hours").fill("2")
    await page.get_by_label("Rate [").fill("150")
    # Noted once, however often it is clicked.
    await page.get_by_role("button", name="Save").dblclick()
    await expect(page.get_by_text("2 h × 150")).to_be_visible()
    await page.get_by_role("button", name="Note").nth(2).click()
    await page.get_by_label("Meter", exact=True).fill("Running hours")
    await page.get_by_label("Reading", exact=True).fill("8123")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("8,123")).to_be_visible()

    await page.get_by_role("button", name="Done").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Say what was found")).to_be_visible()
    await choose(page, "Was the finding right?", "confirmed")
    await choose(page, "Failure mode found", "Bearing wear, drive end")
    await page.get_by_label("What was found").fill("outer race")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("confirmed · Bearing wear, drive end · outer race")).to_be_visible()
    await expect(page.get_by_text("Open → Done · admin")).to_be_visible()
    await expect(page.get_by_role("button", name="Assign")).to_have_count(0)
    async with database.connection() as connection:
        row = await connection.fetchrow("select * from work_order")
        assert (row["state"], row["verdict"], row["found_mode"]) == ("done", "confirmed", "bearing_wear_de")
        assert [step["done"] for step in row["checklist"]][:2] == [True, False]
        assert (row["labour_h"], row["meter_readings"]) == (2, {"Running hours": 8123})
    await page.get_by_role("button", name="中文").click()
    await expect(page.get_by_text("属实 · 驱动端轴承磨损 · outer race")).to_be_visible()
    await expect(page.get_by_text("检查表")).to_be_visible()


async def test_a_stop_gets_its_reason_in_one_click_is_cut_and_joined(
    console: str, page: Page, database: Database, stop: int
) -> None:
    day = BEGAN.strftime("%Y-%m-%d")

    async def stops() -> list[tuple[float, str | None]]:
        async with database.connection() as connection:
            rows = await connection.fetch("select * from downtime_event order by started_at")
        return [((row["ended_at"] - row["started_at"]) / timedelta(hours=1), row["reason_key"]) for row in rows]

    await page.goto(f"{console}/downtime")
    await page.get_by_role("button", name="Bearing ?").first.click()
    await expect(page.get_by_text("Every stop has its reason.")).to_be_visible()
    assert await stops() == [(4, "bearing")]

    await page.get_by_role("button", name="Change").click()
    await page.get_by_label("Detected").fill(f"{day}T07:00:00")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("in this order")).to_be_visible()
    await page.get_by_label("Detected").fill(f"{day}T08:30:00")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("detect 30 min")).to_be_visible()

    await page.get_by_role("button", name="Change").click()
    await page.get_by_label("Cut at").fill(f"{day}T13:00:00")
    await page.get_by_role("button", name="Cut in two").click()
    await expect(page.get_by_text("is not inside of stop")).to_be_visible()
    assert await stops() == [(4, "bearing")]
    await page.get_by_label("Cut at").fill(f"{day}T11:00:00")
    await page.get_by_role("button", name="Cut in two").click()
    await expect(page.get_by_role("checkbox")).to_have_count(2)
    assert await stops() == [(3, "bearing"), (1, "bearing")]

    for number in range(2):
        await page.get_by_role("checkbox").nth(number).click()
    await page.get_by_role("button", name="Join").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    assert len(await stops()) == 2
    await page.get_by_role("button", name="Join").click()
    await page.get_by_role("dialog").get_by_role("button", name="Join").click()
    await expect(page.get_by_role("checkbox")).to_have_count(1)
    assert await stops() == [(4, "bearing")]


async def test_a_plan_is_made_and_its_job_opened_when_it_is_due(console: str, page: Page, database: Database) -> None:
    await page.goto(f"{console}/maintenance")
    await page.get_by_role("tab", name="Plans").click()
    await page.get_by_role("button", name="New").click()
    await page.get_by_label("Machine").fill("M002")
    await page.get_by_role("option", name="M002").click()
    await page.get_by_label("Title").fill("Grease the bearings")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Give every_days, every_running_h, or both.")).to_be_visible()
    await page.get_by_label("Every so many days").fill("30")
    await page.get_by_label("Check list, a line a step").fill("Grease DE\nGrease NDE")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("every 30 days")).to_be_visible()
    await expect(page.get_by_role("button", name="Open work orders for what is due")).to_be_disabled()
    async with database.connection() as connection:
        await connection.execute("update maintenance_plan set starts_at = now() - interval '33 days'")
    await page.reload()
    await page.get_by_role("tab", name="Plans").click()
    await expect(page.get_by_text("110%")).to_be_visible()
    await page.get_by_role("button", name="Open work orders for what is due").click()
    await expect(page.get_by_text("work order open", exact=True)).to_be_visible()
    await page.get_by_role("tab", name="Work orders").click()
    await page.get_by_role("link", name="Grease the bearings").click()
    await expect(page.get_by_text("Grease NDE")).to_be_visible()


async def test_parts_say_what_to_order_and_a_machine_keeps_its_papers(
    console: str, page: Page, database: Database
) -> None:
    await page.goto(f"{console}/maintenance")
    await page.get_by_role("tab", name="Spare parts").click()
    await page.get_by_role("button", name="New").click()
    await page.get_by_label("Part number").fill("6205")
    await page.get_by_label("Stock", exact=True).fill("-1")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Must be at least 0")).to_be_visible()
    await page.get_by_label("Stock", exact=True).fill("1")
    await page.get_by_label("Minimum", exact=True).fill("2")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Order now: stock is below its minimum")).to_be_visible()

    await page.goto(f"{console}/machines/1")
    await page.get_by_role("button", name="Change").click()
    await page.get_by_label("Commissioned").fill("2020-05-04")
    await page.get_by_label("Scrapped").fill("2019-05-04")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("scrapped_at must be after")).to_be_visible()
    await page.get_by_label("Scrapped").fill("")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("2020-05-04")).to_be_visible()
    await page.get_by_role("button", name="Add document").click()
    await page.get_by_label("Title").fill("Trick")
    await page.get_by_label("Where it lies").fill("javascript:alert(1)")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("javascript:alert(1)")).to_be_visible()
    await expect(page.get_by_role("link", name="Trick")).to_have_count(0)
    async with database.connection() as connection:
        # Midnight in Shanghai.
        commissioned = await connection.fetchval("select commissioned_at from machine where id = 1")
    assert commissioned == datetime(2020, 5, 3, 16, tzinfo=UTC)


async def test_the_month_comes_as_a_file_and_savings_only_with_a_baseline(
    console: str, page: Page, tmp_path: Path
) -> None:
    await page.goto(f"{console}/reports")
    await expect(page.get_by_text("nothing can be said to have been saved")).to_be_visible()
    for name, suffix, begins in (("PDF", ".pdf", b"%PDF"), ("Excel", ".xlsx", b"PK")):
        async with page.expect_download() as download:
            await page.get_by_role("button", name=name).click()
        file = await download.value
        assert file.suggested_filename.startswith("site-a-")
        assert file.suggested_filename.endswith(f"-en{suffix}")
        await file.save_as(tmp_path / file.suggested_filename)
        assert (tmp_path / file.suggested_filename).read_bytes().startswith(begins)
    await page.get_by_role("button", name="Set the baseline").click()
    await page.get_by_label("From the beginning of").fill("2026-03-01")
    await page.get_by_label("Until the beginning of").fill("2026-01-01")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("end must be after start")).to_be_visible()
    await page.get_by_label("From the beginning of").fill("2025-10-01")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("baseline: 2025-10-01 – 2026-01-01")).to_be_visible()
    await expect(page.get_by_text("too little data").first).to_be_visible()


async def test_who_may_only_look_changes_nothing(
    console: str, page: Page, browser: Browser, database: Database, stop: int
) -> None:
    await page.goto(f"{console}/downtime")
    button = page.get_by_role("button", name="Bearing ?").first
    await expect(button).to_be_enabled()
    async with database.connection() as connection:
        await connection.execute("update user_account set role = 'viewer' where name = 'admin'")
    # The page was built for an engineer.
    await button.click()
    await expect(page.get_by_text("Your role may only look.")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Bearing ?").first).to_be_disabled()
    await page.goto(f"{console}/maintenance")
    await expect(page.get_by_role("button", name="Open work order")).to_be_disabled()
    async with database.connection() as connection:
        assert await connection.fetchval("select reason_key from downtime_event") is None


async def test_a_session_that_has_ended_changes_nothing(
    console: str, page: Page, database: Database, stop: int
) -> None:
    await page.goto(f"{console}/downtime")
    async with database.connection() as connection:
        await connection.execute("delete from access_token")
    await page.get_by_role("button", name="Bearing ?").first.click()
    await expect(page.get_by_text("Your session has ended")).to_be_visible()
    async with database.connection() as connection:
        assert await connection.fetchval("select reason_key from downtime_event") is None


async def test_another_tenant_sees_none_of_it(console: str, browser: Browser, database: Database, stop: int) -> None:
    async with database.connection() as connection:
        other = await connection.fetchval("insert into tenant (key, name) values ('other', 'other') returning id")
        await accounts.create_user(connection, other, "stranger", PASSWORD, role="administrator")
        await connection.execute(
            "insert into work_order (tenant_id, machine_id, kind, title) select tenant_id, id, 'inspection', 'Secret' "
            "from machine where id = 1"
        )
    page = await browser.new_page(locale="en-GB")
    await log_in(page, console, name="stranger")
    await expect(page.get_by_text("stranger")).to_be_visible()
    await page.goto(f"{console}/work-orders/1")
    await expect(page.get_by_text("There is no such work order.")).to_be_visible()
    for path in ("/maintenance", "/downtime", "/kpis", "/reports"):
        await page.goto(console + path)
        await expect(page.get_by_text("stranger")).to_be_visible()
        for secret in ("M001", "site-a", "Secret"):
            await expect(page.get_by_text(secret)).to_have_count(0)


async def test_pages_fit_a_phone_in_chinese(console: str, browser: Browser, database: Database, stop: int) -> None:
    async with database.connection() as connection:
        await connection.execute(
            "insert into work_order (tenant_id, machine_id, kind, title) select tenant_id, id, 'inspection', '点检' "
            "from machine where id = 1"
        )
    page = await browser.new_page(locale="zh-CN", viewport={"width": 390, "height": 844})
    await log_in(page, console, words=("用户名", "密码", "登录"))
    await expect(page.get_by_text("全部设备")).to_be_visible()
    for path in PAGES:
        await page.goto(console + path)
        await expect(page.get_by_role("link", name="停机与成本")).to_be_visible()
        beyond = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert beyond <= 0, path
