"""What a seed thinks of every node."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.dominators import UNREACHED
from scoring.reputation.errors import UnknownNodeError
from scoring.reputation.graph import FeedbackGraph, Node
from scoring.reputation.transition import Floats, Ints, Transition


class ScoreArrays(NamedTuple):
    """All nodes in canonical order, and beside each its values, of shape (n,)."""

    nodes: list[Node]
    score: Floats
    standard_error: Floats
    visits: Floats
    diagonal: Floats
    bridge: list[Node | None]


@dataclass(frozen=True, eq=False, repr=False)
class Scores:
    """Scores from one seed, of the graph as it was when they were asked for.

    The score of `j` is the probability that a walk from the seed ever reaches `j`, reduced where all its walks pass one
    bridge and by the distrust of nodes that have a score. It is absolute, in [0, 1], and comparable over time.
    """

    transition: Transition
    graph: FeedbackGraph
    method: str  # "exact" or "sampled", and why
    visits: Floats  # expected visits x by position
    bridge: NDArray[np.int32]  # by position; see dominators.bridges
    diagonal_of: Callable[[Ints], Floats]  # expected visits d of a walk that starts there, of some positions
    factor: Floats  # what connectivity decay leaves of the reach x / d, by position
    penalty: Floats  # what distrust takes, by position
    walks: int = 0  # of a sample; 0 when exact
    signed: bool = False  # whether a score may be negative: under the segment policy of distrust

    def of(self, node: Node) -> float:
        """The score of one node."""
        return float(self._at(np.array([self.position(node)]))[0])

    def share(self, node: Node) -> float:
        """The score as a part of all scores, the seed's own among them."""
        return self.of(node) / self._total if self._total else 0.0

    def top(self, count: int) -> list[tuple[Node, float]]:
        """The best `count` nodes with a score above zero, best first; ties in canonical order."""
        # The visits bound the reach from above, so the diagonal is only needed where that bound is high enough.
        bound = self.visits * self.factor - self.penalty
        candidates = np.lexsort((self.transition.key, -bound))
        candidates = candidates[bound[candidates] > 0]
        taken = min(max(count, 0), candidates.size)
        while True:
            best = self._at(candidates[:taken])
            reached = np.sort(best)[-count] if 0 < count <= taken else 0.0
            needed = int((bound[candidates] >= reached).sum()) if count > 0 else 0
            if needed <= taken:
                break
            taken = min(needed, 2 * taken + 16)
        order = np.lexsort((self.transition.key[candidates[:taken]], -best))[: max(count, 0)]
        return [(self.node(candidates[at]), float(best[at])) for at in order if best[at] > 0]

    def to_arrays(self) -> ScoreArrays:
        """Every node with its score and what the score is made of."""
        order = np.argsort(self.transition.key, kind="stable")
        return ScoreArrays(
            nodes=[self.node(at) for at in order],
            score=self._at(order),
            standard_error=self._errors(order),
            visits=self.visits[order],
            diagonal=self.diagonal_of(order),
            bridge=[self.node(at) if at != UNREACHED else None for at in self.bridge[order]],
        )

    def standard_error(self, node: Node) -> float:
        """Of the sampled reach probability behind the score; 0 when the scores are exact."""
        return float(self._errors(np.array([self.position(node)]))[0])

    def visits_to(self, node: Node) -> float:
        """Expected visits `x` of a walk from the seed."""
        return float(self.visits[self.position(node)])

    def diagonal(self, node: Node) -> float:
        """Expected visits `d` to the node of a walk that starts there."""
        return float(self.diagonal_of(np.array([self.position(node)]))[0])

    def bridge_to(self, node: Node) -> Node | None:
        """The first node that all walks to `node` pass, or `node` itself; None where no walk arrives."""
        at = self.bridge[self.position(node)]
        return self.node(at) if at != UNREACHED else None

    @cached_property
    def _total(self) -> float:
        everything = np.argsort(self.transition.key, kind="stable")
        return float(np.sum(self._at(everything) + (2 * self.penalty[everything] if self.signed else 0)))

    def reach(self, positions: Ints) -> Floats:
        """The probability that a walk from the seed ever arrives, shape (k,)."""
        result: Floats = np.minimum(self.visits[positions] / self.diagonal_of(positions), 1)  # rounding may exceed it
        return result

    def _at(self, positions: Ints) -> Floats:
        score = self.reach(positions) * self.factor[positions] - self.penalty[positions]
        return score if self.signed else np.maximum(score, 0)

    def _errors(self, positions: Ints) -> Floats:
        reach = self.reach(positions) if self.walks else np.zeros(positions.size)
        return self.factor[positions] * np.sqrt(reach * (1 - reach) / max(self.walks, 1))

    def position(self, node: Hashable) -> int:
        number = self.graph.number(node)
        if number >= self.transition.node_count:
            raise UnknownNodeError(node)
        return int(self.transition.position[number])

    def node(self, position: int) -> Node:
        return self.graph.node(int(self.transition.number[position]))
