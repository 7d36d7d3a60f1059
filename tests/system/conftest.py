"""Fixtures of the slow tests: a work pool with a worker on the session's Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from collibra_tasks.sandbox import Sandbox
from tests.support.flow_runs import save_credentials
from tests.support.pool import Pool
from tests.support.prefect_server import api_client


@pytest.fixture(scope="module")
def api(prefect_server: str) -> Iterator[httpx.Client]:
    """Return a client of the Prefect server."""
    with api_client(prefect_server) as client:
        yield client


@pytest.fixture(scope="module")
def pool(
    request: pytest.FixtureRequest,
    api: httpx.Client,
    prefect_environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pool]:
    """Deploy the shipped file to a pool of the test file, and run a worker."""
    name = request.path.stem.replace("_", "-")
    folder = tmp_path_factory.mktemp(name)
    with Sandbox() as unused:
        save_credentials(unused, "production")
    pool = Pool(api, name, prefect_environment)
    pool.deploy(folder)
    with pool.workers(folder):
        yield pool
