"""Take the README's pictures: ``python tests/screenshots.py ADDRESS``.

ADDRESS is what ``python deployments/local.py --stay`` prints. Needs Debian's ``chromium``.
"""

import sys
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

PICTURES = Path(__file__).parent.parent / "docs"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEPLOYMENT = "finalize-synchronization/local"


def main(address: str) -> None:
    """Show the run form and the latest receipt, as a person sees them."""
    api = f"{address}/api"
    deployment = httpx.get(f"{api}/deployments/name/{DEPLOYMENT}").raise_for_status().json()["id"]
    pages = {
        "run-form": f"{address}/v2/deployments/deployment/{deployment}/run",
        "receipt": f"{address}/v2/artifacts/key/finalization-warehouse-nightly",
    }
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.route("**/*amplitude*/**", lambda route: route.abort())
        for name, url in pages.items():
            page.goto(url)
            page.wait_for_load_state("networkidle")
            if name == "receipt":
                page.locator("a[href*='/artifacts/artifact/']").first.click()
            page.wait_for_timeout(1500)
            page.screenshot(path=PICTURES / f"{name}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
