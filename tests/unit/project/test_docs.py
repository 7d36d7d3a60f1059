"""README and documentation: complete, short, and without broken links."""

import ast
import dataclasses
import inspect
import json
import re
import tomllib
from pathlib import Path

import pytest

import collibra_tasks
from collibra_tasks import errors, options
from tests.support.project_files import (
    ROOT,
    find_documents,
    find_functions,
    find_python_files,
    name_of,
)

README = ROOT / "README.md"
GETTING_STARTED = ROOT / "docs" / "getting-started.md"
MAX_README_LINES = 110
MAX_README_WORDS = 650
FLOWS = [
    "synchronize_source",
    "plan_synchronization",
    "finalize_synchronization",
    "resolve_finalization",
    "check_tenant",
]
PUBLIC_NAMES = frozenset(getattr(collibra_tasks, "__all__", ()))
DOCUMENTS = find_documents()
PAGES = [path for path in DOCUMENTS if path.parent != ROOT]
API_PAGE = ROOT / "docs" / "api.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def read_pages() -> str:
    """Return the text of all pages in ``docs/`` that are written by hand."""
    return "\n".join(path.read_text("utf-8") for path in PAGES if path != API_PAGE)


def find_blocks(path: Path, language: str) -> list[str]:
    """Return the fenced code blocks of one language."""
    return [code for found, code in FENCE.findall(path.read_text("utf-8")) if found == language]


def find_links(path: Path) -> list[str]:
    """Return the targets of the links and pictures that are not on the web."""
    prose = FENCE.sub("", path.read_text("utf-8"))
    return [link for link in LINK.findall(prose) if not re.match(r"[a-z]+:", link)]


def find_anchors(path: Path) -> set[str]:
    """Return the anchors that a Markdown renderer derives from the headings of a page."""
    prose = FENCE.sub("", path.read_text("utf-8"))
    headings = re.findall(r"^#+ +(.+?) *#*$", prose, re.MULTILINE)
    return {slug_of(heading) for heading in headings}


