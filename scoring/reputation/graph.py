"""The feedback graph: who vouches for whose work, and how strongly."""

from collections.abc import Hashable, Iterable
from hashlib import blake2b
from math import isfinite, log2
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.reputation.errors import (
    InvalidParameterError,
    InvalidWeightError,
    SelfEdgeError,
    UnknownEdgeError,
    UnknownNodeError,
)

Node: TypeAlias = Hashable
Edge: TypeAlias = tuple[Node, Node, float]

RESCALE_ABOVE = 512.0  # binary orders of magnitude in an aged row: far from overflow, and rarely reached


def canonical_keys(values: NDArray[np.integer]) -> NDArray[np.uint64]:
    """The 64-bit keys of integer nodes: a bijection (the finaliser of splitmix64)."""
    key = values.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: NDArray[np.uint64] = key ^ (key >> np.uint64(31))
    return result


def canonical_key(node: Node) -> int:
    """A 64-bit number that depends on the node alone: not on the process, the machine or when the node was added.

    Nodes are put in the order of their keys before anything is summed, and random choices are drawn from them. A node
    that is not an integer is known by its type's name and its `repr`.
    """
    if isinstance(node, int) and -(2**63) <= node < 2**63:
        return int(canonical_keys(np.array([node], dtype=np.int64))[0])
    return int.from_bytes(blake2b(f"{type(node).__qualname__}:{node!r}".encode(), digest_size=8).digest(), "big")


