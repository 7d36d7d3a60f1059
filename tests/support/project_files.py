"""Files of the project for the tests that read its source, documentation and packaging."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "collibra_tasks"

EXCLUDED: frozenset[str] = frozenset()
"""Files and folders that are being replaced. Empty as soon as the new layout is complete."""


def name_of(path: Path) -> str:
    """Return the path below the project's folder, with slashes."""
    return path.relative_to(ROOT).as_posix()


def is_excluded(path: Path) -> bool:
    """Return whether a file is being replaced."""
    parents = path.relative_to(ROOT).parents
    return name_of(path) in EXCLUDED or any(parent.as_posix() in EXCLUDED for parent in parents)


def find_python_files(*folders: str) -> list[Path]:
    """Return the Python files below the folders, without those that are being replaced."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path for path in found if not is_excluded(path))


def find_documents() -> list[Path]:
    """Return the Markdown files of the root and of ``docs/``."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def find_all_files() -> list[Path]:
    """Return the text files that belong to the project: those that git tracks or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    if listed.returncode:
        names: Iterable[str] = (name_of(path) for path in ROOT.rglob("*"))
    else:
        names = listed.stdout.decode().split("\0")
    files = (ROOT / name for name in names if name)
    return sorted(path for path in files if path.is_file() and is_text(path))


def is_text(path: Path) -> bool:
    """Return whether a file holds UTF-8 text."""
    try:
        path.read_text("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@cache
def parse(path: Path) -> ast.Module:
    """Parse a Python file, once per process."""
    return ast.parse(path.read_text("utf-8"))


def find_functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions and methods of a file."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def find_imports(path: Path) -> set[str]:
    """Return the dotted names of the imported modules, also of imports inside functions."""
    names: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            module = node.module or ""
            names.add(module)
            if module == "collibra_tasks":
                names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def length_of(node: ast.stmt | ast.expr) -> int:
    """Return the number of lines of a definition, without its decorators."""
    return (node.end_lineno or node.lineno) - node.lineno + 1
