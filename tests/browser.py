"""The report in a real browser, Debian's Chromium, as a reader opens it: from a file, with no network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
MISSING = "Debian's package chromium is not installed"
SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


@contextmanager
def started() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, width: int = 1280, theme: str = "light") -> Page:
    """A page that is ready, in a window of this width; `page.told` is what it said on its console, and asked
    of the network."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    page.told = []
    page.on("console", lambda message: page.told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: page.told.append(f"error: {error}"))
    page.on("request", lambda asked: page.told.append(asked.url) if asked.url != path.as_uri() else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=true]")
    return page


def go_to_samples(page: Page) -> None:
    """Scroll to the samples, which are read when they come into sight."""
    page.locator("#samples").scroll_into_view_if_needed()
    page.wait_for_selector("#sample-list details")
