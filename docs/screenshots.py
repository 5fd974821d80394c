"""Take the pictures of the README anew: `make screenshots ARGS="--url http://127.0.0.1:8000 --password ..."`.

Needs a running demo (some minutes old, so that trends have something to show) and Chromium.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).parent / "images"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip


def main() -> None:
    """Log in, and photograph fleet and the riskiest machine in both languages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    given = parser.parse_args()
    chromium = shutil.which("chromium")
    if chromium is None:
        raise SystemExit("chromium is not installed: apt-get install chromium")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for locale, suffix, row in (("en-GB", "", "Bearing wear"), ("zh-CN", "-zh", "轴承磨损")):
            page = browser.new_page(locale=locale, viewport={"width": 1600, "height": 1000})
            page.goto(given.url)
            fields = page.locator("input")
            fields.nth(0).fill(given.user)
            fields.nth(1).fill(given.password)
            page.keyboard.press("Enter")
            page.locator("tbody tr").first.wait_for()
            page.wait_for_timeout(3000)
            page.screenshot(path=IMAGES / f"console-fleet{suffix}.png")
            page.locator("tbody tr", has_text=row).first.click()
            page.locator("canvas").first.wait_for()
            page.wait_for_timeout(3000)
            page.screenshot(path=IMAGES / f"console-machine{suffix}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
