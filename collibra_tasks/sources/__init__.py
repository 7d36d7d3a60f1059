"""Sources: the export of an external system, checked as a whole and split into batches.

with open_source("exports/*.json") as source:
    survey = source.survey()                      # all of it is read, or refused
    for batch in iter_batches(source, survey):
        ...                                       # batch.content is one import job's file
"""

from __future__ import annotations

from collibra_tasks.sources.batches import Batch, BatchFormat, iter_batches
from collibra_tasks.sources.identifiers import ASSET, RESOURCE_TYPES, write_identifier
from collibra_tasks.sources.source import Source, SourceLike, open_source
from collibra_tasks.sources.values import (
    MAX_COMMANDS_PER_FILE,
    CsvOptions,
    FileFormat,
    Position,
    Survey,
)

__all__ = [
    "ASSET",
    "MAX_COMMANDS_PER_FILE",
    "RESOURCE_TYPES",
    "Batch",
    "BatchFormat",
    "CsvOptions",
    "FileFormat",
    "Position",
    "Source",
    "SourceLike",
    "Survey",
    "iter_batches",
    "open_source",
    "write_identifier",
]
