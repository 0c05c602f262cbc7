"""What warnings take from scores."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from scoring.reputation.diagonal import Diagonal
from scoring.reputation.graph import FeedbackGraph
from scoring.reputation.transition import Floats, Ints, Transition, as_rows, normalise
from scoring.reputation.visits import expected_visits


class DistrustPolicy(StrEnum):
    """How warnings count. There is no single standard."""

    ONE_SHOT = "one-shot"  # after the trust scores: each node's score, divided among those it warns of, is taken
    SEGMENT = "segment"  # a walk may follow one warning, and what it meets from there on counts against


@dataclass(frozen=True, eq=False)
class Warnings:
    """`D`: `weight[at]` is the part of the warnings of `source[at]` that is about `target[at]`, all by position."""

    source: Ints
    target: Ints
    weight: Floats
    node_count: int

    @classmethod
    def of(cls, graph: FeedbackGraph, transition: Transition) -> "Warnings":
        source, target, weight = graph.distrust_arrays()
        source, target = transition.position[source], transition.position[target]
        order = np.lexsort((transition.key[target], source))
        start = np.searchsorted(source[order], np.arange(transition.node_count + 1)).astype(np.int64)
        return cls(source[order], target[order], normalise(start, weight[order]), transition.node_count)

    def spread(self, mass: Floats) -> Floats:
        """`mass D`, shape (n,)."""
        given = mass[self.source] * self.weight
        return np.bincount(self.target, weights=given, minlength=self.node_count).astype(np.float64, copy=False)


def trust_shares(graph: FeedbackGraph, transition: Transition) -> Floats:
    """The part of the weight of a node's edges and warnings that the edges have, shape (n,)."""
    edge_source, _, edge_weight = graph.edge_arrays()
    warning_source, _, warning_weight = graph.distrust_arrays()
    largest = np.zeros(transition.node_count)  # of each row: sums of finite weights may overflow
    np.maximum.at(largest, edge_source, edge_weight)
    np.maximum.at(largest, warning_source, warning_weight)
    edges, warnings = (
        np.bincount(source, weights=weight / largest[source], minlength=largest.size)
        for source, weight in ((edge_source, edge_weight), (warning_source, warning_weight))
    )
    share: Floats = np.divide(edges, edges + warnings, out=np.ones(largest.size), where=largest > 0)
    return np.asarray(share[transition.number])


def walked_segments(
    graph: FeedbackGraph, transition: Transition, diagonal: Diagonal, source: Floats, *, stop: float, tolerance: float
) -> tuple[Floats, Diagonal, Floats]:
    """Reach where a walk may follow one warning, and from there on only edges.

    The next hop is drawn among edges and warnings by weight. Returns the expected visits before a warning was
    followed, the diagonal that belongs to them, and the probability that a walk meets each node after one.
    """
    share = trust_shares(graph, transition)
    matrix = transition.matrix.copy()
    matrix.data *= np.repeat(share, np.diff(matrix.indptr))
    before = replace(transition, rows=as_rows(matrix))
    visits = expected_visits(before, source, stop, tolerance)
    entered = (1 - stop) * Warnings.of(graph, transition).spread(visits * (1 - share))
    after = expected_visits(transition, entered, stop, tolerance)
    met = np.flatnonzero(after)
    after[met] /= diagonal.of(met)
    return visits, Diagonal(graph, before, stop, tolerance), after
