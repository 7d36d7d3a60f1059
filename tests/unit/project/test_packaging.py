"""Declared dependencies, the README's commands, and no trace of one machine."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.support.project_files import (
    ROOT,
    find_all_files,
    find_imports,
    find_python_files,
    name_of,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = frozenset({"collibra_tasks", "flows", "deployments", "tests"})
REGISTRY = re.compile(
    r"\b(?:pypi|npmjs|crates|rubygems)\.(?:org|com|io)|pythonhosted\.org|deb\.debian\.org"
)
MACHINE_PATH = re.compile(r"(?:^|[^\w.\-/])/(?:work|root|farm|home|Users)/")


def normalize(name: str) -> str:
    """Return the canonical name of a distribution."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> set[str]:
    """Return the distributions of requirements, with those of the project's own extras."""
    found: set[str] = set()
    for requirement in requirements:
        name, extra = re.findall(r"^([\w.\-]+)(?:\[([\w,\-]+)\])?", requirement)[0]
        if normalize(name) == normalize(PROJECT["name"]):
            for one in extra.split(","):
                found |= names_of(EXTRAS[one])
        else:
            found.add(normalize(name))
    return found


def find_undeclared(folders: list[str], declared: set[str]) -> list[str]:
    """Return the imports below the folders whose distribution is not declared."""
    owners = packages_distributions()
    return [
        f"{name_of(path)}: {root}"
        for path in find_python_files(*folders)
        for root in sorted(find_foreign_roots(path))
        if not {normalize(owner) for owner in owners.get(root, [root])} & declared
    ]


def find_foreign_roots(path: Path) -> set[str]:
    """Return the imported packages that are neither ours nor part of Python."""
    roots = {name.split(".")[0] for name in find_imports(path)}
    return roots - OURS - {""} - sys.stdlib_module_names


def test_imports_of_the_package_are_declared() -> None:
    """An installation has every package that the library and the flows import."""
    declared = names_of([*PROJECT["dependencies"], *EXTRAS["excel"]])

    assert find_undeclared(["collibra_tasks", "flows", "deployments"], declared) == []


def test_imports_of_the_tests_are_declared() -> None:
    """The README's test command installs every package that the tests import."""
    declared = names_of([*PROJECT["dependencies"], *EXTRAS["test"], *EXTRAS["dev"]])

    assert find_undeclared(["tests"], declared) == []


def test_dependencies_of_the_package_are_imported() -> None:
    """No package is installed without need."""
    owners = packages_distributions()
    roots = {
        name.split(".")[0]
        for path in [*ROOT.glob("collibra_tasks/**/*.py"), *ROOT.glob("flows/*.py")]
        for name in find_imports(path)
    }
    imported = {normalize(owner) for root in roots for owner in owners.get(root, [])}

    assert names_of([*PROJECT["dependencies"], *EXTRAS["excel"]]) <= imported


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE_PATH], ids=["registry", "machine path"])
def test_files_name_no_registry_and_no_machine(pattern: re.Pattern[str]) -> None:
    """The project builds on any machine, with the registry that is configured there."""
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in find_all_files()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if pattern.search(line)
    ]

    assert not found


def test_package_is_typed() -> None:
    """Type checkers of users read the annotations of the package."""
    assert (ROOT / "collibra_tasks" / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


@pytest.mark.parametrize("end", ["deployments/local.py", "pytest"])
def test_readme_has_one_command_for_each_purpose(end: str) -> None:
    """The gate runs the commands of the README, which it finds by their ends."""
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv .venv ")]

    assert len([command for command in commands if command.endswith(end)]) == 1


def test_changelog_begins_with_the_version() -> None:
    """The newest section of the changelog is the version that is built."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## (\S+)", changelog, re.MULTILINE)

    assert first
    assert first[1] == PROJECT["version"]