def slug_of(heading: str) -> str:
    """Return the anchor of a heading: lower case, without punctuation, spaces as hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")


def is_mentioned(name: str, text: str) -> bool:
    """Return whether a name occurs as a word of its own."""
    return re.search(rf"(?<![\w]){re.escape(name)}(?![\w])", text) is not None


def find_error_classes() -> list[str]:
    """Return the names of all public error classes of the package."""
    here = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.CollibraError)
    }
    elsewhere = {
        node.name
        for path in find_python_files("collibra_tasks")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).split(".")[-1] in here for base in node.bases)
    }
    return sorted(name for name in here | elsewhere if not name.startswith("_"))


def find_flow_parameters() -> list[tuple[str, str]]:
    """Return each flow and its parameters."""
    return [
        (function.name, argument.arg)
        for path in find_python_files("flows")
        for function in find_functions(path)
        if function.name == path.stem
        for argument in [*function.args.args, *function.args.kwonlyargs]
    ]


def find_option_fields() -> list[str]:
    """Return the fields of all option classes."""
    classes = (
        options.SourceOptions,
        options.CsvOptions,
        options.BatchOptions,
        options.RemovalLimits,
        options.CycleOptions,
    )
    return sorted({field.name for one in classes for field in dataclasses.fields(one)})


def test_readme_is_short() -> None:
    """The README is read in a few minutes: at most 110 lines and 650 words."""
    text = README.read_text("utf-8")

    assert len(text.splitlines()) <= MAX_README_LINES
    assert len(text.split()) <= MAX_README_WORDS


def test_readme_names_every_flow() -> None:
    """A reader of the README finds the flow for the task."""
    table = README.read_text("utf-8")

    assert [name for name in FLOWS if f"`{name}`" not in table] == []


def test_readme_links_every_page() -> None:
    """Every page of the documentation is reachable from the README."""
    linked = {link.partition("#")[0] for link in find_links(README)}

    assert {name_of(path) for path in PAGES} <= linked


def test_public_names_exist() -> None:
    """The package has public names."""
    assert {"CollibraCredentials", "synchronize"} <= PUBLIC_NAMES


@pytest.mark.parametrize("name", sorted(PUBLIC_NAMES))
def test_public_name_is_documented(name: str) -> None:
    """Every public name occurs in the documentation."""
    assert is_mentioned(name, read_pages())


def test_api_page_shows_every_public_name() -> None:
    """The Python API of the documentation site holds the docstring of every public name."""
    text = API_PAGE.read_text("utf-8")
    shown = re.findall(r"^::: collibra_tasks\.(\w+)$", text, re.MULTILINE)

    assert sorted(shown) == sorted({*PUBLIC_NAMES, "errors"})


def test_site_lists_every_page() -> None:
    """The navigation of the documentation site leads to every page."""
    config = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    listed = set(re.findall(r"[\w-]+\.md", json.dumps(config["project"]["nav"])))

    assert listed == {path.name for path in PAGES}


@pytest.mark.parametrize("name", find_error_classes())
def test_error_has_a_section(name: str) -> None:
    """A user who searches for an error finds its section with the next step."""
    page = ROOT / "docs" / "troubleshooting.md"
    section = re.search(
        rf"^## {name}$(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )

    assert section, f"docs/troubleshooting.md has no heading for {name}"
    assert "**Meaning.**" in section[1]
    assert "**What to do.**" in section[1]


@pytest.mark.parametrize(("flow", "parameter"), find_flow_parameters())
def test_flow_parameter_is_documented(flow: str, parameter: str) -> None:
    """Every parameter of a flow is in the reference, in the section of its flow."""
    reference = (ROOT / "docs" / "reference.md").read_text("utf-8")
    section = reference.partition(f"### `{flow}`")[2].partition("\n## ")[0].partition("\n### ")[0]

    assert section, f"docs/reference.md has no section for {flow}"
    assert f"`{parameter}`" in section or "parameters of `synchronize_source`" in section


@pytest.mark.parametrize("name", find_option_fields())
def test_option_is_documented(name: str) -> None:
    """Every field of an option class is in the reference."""
    assert f"`{name}`" in (ROOT / "docs" / "reference.md").read_text("utf-8")


def test_settings_are_documented() -> None:
    """Every variable that the settings read is on the page about credentials."""
    from collibra_tasks.settings import CollibraSettings

    page = (ROOT / "docs" / "credentials.md").read_text("utf-8")
    variables = [f"COLLIBRA_{name.upper()}" for name in CollibraSettings.model_fields]

    assert [name for name in variables if f"`{name}`" not in page] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_resolve(path: Path) -> None:
    """Every link and picture of a page has its target, with the anchor."""
    broken = []
    for link in find_links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        missing = not target.exists() or (anchor and anchor not in find_anchors(target))
        broken += [link] if missing else []

    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_blocks_compile(path: Path) -> None:
    """Every Python example is valid Python."""
    for number, code in enumerate(find_blocks(path, "python"), 1):
        compile(code, f"{name_of(path)}, block {number}", "exec")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_python_blocks_import_existing_names(path: Path) -> None:
    """An example imports only names that the package has."""
    nodes = [
        node
        for code in find_blocks(path, "python")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module == "collibra_tasks"
    ]
    names = {alias.name for node in nodes for alias in node.names}

    assert not names - PUBLIC_NAMES


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_json_blocks_are_valid(path: Path) -> None:
    """Every JSON example is valid JSON."""
    for code in find_blocks(path, "json"):
        json.loads(code)


def test_examples_of_files_are_saved_under_a_name() -> None:
    """Each file that getting started uses is shown there first."""
    text = GETTING_STARTED.read_text("utf-8")
    saved = set(re.findall(r"Save this as `([^`]+)`", text))
    used = set(re.findall(r'(?:source|template)="([^"]+)"', text))

    assert used <= saved


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Locks and crashed workers", "locks-and-crashed-workers"),
        ("Finalize without `synchronize_source`", "finalize-without-synchronize_source"),
        ("Curl, Postman or Java?", "curl-postman-or-java"),
    ],
)
def test_slug_of_heading(heading: str, anchor: str) -> None:
    """Anchors are built as GitHub and MkDocs build them."""
    assert slug_of(heading) == anchor
