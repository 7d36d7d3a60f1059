"""The example of the page about source formats."""

from __future__ import annotations

import json
import re
from pathlib import Path

from collibra_tasks.options import SourceOptions
from collibra_tasks.sources.opening import open_source

PAGE = Path(__file__).parents[3] / "docs" / "source-formats.md"


def test_open_source_example_of_the_page(tmp_path: Path) -> None:
    """The table and the template of the page give exactly the commands that it shows."""
    blocks = re.findall(r"```(csv|json)\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (table,) = [text for language, text in blocks if language == "csv"]
    template, expected = (text for language, text in blocks if language == "json")
    path = tmp_path / "tables.csv"
    path.write_text(table, encoding="utf-8")

    with (
        open_source(str(path), SourceOptions(template=template)) as opened,
        opened.scan(log=lambda _: None) as content,
    ):
        batches = list(content.order().iter_batches(1_000))

    assert json.loads(expected) == [
        command for batch in batches for command in json.loads(batch.content)
    ]
