"""MeritRank: reputation as one seed sees it, which fake identities cannot inflate beyond a proven bound."""

from collections.abc import Mapping
from math import isfinite

import numpy as np

from scoring.reputation.diagonal import Diagonal
from scoring.reputation.dominators import UNREACHED, bridges
from scoring.reputation.errors import InvalidParameterError, InvalidSeedError
from scoring.reputation.graph import FeedbackGraph, Node
from scoring.reputation.scores import Scores
from scoring.reputation.transition import Floats, Transition
from scoring.reputation.visits import expected_visits

Seed = Node | Mapping[Node, float]


class MeritRank:
    """Scores over a feedback graph, which may change between questions.

    Nasrulin, Ishmaev, Pouwelse, "MeritRank: Sybil Tolerant Reputation for Merit-based Tokenomics" (arXiv 2207.09950).
    """

    def __init__(
        self,
        graph: FeedbackGraph,
        *,
        stop: float = 0.4,
        bridge_decay: float = 0.5,
        bridge_threshold: float = 1.0,
        tolerance: float = 1e-13,
        diagonal_tolerance: float = 1e-13,
    ) -> None:
        """`stop`: the probability that a walk stops at a step, in (0, 1): transitivity decay, the paper's alpha. Sybils
        gain at most `(1 - stop) / stop` of the attacker's own score.

        `bridge_decay`: what a node loses whose walks all pass one other node, in [0, 1]: connectivity decay, the
        paper's beta. `bridge_threshold`: the fraction of the walks that makes a node a bridge, in (0, 1]; the paper's
        tau.

        `tolerance`: of the visits, sum of absolute errors. `diagonal_tolerance`: of each node's diagonal.
        """
        if not 0 < stop < 1:
            raise InvalidParameterError("stop", stop, "between 0 and 1")
        if not 0 <= bridge_decay <= 1:
            raise InvalidParameterError("bridge_decay", bridge_decay, "from 0 to 1")
        if not 0 < bridge_threshold <= 1:
            raise InvalidParameterError("bridge_threshold", bridge_threshold, "above 0 and at most 1")
        for name, value in (("tolerance", tolerance), ("diagonal_tolerance", diagonal_tolerance)):
            if not 0 < value < 1:
                raise InvalidParameterError(name, value, "between 0 and 1")
        self._graph, self._stop = graph, stop
        self._bridge_decay, self._bridge_threshold = bridge_decay, bridge_threshold
        self._tolerance, self._diagonal_tolerance = tolerance, diagonal_tolerance
        self._transition: Transition | None = None
        self._diagonal: Diagonal | None = None

    def scores(self, seed: Seed) -> Scores:
        """The scores from a node, or from a virtual node that points to several with the given weights.

        A mapping of one node is that node.
        """
        transition, diagonal = self._current()
        source = self._source(seed, transition)
        visits = expected_visits(transition, source, self._stop, self._tolerance)
        roots = np.flatnonzero(source)
        bridge = bridges(transition, roots)
        behind = (bridge != UNREACHED) & (bridge != np.arange(bridge.size))
        return Scores(
            transition=transition,
            graph=self._graph,
            method="exact",
            visits=visits,
            bridge=bridge,
            diagonal_of=diagonal.of,
            factor=np.where(behind, 1 - self._bridge_decay, 1.0),
            penalty=np.zeros(bridge.size),
        )

    def _current(self) -> tuple[Transition, Diagonal]:
        transition = (
            Transition.build(self._graph) if self._transition is None else self._transition.updated(self._graph)
        )
        if transition is not self._transition or self._diagonal is None:
            self._transition = transition
            self._diagonal = Diagonal(transition, self._stop, self._diagonal_tolerance)
        return transition, self._diagonal

    def _source(self, seed: Seed, transition: Transition) -> Floats:
        weights = dict(seed) if isinstance(seed, Mapping) else {seed: 1.0}
        if not weights:
            raise InvalidSeedError("the seed distribution is empty; name at least one node")
        source = np.zeros(transition.node_count)
        for node, weight in weights.items():
            if not (isfinite(weight) and weight > 0):
                raise InvalidSeedError(f"the seed {node!r} has the weight {weight!r}; use a finite number above zero")
            source[transition.position[self._graph.number(node)]] = weight
        source /= source.max()
        source /= source.sum()
        return source
