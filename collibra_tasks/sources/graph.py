"""Order of resources in which each one comes after those that it refers to.

The order of the source is kept: a resource that has to wait for another one follows directly after
the last one that it waits for. Where references form a cycle, the resource with the most waiting
referrers goes first and its own references are *cut*: the caller sends them in a second pass.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import accumulate
from typing import Final

_NODE_BITS: Final = 32
_MAX_REFERRERS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Arrangement:
    """An order of nodes.

    Attributes:
        order: The nodes in the order in which they are sent.
        cut: The nodes that precede a node that they refer to, in this order.
    """

    order: array[int]
    cut: array[int]


def arrange(nodes: array[int], sources: array[int], targets: array[int]) -> Arrangement:
    """Arrange nodes so that targets precede their sources; the result is deterministic.

    Among several possible orders, the one next to the given order is chosen. The number of cut
    nodes is small, not minimal: a minimal number cannot be computed in reasonable time.

    Args:
        nodes: Numbers of all nodes, ascending, which is the order of the source.
        sources: One node per reference, which refers to the node at the same index of ``targets``.
        targets: One node per reference.
    """
    return _Arranger(nodes, sources, targets).run()


def is_forward(sources: array[int], targets: array[int]) -> bool:
    """Return whether a reference points to its own node or to a later one."""
    return any(target >= source for source, target in zip(sources, targets, strict=True))


class _Adjacency:
    """Neighbours of each node, in two flat arrays."""

    __slots__ = ("_ends", "_neighbours")

    def __init__(self, size: int, keys: array[int], values: array[int]) -> None:
        counts = array("I", bytes(4 * size))
        for key in keys:
            counts[key] += 1
        self._ends = array("I", accumulate(counts))
        self._neighbours = array("I", bytes(4 * len(values)))
        for key, value in zip(keys, values, strict=True):
            self._neighbours[self._ends[key] - counts[key]] = value
            counts[key] -= 1

    def of(self, node: int) -> array[int]:
        """Return the neighbours in the order in which they were given."""
        return self._neighbours[self._ends[node - 1] if node else 0 : self._ends[node]]


class _Arranger:
    """State of one arrangement: what is sent already, and what waits for how many nodes."""

    def __init__(self, nodes: array[int], sources: array[int], targets: array[int]) -> None:
        self._nodes = nodes
        self._size = nodes[-1] + 1 if nodes else 0
        self._edges = sources, targets
        self._referrers = _Adjacency(self._size, targets, sources)
        self._waits_for = array("I", bytes(4 * self._size))
        for source in sources:
            self._waits_for[source] += 1
        self._cycles: _Cycles | None = None
        self._is_sent = bytearray(self._size)
        self._reached = 0
        self._order = array("I")
        self._cut = array("I")

    def run(self) -> Arrangement:
        for node in self._nodes:
            self._reached = node
            if not self._waits_for[node]:
                self._send(node)
        self._reached = self._size
        if len(self._order) < len(self._nodes):
            self._cycles = _Cycles(self._size, *self._edges, self._is_sent)
            for node in self._cycles.iter_cuts():
                self._cut.append(node)
                self._send(node)
        return Arrangement(self._order, self._cut)

    def _send(self, first: int) -> None:
        """Send a node, then every node before ``_reached`` that waited for nothing else."""
        ready = [first]
        while ready:
            node = heappop(ready)
            if self._is_sent[node]:
                continue
            self._is_sent[node] = 1
            self._order.append(node)
            if self._cycles is not None:
                self._cycles.note_sent(node)
            for referrer in self._referrers.of(node):
                self._waits_for[referrer] -= 1
                # The loop in run() sends a later node itself, at its own place.
                if not self._waits_for[referrer] and referrer < self._reached:
                    heappush(ready, referrer)


class _Cycles:
    """Choice of the nodes to cut; created only for a graph with cycles."""

    def __init__(
        self, size: int, sources: array[int], targets: array[int], is_sent: bytearray
    ) -> None:
        self._size = size
        self._is_sent = is_sent
        self._targets = _Adjacency(size, sources, targets)
        self._waiting = array("I", bytes(4 * size))
        for source, target in zip(sources, targets, strict=True):
            self._waiting[target] += not is_sent[source]

    def note_sent(self, node: int) -> None:
        """Count a node as sent, which no longer waits for its targets."""
        for target in self._targets.of(node):
            self._waiting[target] -= 1

    def iter_cuts(self) -> Iterator[int]:
        """Yield unsent nodes on cycles, those with the most waiting referrers first."""
        core = self._find_core()
        # One integer per node holds both the sort key and the node, which halves the memory.
        heap = [self._rank(node) for node in range(self._size) if core[node]]
        heapify(heap)
        while heap:
            entry = heappop(heap)
            node = entry & ((1 << _NODE_BITS) - 1)
            if self._is_sent[node]:
                continue
            if (current := self._rank(node)) != entry:
                heappush(heap, current)  # referrers were sent in the meantime
            else:
                yield node

    def _rank(self, node: int) -> int:
        return (_MAX_REFERRERS - self._waiting[node]) << _NODE_BITS | node

    def _find_core(self) -> bytearray:
        """Return a flag per node that may be on a cycle: it is unsent, and so is a referrer."""
        core = bytearray(not sent for sent in self._is_sent)
        waiting = array("I", self._waiting)
        needless = [node for node in range(self._size) if core[node] and not waiting[node]]
        while needless:
            node = needless.pop()
            core[node] = 0
            for target in self._targets.of(node):
                waiting[target] -= 1
                if core[target] and not waiting[target]:
                    needless.append(target)
        return core
