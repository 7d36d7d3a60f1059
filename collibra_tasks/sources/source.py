"""Content of a source: read once, merged, on disk, ready to be ordered and split into batches."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from collibra_tasks.errors import SourceError
from collibra_tasks.models import AssetRow
from collibra_tasks.sources.both_ends import complete_both_ends
from collibra_tasks.sources.doubles import refuse_double_identifiers
from collibra_tasks.sources.graph import arrange
from collibra_tasks.sources.ordering import OrderedContent, order_content
from collibra_tasks.sources.records import SourceRecord, SourceSummary
from collibra_tasks.sources.scanning import Scanner, compute_digest, merge_commands
from collibra_tasks.sources.spool import Kind, Role, Spool

Log = Callable[[str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContent:
    """Merged commands of a source in a temporary folder; use it in a ``with`` block.

    Attributes:
        summary: Counts of the content.
        digest: SHA-256 over all merged commands; the same for any order of the rows. The batches
            follow the order of the rows, so that equal digests do not imply equal batches.

    Example:
        ```python
        with scan_source(records, files=["a.json"], log=print) as content:
            ordered = content.order()
            for batch in ordered.iter_batches(10_000):
                print(batch.number, batch.command_count)
        ```
    """

    summary: SourceSummary
    digest: str
    spool: Spool = field(repr=False)
    communities: array[int] = field(repr=False)

    def iter_assets(self) -> Iterator[AssetRow]:
        """Yield the assets, each once, sorted by label."""
        for label, container, place, name in self.spool.execute(
            "SELECT label, container, place, name FROM command WHERE kind = ? ORDER BY label",
            (Kind.ASSET,),
        ):
            domain, community = self.spool.containers[container]
            yield AssetRow(label, domain, community, self.spool.places[place][0], name or "")

    def order(self, known: Iterable[str] = ()) -> OrderedContent:
        """Arrange the commands so that references are satisfied.

        Args:
            known: Sorted labels of the assets that an earlier cycle holds; read once, one at a
                time. Empty if there was no earlier cycle.
        """
        return order_content(self.spool, self.communities, known)

    def close(self) -> None:
        """Delete the temporary folder."""
        self.spool.close()

    def __enter__(self) -> Self:
        """Return the content itself."""
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Delete the temporary folder."""
        self.close()


def scan_source(
    records: Iterable[SourceRecord],
    *,
    files: Sequence[str],
    log: Log,
    unknown_keys: Collection[str] = (),
) -> SourceContent:
    """Read all records once and merge those with the same identifier.

    The records are written to a temporary folder. The source is not read again.

    Args:
        records: Checked import commands with their positions, in the order of the source.
        files: Names of the source files, in reading order.
        log: Function that receives one sentence per event.
        unknown_keys: Keys that Collibra's published description does not list. It may be filled
            while ``records`` is read.

    Raises:
        SourceError: A record is refused, two commands contradict each other, or the parents of
            communities form a cycle.
    """
    spool = Spool()
    try:
        scanner = Scanner(spool)
        for record in records:
            scanner.add(record)
        spool.index_labels()
        merged = merge_commands(spool)
        if merged:
            noun = "resource" if merged == 1 else "resources"
            log(f"Merged commands with the same identifier for {merged:,} {noun}.")
        spool.resolve_targets()
        refuse_double_identifiers(spool)
        if added := complete_both_ends(spool, scanner.relation_keys):
            log(f"Added {added:,} relations, named at their other end, to lists of relations.")
        return SourceContent(
            summary=_summarize(spool, tuple(files), tuple(sorted(unknown_keys))),
            digest=compute_digest(spool),
            spool=spool,
            communities=_arrange_communities(spool),
        )
    except BaseException:
        spool.close()
        raise


def _summarize(
    spool: Spool, files: tuple[str, ...], unknown_keys: tuple[str, ...]
) -> SourceSummary:
    command_count = spool.count("SELECT COUNT(*) FROM command")
    asset_count = spool.count("SELECT COUNT(*) FROM command WHERE kind = ?", (Kind.ASSET,))
    return SourceSummary(
        files=files,
        file_count=len(files),
        command_count=command_count,
        asset_count=asset_count,
        other_count=command_count - asset_count,
        reference_count=spool.count("SELECT COUNT(*) FROM reference"),
        unknown_keys=unknown_keys,
    )


def _arrange_communities(spool: Spool) -> array[int]:
    """Return the communities, parents first."""
    rows = spool.execute(
        "SELECT sequence FROM command WHERE kind = ? ORDER BY sequence", (Kind.COMMUNITY,)
    )
    nodes = array("I", (sequence for (sequence,) in rows))
    sources, targets = array("I"), array("I")
    for source, target in spool.execute(
        "SELECT r.source, c.sequence FROM reference r "
        "JOIN command c ON c.kind = ? AND c.label = r.label WHERE r.role = ?",
        (Kind.COMMUNITY, Role.PARENT),
    ):
        sources.append(source)
        targets.append(target)
    arrangement = arrange(nodes, sources, targets)
    if arrangement.cut:
        row = spool.execute(
            "SELECT place, number, label FROM command WHERE sequence = ?", (arrangement.cut[0],)
        )
        position = spool.position(*next(iter(row)))
        raise SourceError(
            f"{position}: the community {position.identifier!r} is its own ancestor: the parents "
            "of the communities form a cycle. Correct the parent of one of them."
        )
    return arrangement.order