def numbered(names: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct names, sorted, and the number of each name among them, shape (k,)."""
    signed = names.size and np.issubdtype(names.dtype, np.signedinteger)
    if signed and names.min() >= 0 and names.max() < 4 * names.size:
        present = np.bincount(names) > 0  # ten times as fast as sorting, where the names leave few gaps
        return np.flatnonzero(present).astype(names.dtype), (np.cumsum(present) - 1)[names]
    nodes, ends = np.unique(names, return_inverse=True)
    return nodes, ends.astype(np.int64, copy=False)


class FeedbackGraph:
    """Weighted directed edges `source -> target`: the work of `target` was worth `weight` to `source`.

    Nodes are any hashable with a `repr` that identifies it; in practice account addresses. Weights are finite and
    above zero; self-edges are refused. Only the proportions of a node's out-edges matter to its scores.

    Loaded edges sit in arrays and changed rows in dictionaries above them, so that ten million edges fit in memory and
    one change costs the length of one row at most.
    """

    def __init__(self, epoch_decay: float = 0.0) -> None:
        """`epoch_decay`: the part of an edge's weight that `record` lets fade with each epoch, in [0, 1)."""
        if not 0 <= epoch_decay < 1:
            raise InvalidParameterError("epoch_decay", epoch_decay, "at least 0 and below 1")
        self._epoch_decay = epoch_decay
        self._index: dict[Node, int] = {}
        self._nodes: list[Node] = []
        self._keys: list[int] = []
        self._loaded_start = np.zeros(1, dtype=np.int64)
        self._loaded_target = np.zeros(0, dtype=np.int64)
        self._loaded_weight = np.zeros(0)
        self._rows: dict[int, dict[int, float]] = {}
        self._row_epoch: dict[int, int] = {}
        self._distrust: dict[int, dict[int, float]] = {}
        self._edge_count = 0
        self._version = 0
        self._changed: dict[int, int] = {}  # row -> version of its last change, in the order of these versions
        self._distrust_version = 0

    @classmethod
    def from_arrays(cls, source: ArrayLike, target: ArrayLike, weight: ArrayLike) -> "FeedbackGraph":
        """A graph of `m` edges from three arrays of shape (m,). The weights of parallel edges are added."""
        graph = cls()
        sources, targets, weights = np.asarray(source), np.asarray(target), np.asarray(weight, dtype=np.float64)
        if not sources.shape == targets.shape == weights.shape == (weights.size,):
            raise InvalidParameterError(
                "source, target, weight", (sources.shape, targets.shape, weights.shape), "three arrays of one length"
            )
        bad_weight = ~(np.isfinite(weights) & (weights > 0))
        for bad in np.flatnonzero(bad_weight | (sources == targets))[:1]:
            if bad_weight[bad]:
                raise InvalidWeightError(sources[bad].item(), targets[bad].item(), weights[bad].item())
            raise SelfEdgeError(sources[bad].item())
        nodes, ends = numbered(np.concatenate([sources, targets]))
        graph._nodes = nodes.tolist()
        graph._index = {node: index for index, node in enumerate(graph._nodes)}
        if np.issubdtype(nodes.dtype, np.signedinteger):
            graph._keys = canonical_keys(nodes).tolist()
        else:
            graph._keys = [canonical_key(node) for node in graph._nodes]
        graph._load(ends[: sources.size], ends[sources.size :], weights)
        return graph

    def _load(self, source: NDArray[np.int64], target: NDArray[np.int64], weight: NDArray[np.float64]) -> None:
        pair = source * len(self._nodes) + target
        order = np.argsort(pair, kind="stable")
        pair, weight = pair[order], weight[order]
        first = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])) if pair.size else np.zeros(0, np.intp)
        if first.size < pair.size:
            by_weight = np.lexsort((weight, pair))  # parallel edges add up in one order, whatever order they came in
            with np.errstate(over="ignore"):
                weight = np.add.reduceat(weight[by_weight], first)
            if not np.isfinite(weight).all():
                bad = order[first[np.flatnonzero(~np.isfinite(weight))[0]]]
                raise InvalidWeightError(self._nodes[source[bad]], self._nodes[target[bad]], float("inf"))
        pair = pair[first]
        row = pair // max(len(self._nodes), 1)
        self._loaded_start = np.searchsorted(row, np.arange(len(self._nodes) + 1)).astype(np.int64)
        self._loaded_target, self._loaded_weight = pair - row * len(self._nodes), weight
        self._edge_count = pair.size

    # --- nodes and edges ------------------------------------------------------------------------------------------

    def __contains__(self, node: Node) -> bool:
        return node in self._index

    @property
    def nodes(self) -> tuple[Node, ...]:
        """In the order in which they came."""
        return tuple(self._nodes)

    @property
    def node_count(self) -> int:
        return len(self._nodes)

    @property
    def edge_count(self) -> int:
        return self._edge_count

    def add_node(self, node: Node) -> int:
        """Make `node` known, if it is not, and return its number."""
        index = self._index.get(node)
        if index is None:
            index = self._index[node] = len(self._nodes)
            self._nodes.append(node)
            self._keys.append(canonical_key(node))
            self._version += 1
        return index

    def node(self, number: int) -> Node:
        return self._nodes[number]

    def number(self, node: Node) -> int:
        """The number of a node: its place in `nodes`."""
        try:
            return self._index[node]
        except KeyError:
            raise UnknownNodeError(node) from None

    def set_edge(self, source: Node, target: Node, weight: float) -> None:
        """Create the edge, or replace its weight."""
        weight = self._checked(source, target, weight)
        row = self._writable(self.add_node(source))
        end = self.add_node(target)
        self._edge_count += end not in row
        row[end] = weight
        self._touch(self._index[source])

    def remove_edge(self, source: Node, target: Node) -> None:
        """Delete an edge; its nodes stay known."""
        start, end = self._index.get(source), self._index.get(target)
        if start is None or end is None or end not in self._row(start):
            raise UnknownEdgeError(source, target)
        del self._writable(start)[end]
        self._edge_count -= 1
        self._touch(start)

    def record(self, source: Node, target: Node, amount: float, epoch: int) -> None:
        """Add `amount` to the edge as work of `epoch`: it counts `amount * (1 - epoch_decay) ** -epoch`.

        Relative to later work it fades by `epoch_decay` per epoch, and no older edge has to be touched. This keeps
        scores fresh. It is no defence against Sybils: the authors of MeritRank measured a higher gain with it.
        """
        amount = self._checked(source, target, amount)
        start, end = self.add_node(source), self.add_node(target)
        row, base = self._writable(start), self._row_epoch.setdefault(start, epoch)
        doublings = -log2(1 - self._epoch_decay)
        if log2(amount) + doublings * (epoch - base) > RESCALE_ABOVE:
            faded = {other: weight * 2.0 ** (doublings * (base - epoch)) for other, weight in row.items()}
            row.clear()
            row.update((other, weight) for other, weight in faded.items() if weight)
            self._edge_count += len(row) - len(faded)
            base = self._row_epoch[start] = epoch
        weight = row.get(end, 0.0) + amount * 2.0 ** (doublings * (epoch - base))
        if weight:  # an epoch so long ago that nothing is left of it writes no edge
            self._edge_count += end not in row
            row[end] = weight
            self._touch(start)

    def edges_from(self, source: Node) -> dict[Node, float]:
        return {self._nodes[end]: weight for end, weight in self._row(self.number(source)).items()}

    def edges(self) -> Iterable[Edge]:
        for start, source in enumerate(self._nodes):
            for end, weight in self._row(start).items():
                yield source, self._nodes[end], weight

    # --- distrust -------------------------------------------------------------------------------------------------

    def set_distrust(self, source: Node, target: Node, weight: float) -> None:
        """`source` warns of `target`. Only the proportions of a node's warnings matter."""
        weight = self._checked(source, target, weight)
        self._distrust.setdefault(self.add_node(source), {})[self.add_node(target)] = weight
        self._distrust_version += 1

    def remove_distrust(self, source: Node, target: Node) -> None:
        row = self._distrust.get(self._index.get(source, -1), {})
        end = self._index.get(target, -1)
        if end not in row:
            raise UnknownEdgeError(source, target)
        del row[end]
        self._distrust_version += 1

    def distrust(self) -> Iterable[Edge]:
        for start, row in self._distrust.items():
            for end, weight in row.items():
                yield self._nodes[start], self._nodes[end], weight

    # --- what the engine reads, by node number ----------------------------------------------------------------------

    @property
    def version(self) -> tuple[int, int]:
        """Changes whenever an edge, a node or a warning changes."""
        return self._version, self._distrust_version

    @property
    def keys(self) -> NDArray[np.uint64]:
        """The canonical key of every node, shape (n,)."""
        return np.array(self._keys, dtype=np.uint64)

    def rows_changed_since(self, version: int) -> list[int]:
        changed = []
        for row, at in reversed(self._changed.items()):
            if at <= version:
                break
            changed.append(row)
        return sorted(changed)

    def row_arrays(self, number: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Targets and weights of one row, each of shape (out-degree,)."""
        row = self._row(number)
        return np.fromiter(row.keys(), np.int64, len(row)), np.fromiter(row.values(), np.float64, len(row))

    def distrust_arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Sources, targets and weights of all warnings."""
        entries = [(start, end, weight) for start, row in self._distrust.items() for end, weight in row.items()]
        starts, ends, weights = zip(*entries, strict=True) if entries else ((), (), ())
        return np.array(starts, np.int64), np.array(ends, np.int64), np.array(weights, np.float64)

    def edge_arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Sources, targets and weights of all edges, each of shape (m,), in no particular order."""
        sources = np.repeat(np.arange(self._loaded_start.size - 1), np.diff(self._loaded_start))
        keep = np.ones(self._loaded_start.size - 1, dtype=bool)
        written = [row for row in self._rows if row < keep.size]
        keep[written] = False
        kept = keep[sources]
        parts = [(sources[kept], self._loaded_target[kept], self._loaded_weight[kept])]
        for start in self._rows:
            ends, weights = self.row_arrays(start)
            parts.append((np.full(ends.size, start), ends, weights))
        source, target, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
        return source, target, weight

    # ----------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _checked(source: Node, target: Node, weight: float) -> float:
        if source == target:
            raise SelfEdgeError(source)
        try:
            number = float(weight)
        except (TypeError, ValueError, OverflowError):
            raise InvalidWeightError(source, target, weight) from None
        if not (isfinite(number) and number > 0):
            raise InvalidWeightError(source, target, weight)
        return number

    def _row(self, start: int) -> dict[int, float]:
        row = self._rows.get(start)
        if row is not None or start >= self._loaded_start.size - 1:
            return row or {}
        span = slice(self._loaded_start[start], self._loaded_start[start + 1])
        return dict(zip(self._loaded_target[span].tolist(), self._loaded_weight[span].tolist(), strict=True))

    def _writable(self, start: int) -> dict[int, float]:
        row = self._rows.get(start)
        if row is None:
            row = self._rows[start] = self._row(start)
        return row

    def _touch(self, start: int) -> None:
        self._version += 1
        self._changed.pop(start, None)
        self._changed[start] = self._version
