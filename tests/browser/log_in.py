"""The way in, for every test of the console."""

from playwright.async_api import Page

from tests.plant_records import PASSWORD

ENGLISH = ("Name", "Password", "Log in")


async def log_in(
    page: Page, address: str, password: str = PASSWORD, name: str = "admin", words: tuple[str, str, str] = ENGLISH
) -> None:
    """Through the log-in page; words: its two fields and its button, in the browser's language."""
    await page.goto(address)
    await page.get_by_label(words[0]).fill(name)
    await page.get_by_label(words[1]).fill(password)
    await page.wait_for_load_state("networkidle")  # a click before the page's socket is open is lost
    await page.get_by_role("button", name=words[2]).click()
