"""The diagonal `d(j) = G(j, j)` of `G = (I - r P)^-1`: expected visits to `j` of a walk that starts there."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock

import numpy as np
import scipy.sparse.csgraph
from numpy.typing import NDArray

from scoring.reputation.graph import FeedbackGraph
from scoring.reputation.low_rank import diagonal_change
from scoring.reputation.push import Push, new_push, returns_by_push
from scoring.reputation.sweeps import returns_by_elimination, returns_by_sweeps
from scoring.reputation.transition import Floats, Ints, Rows, Transition, as_rows
from scoring.reputation.visits import solve, walk_on

UNKNOWN = np.nan
SMALL = 1024  # nodes of a component that is solved as a dense matrix, of 8 MB at most
PROBES = 3
SETTLING = 30
PAYS_OFF = 8  # missing values per changed row, from which on an update is cheaper than they are
MOST_ENTRIES = 2**24  # of the two matrices of an update: 128 MB each
MOST_CARRIES = 50
SWEEPS_WORTH = 2  # a component is swept as a whole if its probes follow more than this many times its edges


@dataclass(frozen=True, eq=False)
class Component:
    """A strongly connected component with more than one node, as a graph of its own."""

    rows: Rows  # r P within the component
    columns: Rows
    stop: float
    tolerance: float
    lock: Lock = field(default_factory=Lock)  # of the room that pushes share

    def returns(self, nodes: Ints) -> Floats:
        """`G(j, j)` for nodes by their number in the component, shape (k,)."""
        if self._is_local:
            return self._pushed(nodes)[0]
        if self.rows.begin.size <= SMALL:
            return self._all[nodes]
        return returns_by_sweeps(nodes, self.rows, *self._typical, self.tolerance * self.stop)

    def _pushed(self, nodes: Ints) -> tuple[Floats, int]:
        enough = self.tolerance * self.stop / (1 - self.stop)
        with self.lock:
            return returns_by_push(nodes, self.rows, self.columns, *self._room, enough)

    @cached_property
    def _room(self) -> tuple[Push, Push]:
        """Kept, since making it for a large component takes longer than a push in it."""
        return new_push(self.rows), new_push(self.columns)

    @cached_property
    def _is_local(self) -> bool:
        """Whether push is the cheaper way. Found out at fixed nodes, so that no result depends on what was asked."""
        n = self.rows.begin.size
        probes = np.arange(min(PROBES, n)) * (n // min(PROBES, n))
        _, work = self._pushed(probes)
        return work <= SWEEPS_WORTH * probes.size * self.rows.target.size

    @cached_property
    def _all(self) -> Floats:
        return returns_by_elimination(self.rows)

    @cached_property
    def _typical(self) -> tuple[Floats, Floats]:
        """Where walks within the component tend to be after many steps, and their further visits from there."""
        step = partial(walk_on, self.rows, survive=1.0)
        typical = np.full(self.rows.begin.size, 1 / self.rows.begin.size)
        for _ in range(SETTLING):
            typical = step(typical)
            typical /= typical.sum()
        return typical, solve(step, np.zeros_like(typical), typical, self.stop, self.tolerance)[0]


def touched(component: Ints, nodes: Ints) -> NDArray[np.bool_]:
    """Whether one of `nodes` is in each node's component, shape (n,)."""
    flag = np.zeros(component.size, np.bool_)
    flag[component[nodes]] = True
    result: NDArray[np.bool_] = flag[component]
    return result


def part_of(side: Rows, span: slice) -> Rows:
    """Some rows, none of which leads to a node outside of them, as a graph of their own."""
    first, last = side.begin[span.start], side.end[span.stop - 1]
    return Rows(
        side.begin[span] - first,
        side.end[span] - first,
        side.target[first:last] - np.int32(span.start),
        side.probability[first:last],
    )


