"""A console served by a process of its own, and Debian's Chromium."""

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
from playwright.async_api import Browser, async_playwright, expect

from historian import Database
from tests.plant_records import plant_with

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip

# How long a page may take on a busy machine; what does not come at all is waited for that long, once.
expect.set_options(timeout=60_000)


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
