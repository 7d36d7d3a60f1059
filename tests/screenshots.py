"""Screenshots for the documentation: ``python tests/screenshots.py ADDRESS [FOLDER]``.

ADDRESS is the URL that ``python deployments/local.py --stay`` prints; FOLDER is ``docs`` by
default. Needs Debian's ``chromium``.
"""

import sys
import time
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent.parent / "docs"
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
RECEIPT = "collibra-receipt-warehouse-nightly"


def main(address: str, folder: Path) -> None:
    """Photograph the run form, a receipt, a refused flow run, and the approval form."""
    with (
        httpx.Client(base_url=f"{address}/api", timeout=30) as api,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.route("**/*amplitude*/**", lambda route: route.abort())
        deployment = api.get(f"/deployments/name/{DEPLOYMENT}").raise_for_status().json()["id"]
        pages = {
            "run-form": f"deployments/deployment/{deployment}/run",
            "receipt": f"artifacts/artifact/{find_receipt(api)}",
            "refused": f"runs/flow-run/{find_refused(api)['id']}",
        }
        for name, path in pages.items():
            open_page(page, f"{address}/v2/{path}")
            page.screenshot(path=folder / f"{name}.png")
        open_page(page, f"{address}/v2/runs/flow-run/{start_approval(api, deployment)}")
        page.locator("button[aria-haspopup='menu']").last.click()
        page.get_by_role("menuitem", name="Resume").click()
        page.wait_for_timeout(1500)
        page.screenshot(path=folder / "approval.png")
        browser.close()


def open_page(page: Page, url: str) -> None:
    """Open a page and wait until it does not change any more."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)


def find_receipt(api: httpx.Client) -> str:
    """Return the ID of the newest receipt of a finalized cycle."""
    query = {"artifacts": {"key": {"like_": f"{RECEIPT}%"}}, "sort": "CREATED_DESC"}
    rows = api.post("/artifacts/filter", json=query).json()
    return next(str(row["id"]) for row in rows if ": finalized" in row["data"])


def find_refused(api: httpx.Client) -> dict[str, Any]:
    """Return the flow run that the guard refused."""
    runs: list[dict[str, Any]] = api.post("/flow_runs/filter", json={}).json()
    return next(run for run in runs if run["state"]["type"] == "FAILED")


def start_approval(api: httpx.Client, deployment: str) -> str:
    """Start the refused cycle again with an approval, and wait until the flow run is suspended."""
    request = {
        "parameters": find_refused(api)["parameters"] | {"on_guard": "ask"},
        "state": {"type": "SCHEDULED"},
    }
    run = api.post(f"/deployments/{deployment}/create_flow_run", json=request).json()
    deadline = time.monotonic() + 60
    while run["state"]["type"] != "PAUSED" and time.monotonic() < deadline:
        time.sleep(0.5)
        run = api.get(f"/flow_runs/{run['id']}").json()
    return str(run["id"])


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]) if len(sys.argv) > 2 else DOCS)
