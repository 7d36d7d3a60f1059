"""Chromium on the pages of a Prefect server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.support.prefect_server import BUSY_DATABASE

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Response

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MILLISECONDS = 60_000
MAX_ATTEMPTS = 10
SETTLE_MILLISECONDS = 2_000  # graphs of the UI are drawn step by step
PICTURES = os.environ.get("COLLIBRA_SCREENSHOTS", "")
"""Folder for pictures of the documentation; empty: none are taken."""


def repeat_while_busy(send: Callable[[], Response]) -> Response:
    """Repeat a request while SQLite is busy (503), as an operator does; fail after ten times."""
    for _ in range(MAX_ATTEMPTS):
        response = send()
        if response.status != BUSY_DATABASE:
            return response
    raise AssertionError(f"{response.url}: the database was busy {MAX_ATTEMPTS} times")


class PrefectPages:
    """The actions of an operator in the Prefect UI.

    Playwright runs an event loop in this thread, so save Prefect blocks before.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address

    @classmethod
    @contextmanager
    def open(cls, address: str) -> Iterator[Self]:
        """Start Chromium; requests to other addresses than the server's are refused."""
        # The fast tests run without this package.
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = browser.new_page(viewport={"width": 1200, "height": 900})
            page.set_default_timeout(TIMEOUT_MILLISECONDS)
            page.route(lambda url: not url.startswith(address), lambda route: route.abort())
            yield cls(page, address)
            browser.close()

    def go_to(self, path: str) -> None:
        """Open a page and wait until its requests have ended."""
        self.page.goto(f"{self.address}/v2/{path}")
        self.page.wait_for_load_state("networkidle")

    def fill_source(self, text: str) -> None:
        """Fill the field of the source, whose tabs choose between a text and a list."""
        self.page.get_by_role("tabpanel", name="str").first.locator("textarea").fill(text)

    def click(self, button: Locator, request: str) -> Response:
        """Click a button, and return the response to the request that it sends."""
        with self.page.expect_response(lambda each: request in each.url) as response:
            button.click()
        return response.value

    def show_run(self, run_id: str, tab: str) -> None:
        """Open a tab of a flow run's page."""
        self.go_to(f"runs/flow-run/{run_id}?tab={tab}")

    def find(self, text: str) -> Locator:
        """Wait for a text and return its place."""
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    def take_picture(self, name: str) -> None:
        """Save a picture for the documentation, if a folder is set."""
        if PICTURES:
            self.page.mouse.move(0, 0)
            self.page.wait_for_load_state("networkidle")
            self.page.wait_for_timeout(SETTLE_MILLISECONDS)
            self.page.screenshot(path=Path(PICTURES) / f"{name}.png", animations="disabled")
