"""Exports of any format as a checked, merged and ordered stream of import commands.

```python
with (
    open_source("exports/*.json", SourceOptions()) as opened,
    opened.scan(log=print) as content,
):
    for batch in content.order().iter_batches(10_000):
        print(batch.number, batch.command_count)
```
"""

from __future__ import annotations

from collibra_tasks.sources.batches import Batch
from collibra_tasks.sources.commands import check_command
from collibra_tasks.sources.identifiers import (
    RESOURCE_TYPES,
    ResourceKey,
    asset_row,
    format_identifier,
    reference_keys,
    resource_key,
)
from collibra_tasks.sources.opening import OpenedSource, SourceLike, open_source
from collibra_tasks.sources.records import (
    MAX_COMMANDS_PER_FILE,
    RecordPosition,
    SourceRecord,
    SourceSummary,
)
from collibra_tasks.sources.source import SourceContent

__all__ = [
    "MAX_COMMANDS_PER_FILE",
    "RESOURCE_TYPES",
    "Batch",
    "OpenedSource",
    "RecordPosition",
    "ResourceKey",
    "SourceContent",
    "SourceLike",
    "SourceRecord",
    "SourceSummary",
    "asset_row",
    "check_command",
    "format_identifier",
    "open_source",
    "reference_keys",
    "resource_key",
]
