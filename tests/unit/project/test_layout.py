"""Structure of the package: floors, sizes, and the modules that import Prefect."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

from tests.support.project_files import (
    PACKAGE,
    find_functions,
    find_imports,
    find_python_files,
    is_excluded,
    length_of,
    name_of,
    parse,
)

FLOORS = (
    {"errors", "models", "wording"},
    {"options", "settings"},
    {"api"},
    {"blocks", "_prefect"},
    {"jobs"},
    {"sources"},
    {"ledger"},
    {"finalization"},
    {"reporting"},
    {"cycle"},
    {"check"},
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}
WITH_PREFECT = re.compile(
    r"(?:blocks|_prefect|[a-z]+/tasks|ledger/(?:variable_store|storage)|cycle/approval"
    r"|reporting/(?:progress|events|cancellation))\.py"
)
MAX_MODULE_LINES = 300
MAX_CLASS_LINES = 150
MAX_MEDIAN_FUNCTION_LINES = 9
MAX_ROOT_MODULES = 9
MAX_SANDBOX_FILES = 23

MODULES = find_python_files("collibra_tasks")
PRODUCT = find_python_files("collibra_tasks", "flows", "deployments")


def inner_name(path: Path) -> str:
    """Return the path of a module below the package."""
    return path.relative_to(PACKAGE).as_posix()


def part_of(path: Path) -> str:
    """Return the subpackage or root module that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """Return the other subpackages and root modules that a file imports."""
    ours = {name for name in find_imports(path) if name.startswith("collibra_tasks.")}
    return {name.split(".")[1] for name in ours} - {part_of(path)}


@pytest.mark.parametrize("path", MODULES, ids=inner_name)
def test_module_is_on_a_floor(path: Path) -> None:
    """Every module has a place in the picture of CONTRIBUTING.md."""
    assert part_of(path) in {*FLOOR_OF, "sandbox", "__init__"}


@pytest.mark.parametrize("path", MODULES, ids=inner_name)
def test_imports_go_down_only(path: Path) -> None:
    """A module imports nothing from a higher floor; the sandbox imports nothing of the package."""
    part = part_of(path)
    if part == "__init__":
        return
    allowed = {name for name, floor in FLOOR_OF.items() if floor <= FLOOR_OF.get(part, -1)}

    assert imported_parts(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=inner_name)
def test_prefect_is_imported_in_its_modules_only(path: Path) -> None:
    """A module that is not listed works, and is tested, without Prefect."""
    roots = {name.split(".")[0] for name in find_imports(path)}
    uses_prefect = any(root == "prefect" or root.startswith("prefect_") for root in roots)

    assert not uses_prefect or WITH_PREFECT.fullmatch(inner_name(path))


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_module_is_short(path: Path) -> None:
    """A module has at most 300 lines."""
    assert len(path.read_text("utf-8").splitlines()) <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_classes_are_short(path: Path) -> None:
    """A class has at most 150 lines."""
    classes = [node for node in ast.walk(parse(path)) if isinstance(node, ast.ClassDef)]
    long = {one.name: length_of(one) for one in classes if length_of(one) > MAX_CLASS_LINES}

    assert not long


def test_median_function_is_short() -> None:
    """The median function of the product has at most nine lines."""
    lengths = [length_of(one) for path in PRODUCT for one in find_functions(path)]

    assert median(lengths) <= MAX_MEDIAN_FUNCTION_LINES


def test_package_root_is_small() -> None:
    """At most nine modules are at the root of the package."""
    root = [path.name for path in PACKAGE.glob("*.py") if not is_excluded(path)]

    assert len(root) <= MAX_ROOT_MODULES, root


def test_sandbox_is_small() -> None:
    """The sandbox has at most 23 files."""
    files = [path.name for path in MODULES if part_of(path) == "sandbox"]

    assert len(files) <= MAX_SANDBOX_FILES, files
