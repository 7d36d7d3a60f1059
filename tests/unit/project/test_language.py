"""Plain English in docstrings, run forms and documentation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.project_files import (
    ROOT,
    find_documents,
    find_functions,
    find_python_files,
    name_of,
    parse,
)

MAX_SHARE = 0.01
MAX_DIALECT_LINES = 10
FORBIDDEN_FIRST_WORDS = frozenset(
    [
        "what",
        "how",
        "where",
        "who",
        "whose",
        "whom",
        "why",
        "of",
        "tell",
        "say",
        "let",
        "look",
        "keep",
        "leave",
        "whatever",
        "whoever",
    ]
)
SPOKEN_WORDS = "said|told|nobody|anew|whoever|surely|somebody|goes on|at work|patience|shelf"
DIALECT = re.compile(rf"\b({SPOKEN_WORDS}|verdict)\b", re.IGNORECASE)
LABEL_SECTIONS = frozenset({"Args", "Attributes", "Raises", "Returns", "Yields"})
FOLDERS = ("collibra_tasks", "flows", "deployments", "tests")


def first_word(text: str) -> str:
    """Return the first word of a text in lower case, without marks around it."""
    words = re.findall(r"[^\W\d_]+", text)
    return words[0].lower() if words else ""


def find_docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each docstring of modules, classes and functions."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield f"{name_of(path)}:{getattr(node, 'lineno', 1)}", docstring


def find_labels(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the place and the text of each described parameter, field and exception."""
    for place, docstring in find_docstrings(path):
        for label in split_labels(docstring):
            yield place, label
    for node in ast.walk(parse(path)):
        match node:
            case ast.keyword(arg="description", value=ast.Constant(value=str(text), lineno=line)):
                yield f"{name_of(path)}:{line}", text


def split_labels(docstring: str) -> Iterator[str]:
    """Yield the descriptions in the sections of a Google docstring."""
    section = ""
    for line in docstring.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent == 0:
            section = line.strip().removesuffix(":")
        elif section in LABEL_SECTIONS and indent == 4 and ": " in line:
            yield line.split(": ", 1)[1]


def find_odd(texts: list[tuple[str, str]]) -> list[str]:
    """Return the places and beginnings of texts that begin with a forbidden word."""
    return [
        f"{place}: {text[:60]}"
        for place, text in texts
        if first_word(text) in FORBIDDEN_FIRST_WORDS
    ]


def test_docstrings_begin_with_verb_or_noun() -> None:
    """A reader meets a verb or a noun first in at least 99% of the docstrings."""
    texts = [text for path in find_python_files(*FOLDERS) for text in find_docstrings(path)]
    odd = find_odd(texts)

    assert texts
    assert len(odd) <= MAX_SHARE * len(texts), "\n".join(odd)


def test_labels_begin_with_noun() -> None:
    """The help line of a parameter in the run form begins with a noun."""
    texts = [text for path in find_python_files(*FOLDERS) for text in find_labels(path)]
    odd = find_odd(texts)

    assert texts
    assert len(odd) <= MAX_SHARE * len(texts), "\n".join(odd)


@pytest.mark.parametrize("path", find_python_files("collibra_tasks", "flows"), ids=name_of)
def test_whether_begins_boolean_only(path: Path) -> None:
    """A docstring that begins with *Whether* describes a boolean."""
    wrong = [
        f"{name_of(path)}:{function.lineno} {function.name}"
        for function in find_functions(path)
        if first_word(ast.get_docstring(function) or "") == "whether"
        and (function.returns is None or ast.unparse(function.returns) != "bool")
    ]

    assert not wrong


def test_texts_have_no_dialect() -> None:
    """At most ten lines of code and documentation use words of the spoken language."""
    files = [
        *find_python_files(*FOLDERS),
        *find_documents(),
        *(ROOT / "deployments").glob("*.yaml"),
        *(ROOT / "deployments").rglob("*.json"),
    ]
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if DIALECT.search(line)
    ]

    assert len(found) <= MAX_DIALECT_LINES, "\n".join(found)


@pytest.mark.parametrize(
    ("docstring", "odd"),
    [
        ("Return the job.", False),
        ("A job in Collibra.", False),
        ("What a cycle held.", True),
        ("*Tell* whether it ended.", True),
        ("``keep`` things", True),
    ],
)
def test_find_odd_reads_first_word(docstring: str, odd: bool) -> None:  # noqa: FBT001
    """The first word is found behind quotes and emphasis."""
    assert bool(find_odd([("a.py:1", docstring)])) is odd
