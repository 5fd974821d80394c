"""The console in a real browser: log-in, the ranked list, the evidence, both languages, nothing from outside."""

import pytest
from playwright.async_api import Browser, expect

from historian import Database
from tests.browser.log_in import log_in
from tests.plant_records import PASSWORD, disturbed_bus

pytestmark = [pytest.mark.browser, pytest.mark.integration]


async def test_an_engineer_finds_what_is_wrong_and_acknowledges(console: str, browser: Browser) -> None:
    page = await browser.new_page(locale="en-GB", viewport={"width": 1600, "height": 1000})
    complaints: list[str] = []
    outside: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((console, "data:", "ws:")) else outside.append(r.url))

    await log_in(page, f"{console}/machines/1", "wrong")
    await expect(page.get_by_text("Name or password is wrong.")).to_be_visible()
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()

    # Back where the visitor wanted to go: the machine, with its evidence, trends and alarm.
    await expect(page.get_by_text("Bearing wear, drive end").first).to_be_visible()
    await expect(page.get_by_text("Vibration at the drive end above normal")).to_be_visible()
    await expect(page.locator("canvas").first).to_be_visible()
    button = page.get_by_role("button", name="Acknowledge")
    await button.click()
    await expect(page.get_by_text("acknowledged by admin").first).to_be_visible()

    await page.get_by_role("link", name="Fleet").click()
    first = page.locator("tbody tr").first
    await expect(first).to_contain_text("M001")
    await expect(first).to_contain_text("Bearing wear, drive end")
    await page.get_by_role("button", name="中文").click()
    await expect(page.locator("tbody tr").first).to_contain_text("驱动端轴承磨损")
    for path, words in (
        ("/alarms", "驱动端振动"),
        ("/downtime", "数据不足"),
        ("/kpis", "数据不足"),
        ("/data", "隔离区为空"),
    ):
        await page.goto(console + path)
        await expect(page.get_by_text(words).first).to_be_visible()

    assert outside == []
    assert complaints == []


async def test_an_engineer_says_what_was_found_and_sees_what_cannot_be_told(console: str, browser: Browser) -> None:
    page = await browser.new_page(locale="en-GB", viewport={"width": 1600, "height": 1000})
    await log_in(page, f"{console}/machines/1")
    await expect(page.get_by_text("nobody has said yet whether this was right")).to_be_visible()
    await expect(page.get_by_text("Cannot tell: Broken rotor bars", exact=True)).to_be_visible()
    await expect(page.get_by_text("sidebands at f(1±2s)")).to_be_visible()
    await page.get_by_role("button", name="Was it right?").click()
    await page.get_by_text("It was another fault").click()
    await page.get_by_label("What was found").click()
    await page.get_by_role("option", name="Misalignment").click()
    await page.get_by_label("Note").fill("coupling bolts")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("It was another fault (Misalignment) · admin")).to_be_visible()
    await expect(page.get_by_text("right in 0 of 1 cases: too few to say")).to_be_visible()
    await expect(page.get_by_text("ISO 20816-3 (10816-3:2009)").first).to_be_visible()


async def test_a_disturbed_bus_is_one_matter(console: str, database: Database, browser: Browser) -> None:
    async with database.connection() as connection:
        tenant_id = await connection.fetchval("select id from tenant")
    await disturbed_bus(database, tenant_id, ("M002", "M003", "M004"), "MCC-1")
    page = await browser.new_page(locale="en-GB", viewport={"width": 1600, "height": 1000})
    await log_in(page, console)
    rows = page.locator("tbody tr")
    await expect(rows.filter(has_text="Voltage unbalance of the bus")).to_have_count(1)
    await expect(rows.filter(has_text="MCC-1: M002 +2")).to_have_count(1)
    await expect(rows.filter(has_text="M003")).to_have_count(0)
    await page.goto(f"{console}/machines/3")
    await expect(page.get_by_text("Peers on bus MCC-1: 2 of 2 show the same")).to_be_visible()
    await expect(page.get_by_text("One matter with other machines of bus MCC-1")).to_be_visible()
    await expect(page.get_by_text("Send the electrician to the substation").first).to_be_visible()


async def test_every_page_asks_for_a_log_in(console: str, browser: Browser) -> None:
    page = await browser.new_page(locale="zh-CN")
    for path in (
        "/",
        "/machines/1",
        "/alarms",
        "/downtime",
        "/maintenance",
        "/work-orders/1",
        "/kpis",
        "/reports",
        "/data",
    ):
        await page.goto(console + path)
        await expect(page.get_by_role("button", name="登录")).to_be_visible()
        await expect(page.get_by_text("M001")).to_have_count(0)
