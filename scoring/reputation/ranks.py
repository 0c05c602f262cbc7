"""MeritRank: reputation as one seed sees it, which fake identities cannot inflate beyond a proven bound."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.diagonal import Diagonal
from scoring.reputation.distributed import RayVisits
from scoring.reputation.distrust import DistrustPolicy, Warnings, walked_segments
from scoring.reputation.dominators import UNREACHED, bridges
from scoring.reputation.errors import InvalidParameterError, InvalidSeedError
from scoring.reputation.explain import Explanation, explain
from scoring.reputation.graph import FeedbackGraph, Node
from scoring.reputation.scores import Scores
from scoring.reputation.thresholds import largest_fraction
from scoring.reputation.transition import Floats, Ints, Transition
from scoring.reputation.visits import Visits
from scoring.reputation.walks import Walks

Seed: TypeAlias = Node | Mapping[Node, float]
Method: TypeAlias = Literal["auto", "exact", "sampled"]


@dataclass(frozen=True, eq=False)
class Maintained:
    """What is kept of a seed between questions."""

    version: tuple[int, int]
    state: Visits | Walks
    scores: Scores

    @property
    def nbytes(self) -> int:
        return self.state.nbytes + self.scores.bridge.nbytes + self.scores.factor.nbytes


class MeritRank:
    """Scores over a feedback graph, which may change between questions.

    Nasrulin, Ishmaev, Pouwelse, "MeritRank: Sybil Tolerant Reputation for Merit-based Tokenomics" (arXiv 2207.09950).
    The seeds that were asked about are kept up to date: after changes of the graph, the next question costs what the
    changes amount to. The least recently used are forgotten when their memory exceeds a bound.
    """

    def __init__(
        self,
        graph: FeedbackGraph,
        *,
        stop: float = 0.4,
        bridge_decay: float = 0.5,
        bridge_threshold: float = 1.0,
        distrust: DistrustPolicy = DistrustPolicy.ONE_SHOT,
        method: Method = "auto",
        walks: int = 10_000,
        random_seed: int = 0,
        exact_limit: float = 1e10,
        tolerance: float = 1e-13,
        diagonal_tolerance: float = 1e-13,
        memory_limit: int = 2**28,
        ray_blocks: int = 0,
    ) -> None:
        """`stop`: the probability that a walk stops at a step, in (0, 1): transitivity decay, the paper's alpha. Sybils
        gain at most `(1 - stop) / stop` of the attacker's own score.

        `bridge_decay`: what a node loses whose walks all pass one other node, in [0, 1]: connectivity decay, the
        paper's beta. `bridge_threshold`: the fraction of the walks that makes a node a bridge, in (0, 1]; the paper's
        tau.

        `method`: "auto" samples `walks` walks from `random_seed` where the diagonal of the whole graph would take more
        than `exact_limit` steps along edges, and is exact elsewhere. `tolerance`: of the visits, sum of absolute
        errors. `diagonal_tolerance`: of each node's diagonal. `memory_limit`: bytes for the seeds that are kept.

        `ray_blocks`: when above zero, exact visits are computed by so many Ray actors.
        """
        for name, value, right, allowed in (
            ("stop", stop, 0 < stop < 1, "between 0 and 1"),
            ("bridge_decay", bridge_decay, 0 <= bridge_decay <= 1, "from 0 to 1"),
            ("bridge_threshold", bridge_threshold, 0 < bridge_threshold <= 1, "above 0 and at most 1"),
            ("method", method, method in {"auto", "exact", "sampled"}, '"auto", "exact" or "sampled"'),
            ("walks", walks, walks >= 1, "at least 1"),
            ("random_seed", random_seed, 0 <= random_seed < 2**64, "from 0 to 2**64 - 1"),
            ("ray_blocks", ray_blocks, ray_blocks >= 0, "at least 0"),
            ("tolerance", tolerance, 0 < tolerance < 1, "between 0 and 1"),
            ("diagonal_tolerance", diagonal_tolerance, 0 < diagonal_tolerance < 1, "between 0 and 1"),
        ):
            if not right:
                raise InvalidParameterError(name, value, allowed)
        self._graph, self._stop = graph, stop
        self._bridge_decay, self._bridge_threshold = bridge_decay, bridge_threshold
        self._distrust, self._method, self._exact_limit = DistrustPolicy(distrust), method, exact_limit
        self._walks, self._random_seed = walks, random_seed
        self._tolerance, self._diagonal_tolerance = tolerance, diagonal_tolerance
        self._memory_limit, self._ray_blocks = memory_limit, ray_blocks
        self._maintained: OrderedDict[tuple[tuple[int, float], ...], Maintained] = OrderedDict()
        self._transition: Transition | None = None
        self._diagonal: Diagonal | None = None

    def scores(self, seed: Seed) -> Scores:
        """The scores from a node, or from a virtual node that points to several with the given weights.

        A mapping of one node is that node.
        """
        weights = self._weights(seed)
        key = tuple(sorted(weights.items()))
        kept = self._maintained.get(key)
        if kept is None or kept.version != self._graph.version:
            kept = self._maintained[key] = self._computed(weights, kept)
        self._maintained.move_to_end(key)
        held = sum(entry.nbytes for entry in self._maintained.values())
        while held > self._memory_limit and len(self._maintained) > 1:
            held -= self._maintained.popitem(last=False)[1].nbytes
        return kept.scores

    def explain(self, seed: Seed, node: Node, limit: int = 10) -> Explanation:
        """Why `node` has its score from `seed`: at most `limit` edges and paths that carry it, by exact solution."""
        scores = self.scores(seed)
        source = self._source(self._weights(seed), scores.transition)
        return explain(scores, source, node, stop=self._stop, tolerance=self._tolerance, limit=limit)

    @property
    def maintained_seeds(self) -> int:
        """How many seeds are kept up to date."""
        return len(self._maintained)

    @property
    def maintained_bytes(self) -> int:
        """Memory held for them."""
        return sum(entry.nbytes for entry in self._maintained.values())

    def _computed(self, weights: dict[int, float], kept: Maintained | None) -> Maintained:
        transition, diagonal = self._current()
        source = self._source(weights, transition)
        sampled, reason = self._choice(transition, diagonal)
        bridge = bridges(transition, np.flatnonzero(source))
        state = None if kept is None else kept.state
        visits: Floats
        diagonal_of: Callable[[Ints], Floats]
        if sampled:
            if isinstance(state, Walks):
                state = state.carried_to(transition, source)
            else:
                state = Walks.draw(transition, source, self._walks, self._random_seed, self._stop)
            passed, reached = state.counts()
            visits = passed / self._walks
            diagonal_of = partial(np.take, np.divide(passed, reached, out=np.ones(passed.size), where=reached > 0))
        else:
            if self._ray_blocks:
                state = self._visits_on_ray(transition, source)
            elif isinstance(state, Visits):
                state = state.carried_to(transition, source, self._stop, self._tolerance)
            else:
                state = Visits.fresh(transition, source, self._stop, self._tolerance)
            visits, diagonal_of = state.visits, diagonal.of
        scores = Scores(
            transition=transition,
            graph=self._graph,
            method=reason,
            visits=visits,
            bridge=bridge,
            diagonal_of=diagonal_of,
            factor=self._factor(transition, source, bridge),
            penalty=np.broadcast_to(0.0, bridge.shape),
            walks=self._walks if sampled else 0,
        )
        return Maintained(self._graph.version, state, self._with_distrust(scores, diagonal, source))

    def _current(self) -> tuple[Transition, Diagonal]:
        last = self._transition
        transition = Transition.build(self._graph) if last is None else last.updated(self._graph)
        if self._diagonal is None:
            self._diagonal = Diagonal(self._graph, transition, self._stop, self._diagonal_tolerance)
        elif transition is not last:
            self._diagonal = self._diagonal.carried_to(transition)
        self._transition = transition
        return transition, self._diagonal

    def _visits_on_ray(self, transition: Transition, source: Floats) -> Visits:
        machines = RayVisits(transition, self._stop, self._ray_blocks)
        try:
            return Visits(transition, source, *machines.visits(source, self._tolerance))
        finally:
            machines.close()

    def _choice(self, transition: Transition, diagonal: Diagonal) -> tuple[bool, str]:
        """Whether to sample, and why."""
        if self._method == "sampled":
            return True, f"sampled: {self._walks} walks were asked for"
        if self._method == "exact":
            return False, "exact: asked for"
        if self._distrust is DistrustPolicy.SEGMENT:
            return False, "exact: the segment policy of distrust is"
        work = transition.node_count * transition.edge_count
        if work > self._exact_limit:  # else the precise number, which takes a pass over the graph, is not needed
            work = diagonal.work()
        if work > self._exact_limit:
            return True, (
                f"sampled: {self._walks} walks, because the nodes that lie on cycles times the edges between them "
                f"are {work:.1e}, above the exact limit of {self._exact_limit:.1e}"
            )
        return False, f"exact: within the exact limit of {self._exact_limit:.1e}"

    def _factor(self, transition: Transition, source: Floats, bridge: NDArray[np.int32]) -> Floats:
        """What connectivity decay leaves of each node's score."""
        if self._bridge_threshold == 1:
            behind = (bridge != UNREACHED) & (bridge != np.arange(bridge.size))
            return np.where(behind, 1 - self._bridge_decay, 1.0)
        fraction = largest_fraction(transition, source, bridge, self._stop, self._tolerance)
        return np.where(fraction >= self._bridge_threshold, (1 - self._bridge_decay) * fraction, 1.0)

    def _with_distrust(self, scores: Scores, diagonal: Diagonal, source: Floats) -> Scores:
        warnings = Warnings.of(self._graph, scores.transition)
        if not warnings.source.size:
            return scores
        if self._distrust is DistrustPolicy.SEGMENT:
            visits, before, met = walked_segments(
                self._graph, scores.transition, diagonal, source, stop=self._stop, tolerance=self._tolerance
            )
            return replace(scores, visits=visits, diagonal_of=before.of, penalty=met, signed=True)
        warners = np.unique(warnings.source)
        heard = np.zeros(scores.visits.size)
        heard[warners] = scores.reach(warners) * scores.factor[warners]
        return replace(scores, penalty=warnings.spread(heard))

    def _weights(self, seed: Seed) -> dict[int, float]:
        """The seeds' numbers and weights; one seed weighs 1."""
        weights = dict(seed) if isinstance(seed, Mapping) else {seed: 1.0}
        if not weights:
            raise InvalidSeedError("the seed distribution is empty; name at least one node")
        for node, weight in weights.items():
            if not (isinstance(weight, int | float) and isfinite(weight) and weight > 0):
                raise InvalidSeedError(f"the seed {node!r} has the weight {weight!r}; use a finite number above zero")
        largest = max(weights.values())
        return {self._graph.number(node): weight / largest for node, weight in weights.items()}

    @staticmethod
    def _source(weights: dict[int, float], transition: Transition) -> Floats:
        """The distribution of the walks' first node, shape (n,)."""
        source = np.zeros(transition.node_count)
        source[transition.position[list(weights)]] = list(weights.values())
        source /= source.sum()
        return source