class Diagonal:
    """The diagonal of one transition, computed for the nodes that are asked for and kept.

    It is 1 where a node lies on no cycle, and otherwise depends on nothing outside the node's strongly connected
    component.
    """

    def __init__(self, graph: FeedbackGraph, transition: Transition, stop: float, tolerance: float) -> None:
        self._graph, self._transition, self._stop, self._tolerance = graph, transition, stop, tolerance
        self._before: Diagonal | None = None
        self._carries = 0  # updates since the values were last computed anew
        self._components: dict[int, Component] = {}

    def carried_to(self, transition: Transition) -> "Diagonal":
        """The same for a changed graph.

        Values are kept where no row of the component has changed, and updated where few have.
        """
        after = Diagonal(self._graph, transition, self._stop, self._tolerance)
        after._before = self if "_values" in self.__dict__ else self._before
        return after

    def of(self, nodes: Ints) -> Floats:
        """`G(j, j)` for each position `j` in `nodes`, shape (k,), each within the tolerance."""
        missing = np.unique(nodes[np.isnan(self._values[nodes])])
        by_component = missing[np.argsort(self.component[missing], kind="stable")]
        ends = np.flatnonzero(np.diff(self.component[by_component])) + 1
        for part in np.split(by_component, ends) if missing.size else ():
            component = self._component(int(self.component[part[0]]))
            self._values[part] = component.returns(self._inner_number[part])
        result: Floats = self._values[nodes]
        return result

    def work(self) -> int:
        """The size of the whole task: nodes of each component times its edges, summed."""
        rows, _ = self._inner
        return int((self._sizes * (rows.end[self._begin[1:] - 1] - rows.begin[self._begin[:-1]])).sum())

    @cached_property
    def component(self) -> Ints:
        """The number of each node's strongly connected component, shape (n,)."""
        _, component = scipy.sparse.csgraph.connected_components(self._transition.matrix, connection="strong")
        return component.astype(np.int64)

    @cached_property
    def _sizes(self) -> Ints:
        return np.bincount(self.component)

    @cached_property
    def _begin(self) -> Ints:
        """Where each component begins when the nodes are sorted by component."""
        return np.concatenate([[0], np.cumsum(self._sizes)])

    @cached_property
    def _inner_number(self) -> Ints:
        """The number of each node within its component, shape (n,)."""
        order = np.argsort(self.component, kind="stable")
        number = np.empty_like(order)
        number[order] = np.arange(order.size) - self._begin[self.component[order]]
        return number

    @cached_property
    def _inner(self) -> tuple[Rows, Rows]:
        """`(1 - stop) P` by rows and by columns, sorted by component, without the edges between components."""
        edges = self._transition.matrix.tocoo()
        inside = self.component[edges.row] == self.component[edges.col]
        place = self._begin[self.component] + self._inner_number
        content = (1 - self._stop) * edges.data[inside], (place[edges.row[inside]], place[edges.col[inside]])
        matrix = scipy.sparse.csr_array(content, shape=edges.shape)
        matrix.sort_indices()
        return as_rows(matrix), as_rows(matrix.tocsc())

    def _component(self, number: int) -> Component:
        known = self._components.get(number)
        if known is None:
            span = slice(self._begin[number], self._begin[number + 1])
            rows, columns = (part_of(side, span) for side in self._inner)
            known = self._components[number] = Component(rows, columns, self._stop, self._tolerance)
        return known

    @cached_property
    def _values(self) -> Floats:
        values = np.where(self._sizes[self.component] > 1, UNKNOWN, 1.0)
        before, self._before = self._before, None
        if before is None:
            return values
        old = before._transition
        numbers = np.array(self._graph.rows_changed_since(old.version), np.int64)
        changed, known = self._transition.position[numbers], numbers[numbers < old.node_count]
        here = self._transition.position[: old.node_count]
        stale = touched(self.component, changed)[here]
        stale |= touched(before.component, old.position[known])[old.position]
        kept = ~stale & np.isnan(values[here])
        values[here[kept]] = before._values[old.position][kept]
        self._carries = before._carries
        if self._is_small_change(before, changed, int(np.isnan(values).sum())):
            added = self._transition.node_count - old.node_count
            padded = Rows(np.pad(old.rows.begin, (0, added)), np.pad(old.rows.end, (0, added)), *old.rows[2:])
            change = diagonal_change(padded, self._transition.rows, changed, self._stop, self._tolerance / MOST_CARRIES)
            carried = np.pad(before._values, (0, added), constant_values=1.0) + change
            values = np.where(np.isnan(values), carried, values)
            self._carries += 1
        return values

    def _is_small_change(self, before: "Diagonal", changed: Ints, missing: int) -> bool:
        """Whether to update the values that a change of a component touches, and not to compute them anew."""
        return (
            changed.size * PAYS_OFF <= missing
            and changed.size * self._transition.node_count <= MOST_ENTRIES
            and before._carries < MOST_CARRIES  # each adds its rounding
            and self._transition.same_positions(before._transition)
            and not np.isnan(before._values).any()
        )
