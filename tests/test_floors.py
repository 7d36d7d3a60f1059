"""The cut of the package: imports go down only."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "collibra_tasks"
FLOORS = [
    {"models"},
    {"errors", "settings"},
    {"ledger", "auth", "deadline", "wire", "sources"},
    {"client", "manifest"},
    {"waiting", "guards", "results", "adopting"},
    {"batching", "resolving"},
    {"finalizing", "receipts"},
    {"variables", "blocks", "shelf"},
    {"tasks"},
]
WITH_PREFECT = {"variables", "shelf", "blocks", "tasks"}
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module == "collibra_tasks":
            names |= {f"collibra_tasks.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    """A file imports nothing from above, Prefect is kept to its rooms, the sandbox stands alone."""
    own, ours = room(path), {name for name in imported(path) if name.startswith("collibra_tasks")}
    rooms = {name.split(".")[1] for name in ours if "." in name} - {own}

    assert not rooms if own == "sandbox" else all(FLOOR_OF[one] < FLOOR_OF[own] for one in rooms)
    uses_prefect = any(name.split(".")[0] == "prefect" for name in imported(path))
    assert not uses_prefect or own in WITH_PREFECT
