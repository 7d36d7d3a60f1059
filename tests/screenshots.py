"""Take the README's pictures: ``python tests/screenshots.py ADDRESS``.

ADDRESS is what ``python deployments/local.py --stay`` prints. Needs Debian's ``chromium``.
"""

import sys
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

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
DEPLOYMENT = "synchronize-source/local"
RECEIPT = "finalization-warehouse-nightly"


def main(address: str) -> None:
    """Show the run form, a receipt and the question to a person, as a person sees them."""
    with (
        httpx.Client(base_url=f"{address}/api", timeout=30) as api,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.route("**/*amplitude*/**", lambda route: route.abort())
        deployment = api.get(f"/deployments/name/{DEPLOYMENT}").raise_for_status().json()["id"]
        show(page, f"{address}/v2/deployments/deployment/{deployment}/run", "run-form")
        show(page, f"{address}/v2/artifacts/artifact/{finalized(api)}", "receipt")
        page.goto(f"{address}/v2/runs/flow-run/{suspended(api, deployment)}")
        page.wait_for_load_state("networkidle")
        page.locator("button[aria-haspopup='menu']").last.click()
        page.get_by_role("menuitem", name="Resume").click()
        take(page, "approval")
        browser.close()


def show(page: Page, url: str, name: str) -> None:
    """Open a page and take its picture."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    take(page, name)


def take(page: Page, name: str) -> None:
    """Take a picture once the page has come to rest."""
    page.wait_for_timeout(1500)
    page.screenshot(path=PICTURES / f"{name}.png")


def finalized(api: httpx.Client) -> str:
    """Find the receipt of the last cycle that was finalized."""
    query = {"artifacts": {"key": {"any_": [RECEIPT]}}, "sort": "CREATED_DESC"}
    rows = api.post("/artifacts/filter", json=query).json()
    return next(str(row["id"]) for row in rows if "not finalized" not in row["data"])


def suspended(api: httpx.Client, deployment: str) -> str:
    """Run the cycle that the guard stopped once more, and let it ask."""
    runs = api.post("/flow_runs/filter", json={}).json()
    stopped = next(run for run in runs if run["state"]["type"] == "FAILED")
    asked: dict[str, Any] = {
        "parameters": stopped["parameters"] | {"on_guard": "ask"},
        "state": {"type": "SCHEDULED"},
    }
    run = api.post(f"/deployments/{deployment}/create_flow_run", json=asked).json()
    deadline = time.monotonic() + 60
    while run["state"]["type"] != "PAUSED" and time.monotonic() < deadline:
        time.sleep(0.5)
        run = api.get(f"/flow_runs/{run['id']}").json()
    return str(run["id"])


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
