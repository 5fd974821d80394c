"""The console in a real browser: log-in, the ranked list, the evidence, both languages, nothing from outside."""

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from historian import Database
from tests.plant_records import PASSWORD, disturbed_bus, plant_with

pytestmark = [pytest.mark.browser, pytest.mark.integration]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


@pytest_asyncio.fixture
async def console(database_url: str, database: Database, tmp_path: Path) -> AsyncIterator[str]:
    """Address of a console on a plant of 12 motors, served by `brain serve` in a process of its own."""
    await plant_with(database, 12)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "brain", "serve", "--data-dir", str(tmp_path), "--port", str(port)),
            env={**os.environ, "BRAIN_DATABASE_URL": database_url},
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                try:
                    if (await client.get(f"{address}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    assert process.returncode is None, (tmp_path / "log").read_text()
                await asyncio.sleep(0.2)
        yield address
    finally:
        process.terminate()
        await process.wait()


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        await opened.close()


async def _log_in(page: Page, address: str, password: str = PASSWORD) -> None:
    await page.goto(address)
    await page.get_by_label("Name").fill("admin")
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


async def test_an_engineer_finds_what_is_wrong_and_acknowledges(console: str, browser: Browser) -> None:
    page = await browser.new_page(locale="en-GB", viewport={"width": 1600, "height": 1000})
    complaints: list[str] = []
    outside: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith((console, "data:", "ws:")) else outside.append(r.url))

    await _log_in(page, f"{console}/machines/1", "wrong")
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
    for path, words in (("/alarms", "驱动端振动"), ("/downtime", "数据不足"), ("/data", "隔离区为空")):
        await page.goto(console + path)
        await expect(page.get_by_text(words).first).to_be_visible()

    assert outside == []
    assert complaints == []


async def test_a_disturbed_bus_is_one_matter(console: str, database: Database, browser: Browser) -> None:
    async with database.connection() as connection:
        tenant_id = await connection.fetchval("select id from tenant")
    await disturbed_bus(database, tenant_id, ("M002", "M003", "M004"), "MCC-1")
    page = await browser.new_page(locale="en-GB", viewport={"width": 1600, "height": 1000})
    await _log_in(page, console)
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
    for path in ("/", "/machines/1", "/alarms", "/downtime", "/data"):
        await page.goto(console + path)
        await expect(page.get_by_role("button", name="登录")).to_be_visible()
        await expect(page.get_by_text("M001")).to_have_count(0)
