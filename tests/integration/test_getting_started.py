"""Every Python block of README and getting started, run against the sandbox."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from collibra_tasks.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
SAVED = re.compile(r"Save this as `([^`]+)`[^\n]*:\n\n```\w+\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.usefixtures("prefect_server", "short_timing")


@pytest.fixture
def checkout(tmp_path: Path, tenant: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the files of the page, and connect to the sandbox."""
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    for name, text in SAVED.findall(page):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in tenant.environment().items():
        monkeypatch.setenv(name, value)
    return tmp_path


def run_blocks(page: str) -> int:
    """Run the Python blocks of a page, and return their number."""
    blocks = PYTHON.findall((ROOT / page).read_text(encoding="utf-8"))
    for block in blocks:
        exec(compile(block, page, "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    return len(blocks)


def test_getting_started_blocks_run(checkout: Path, tenant: Sandbox) -> None:
    """A reader who follows the page finalizes three synchronizations and makes one plan."""
    assert (checkout / "exports" / "tables.json").exists()

    assert 4 == run_blocks("docs/getting-started.md")

    assert 3 == tenant.finalizations
    assert {"orders", "customers", "addresses", "stock"} <= tenant.asset_names()


def test_readme_blocks_run(
    checkout: Path, tenant: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """The example of the README finalizes a cycle and prints its success."""
    assert (checkout / "exports" / "tables.json").exists()

    assert 1 == run_blocks("README.md")

    assert 1 == tenant.finalizations
    assert "COMPLETED SUCCESS True" in capsys.readouterr().out
