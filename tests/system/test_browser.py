"""An operator's work in the Prefect UI, in Chromium.

``COLLIBRA_SCREENSHOTS=docs/images`` makes these tests leave the pictures of the documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.browser import PrefectPages, repeat_while_busy
from tests.support.flow_runs import save_credentials, write_tables
from tests.support.pool import ENDED, Pool

if TYPE_CHECKING:
    from playwright.sync_api import Response

pytestmark = pytest.mark.slow

SYNCHRONIZATION = "warehouse-nightly"  # of the shipped deployments
FLOW = "synchronize-source"


@pytest.fixture
def credentials(pool: Pool, tenant: Sandbox) -> dict[str, Any]:
    """Save the block that the shipped deployments use."""
    assert pool.name
    return save_credentials(tenant, "production")


@pytest.fixture
def pages(pool: Pool, credentials: dict[str, Any]) -> Iterator[PrefectPages]:
    """Open Chromium on the UI of the Prefect server."""
    assert credentials
    with PrefectPages.open(str(pool.api.base_url).rstrip("/").removesuffix("/api")) as pages:
        yield pages


def submit_form(pool: Pool, pages: PrefectPages, source: str, picture: str = "") -> str:
    """Fill in the source in the run form, and submit it; return the ID of the flow run."""
    response = repeat_while_busy(lambda: _submit(pool, pages, source, picture))
    created: dict[str, Any] = response.json()
    assert response.ok, created
    pool.started.append(created["id"])
    return str(created["id"])


def _submit(pool: Pool, pages: PrefectPages, source: str, picture: str) -> Response:
    pages.go_to(f"deployments/deployment/{pool.deployment(FLOW)['id']}/run")
    pages.find("max_missing_count")
    if picture:
        pages.take_picture(picture)
    pages.fill_source(source)
    button = pages.page.get_by_role("button", name="Submit")
    return pages.click(button, "/create_flow_run")


def test_run_from_the_form_to_its_receipt(
    pool: Pool, pages: PrefectPages, tenant: Sandbox, tmp_path: Path
) -> None:
    """An operator fills in one field, watches the flow run end, and opens its receipt."""
    source = write_tables(tmp_path / "export.json", 40)

    run = submit_form(pool, pages, source, picture="run-form")
    pages.show_run(run, "Details")
    pages.find("Finalized warehouse-nightly with CHANGE_STATUS: 40 assets")
    pages.find("Completed")
    open_receipt(pages, run)

    assert pages.find(tenant.jobs[-1].id)
    assert 1 == tenant.finalizations


def open_receipt(pages: PrefectPages, run: str) -> None:
    """Open the receipt of a finalized cycle from the page of its flow run."""
    pages.show_run(run, "Artifacts")
    pages.page.locator("a[href*='/artifacts/']", has_text="receipt").first.click()
    pages.find("warehouse-nightly: finalized")


def test_refused_run_is_understood_and_approved(
    pool: Pool,
    pages: PrefectPages,
    credentials: dict[str, Any],
    tenant: Sandbox,
    tmp_path: Path,
) -> None:
    """An operator reads the reason and the next step, and approves the plan in a second run."""
    export = tmp_path / "export.json"
    source = write_tables(export, 20)
    parameters = {"credentials": credentials, "source": source}
    state = pool.wait(pool.start(FLOW, **parameters))
    assert "COMPLETED" == state["type"], state
    write_tables(export, 12)

    refused = submit_form(pool, pages, source)
    pages.show_run(refused, "Details")
    pages.find("Failed")
    place = pages.find("Not finalized, nothing was sent")
    place.scroll_into_view_if_needed()
    message = place.inner_text()
    pages.take_picture("refused")
    assert "8 of 20 assets of the previous cycle (40.0%) are missing" in message
    assert "accept_missing_count=8" in message

    run = pool.start(FLOW, **parameters, on_guard="ask")
    pool.wait(run, ENDED | {"PAUSED"})
    pages.show_run(run, "Details")
    pages.find("Suspended")
    pages.page.locator("button[aria-haspopup='menu']").first.click()
    pages.page.get_by_role("menuitem", name="Resume").click()
    pages.find("to approve. Any other number")
    form = pages.page.get_by_role("dialog")
    form.locator("input[type=number]").fill("8")
    form.locator("textarea, input:not([type=number])").last.fill("A schema was dropped.")
    pages.take_picture("approval")
    resume = form.get_by_role("button", name="Resume")
    repeat_while_busy(lambda: pages.click(resume, "/resume"))

    assert "COMPLETED" == pool.wait(run)["type"]
    pages.show_run(run, "Details")
    pages.find("12 assets, 0 new, 8 marked as missing")
    open_receipt(pages, run)
    pages.find("A schema was dropped.")
    pages.take_picture("receipt")
    assert 2 == tenant.finalizations
