"""The transition probabilities of the walk, as arrays that compiled loops can read."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from scoring.reputation.alias import CHOICE, Choices, fill_choices
from scoring.reputation.compiled import compiled
from scoring.reputation.graph import FeedbackGraph

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@compiled
def normalise(start: Ints, weight: Floats) -> Floats:
    """Divide every row by its sum. By its largest weight first, so that no sum of finite weights overflows."""
    probability = np.empty_like(weight)
    for row in range(start.size - 1):
        largest = 0.0
        for at in range(start[row], start[row + 1]):
            largest = max(largest, weight[at])
        total = 0.0
        for at in range(start[row], start[row + 1]):
            total += weight[at] / largest
        for at in range(start[row], start[row + 1]):
            probability[at] = weight[at] / largest / total
    return probability


class Rows(NamedTuple):
    """Sparse rows: row `i` holds `probability[at]` for `target[at]`, `begin[i] <= at < end[i]`."""

    begin: Ints  # (n,)
    end: Ints  # (n,)
    target: NDArray[np.int32]
    probability: Floats


def as_rows(matrix: scipy.sparse.csr_array | scipy.sparse.csc_array) -> Rows:
    """The rows of a matrix stored by rows, the columns of one stored by columns."""
    start = matrix.indptr.astype(np.int64)
    return Rows(start[:-1], start[1:], matrix.indices.astype(np.int32), matrix.data)


class Pool:
    """Room for rows that are written once and never changed, twice as much as a graph of this size needs."""

    def __init__(self, target: NDArray[np.int32], probability: Floats) -> None:
        self._used, self._capacity = 0, 2 * target.size + 1024
        self._target, self._probability = np.empty(self._capacity, np.int32), np.empty(self._capacity)
        self._choices: Choices | None = None
        self.append(target, probability)

    def has_room(self, count: int) -> bool:
        return self._used + count <= self._capacity

    def append(self, target: NDArray[np.int32], probability: Floats) -> int:
        """Write entries behind the last ones; returns where they begin."""
        begin, self._used = self._used, self._used + target.size
        self._target[begin : self._used], self._probability[begin : self._used] = target, probability
        return begin

    def rows(self, begin: Ints, end: Ints) -> Rows:
        return Rows(begin, end, self._target, self._probability)

    def choices(self, rows: Rows) -> Choices:
        """The alias tables of some of the rows, beside them. Each is made once."""
        if self._choices is None:
            self._choices = np.zeros(self._capacity, CHOICE)
        fill_choices(*rows, self._choices)
        return self._choices


@dataclass(frozen=True, eq=False)
class Transition:
    """`P(i, j) = w(i, j) / sum_k w(i, k)` for n nodes; a node without out-edges has an empty row and ends the walk.

    Immutable. Nodes sit at *positions*: in the order of their canonical keys when built from a graph, later ones
    behind. Each row is in the order of its targets' keys.
    """

    number: Ints  # (n,) the graph's number of the node at each position
    position: Ints  # (n,) the inverse
    key: NDArray[np.uint64]  # (n,) canonical keys by position
    rows: Rows  # row i: the probability of each target of node i
    pool: Pool  # where the rows are; shared with the transitions that this one was patched from
    version: int  # of the graph

    @classmethod
    def build(cls, graph: FeedbackGraph) -> "Transition":
        key = graph.keys
        number = np.argsort(key, kind="stable").astype(np.int64)
        position = np.empty_like(number)
        position[number] = np.arange(number.size)
        source, target, weight = graph.edge_arrays()
        source, target = position[source], position[target]
        order = np.argsort(source * number.size + target, kind="stable")
        start = np.searchsorted(source[order], np.arange(number.size + 1)).astype(np.int64)
        pool = Pool(target[order].astype(np.int32), normalise(start, weight[order]))
        return cls(number, position, key[number], pool.rows(start[:-1], start[1:]), pool, graph.version[0])

    @property
    def node_count(self) -> int:
        return self.number.size

    @property
    def edge_count(self) -> int:
        return int((self.rows.end - self.rows.begin).sum())

    def updated(self, graph: FeedbackGraph) -> "Transition":
        """The transition of the graph as it is now: patched when little has changed, built anew otherwise."""
        if graph.version[0] == self.version:
            return self
        changed = graph.rows_changed_since(self.version)
        written = [graph.row_arrays(row) for row in changed]
        if not self.pool.has_room(sum(ends.size for ends, _ in written)):
            return Transition.build(graph)
        new = np.arange(self.node_count, graph.node_count)
        number, position = np.concatenate([self.number, new]), np.concatenate([self.position, new])
        key = np.concatenate([self.key, graph.keys[self.node_count :]]) if new.size else self.key
        begin, end = np.pad(self.rows.begin, (0, new.size)), np.pad(self.rows.end, (0, new.size))
        for row, (ends, weights) in zip(changed, written, strict=True):
            target = position[ends]
            order = np.argsort(key[target], kind="stable")
            probability = normalise(np.array([0, ends.size]), weights[order])
            at = begin[position[row]] = self.pool.append(target[order].astype(np.int32), probability)
            end[position[row]] = at + ends.size
        return Transition(number, position, key, self.pool.rows(begin, end), self.pool, graph.version[0])

    def row(self, position: int) -> list[tuple[int, float]]:
        """Where one hop from a node leads, and with what probability."""
        span = slice(self.rows.begin[position], self.rows.end[position])
        return list(zip(self.rows.target[span].tolist(), self.rows.probability[span].tolist(), strict=True))

    def same_positions(self, other: "Transition") -> bool:
        """Whether a node of both sits at the same position in both."""
        return self.pool is other.pool

    @cached_property
    def matrix(self) -> scipy.sparse.csr_array:
        """The same as a sparse matrix of shape (n, n), rows in order."""
        length = self.rows.end - self.rows.begin
        start = np.concatenate([[0], np.cumsum(length)])
        entry = np.arange(start[-1]) + np.repeat(self.rows.begin - start[:-1], length)
        content = (self.rows.probability[entry], self.rows.target[entry], start)
        return scipy.sparse.csr_array(content, shape=(self.node_count, self.node_count))

    @cached_property
    def choices(self) -> Choices:
        """The alias table of row `i` at `rows.begin[i]` to `rows.end[i]`."""
        return self.pool.choices(self.rows)

    @cached_property
    def columns(self) -> Rows:
        """The same by target: row `j` holds `P(i, j)` for every `i` with an edge to `j`, in order."""
        return as_rows(self.matrix.tocsc())
