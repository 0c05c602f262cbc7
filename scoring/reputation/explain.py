"""Why a node has its score: the edges and paths that carry it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np

from scoring.reputation.graph import Node
from scoring.reputation.scores import Scores
from scoring.reputation.transition import Floats
from scoring.reputation.visits import expected_visits, look_ahead, solve

MOST_WALKS_TRIED = 20_000
LEAST = 1e-9  # part of the walks that arrive; what carries less is not worth a line


class CarryingEdge(NamedTuple):
    """An edge and how often, on average, the walks that reach the node take it before they arrive."""

    source: Node
    target: Node
    times: float


class CarryingPath(NamedTuple):
    """A way from the seed to the node, and the part of the walks that reach the node which take exactly this way."""

    nodes: tuple[Node, ...]
    part: float


@dataclass(frozen=True)
class Explanation:
    """`score = reach * kept_at_bridge - taken_by_distrust`, floored at zero."""

    node: Node
    score: float
    reach: float  # the probability that a walk from the seed reaches the node
    bridge: Node | None  # the first node that all walks to it pass
    kept_at_bridge: float
    taken_by_distrust: float
    edges: tuple[CarryingEdge, ...]  # most used first
    paths: tuple[CarryingPath, ...]  # most used first


def explain(scores: Scores, source: Floats, node: Node, *, stop: float, tolerance: float, limit: int) -> Explanation:
    """What carries the score of `node`, with at most `limit` edges and paths."""
    transition, goal = scores.transition, scores.position(node)
    at_goal = np.eye(1, transition.node_count, goal)[0]
    visits = expected_visits(transition, source, stop, tolerance)
    onwards = expected_visits(transition, at_goal, stop, tolerance)
    back = partial(look_ahead, transition.rows, survive=1 - stop)
    arrives = solve(back, np.zeros_like(at_goal), at_goal, stop, tolerance)[0] / onwards[goal]
    arrives[goal] = 1
    reach = float(visits[goal] / onwards[goal])
    before = visits - reach * onwards  # visits before the first arrival
    before[goal] = 0
    return Explanation(
        node=node,
        score=scores.of(node),
        reach=reach,
        bridge=scores.bridge_to(node),
        kept_at_bridge=float(scores.factor[goal]),
        taken_by_distrust=float(scores.penalty[goal]),
        edges=tuple(carrying_edges(scores, (1 - stop) * before, arrives, reach, limit)) if reach else (),
        paths=tuple(carrying_paths(scores, source, arrives, stop=stop, goal=goal, limit=limit)) if reach else (),
    )


def carrying_edges(
    scores: Scores, leaving: Floats, arrives: Floats, reach: float, limit: int
) -> Iterator[CarryingEdge]:
    """The edges that walks take before they arrive: `leaving(u) P(u, v) arrives(v) / reach`."""
    edges = scores.transition.matrix.tocoo()
    times = leaving[edges.row] * edges.data * arrives[edges.col] / reach
    for at in np.argsort(-times, kind="stable")[:limit]:
        if times[at] > LEAST:
            yield CarryingEdge(scores.node(edges.row[at]), scores.node(edges.col[at]), float(times[at]))


def carrying_paths(
    scores: Scores, source: Floats, arrives: Floats, *, stop: float, goal: int, limit: int
) -> Iterator[CarryingPath]:
    """The likeliest ways to the goal, likeliest first: best-first search over walks.

    A walk that is at `u` with probability `p` has at most `p arrives(u)` to give to any one way, so the first to be
    complete is the likeliest. It gives up after `MOST_WALKS_TRIED`.
    """
    reach = float(source @ arrives)
    waiting: list[tuple[float, float, tuple[int, ...]]] = [
        (float(-source[at] * arrives[at]), float(source[at]), (int(at),)) for at in np.flatnonzero(source * arrives)
    ]
    heapify(waiting)
    for _ in range(MOST_WALKS_TRIED):
        if not waiting or limit == 0:
            return
        _, probability, walk = heappop(waiting)
        if walk[-1] == goal:
            yield CarryingPath(tuple(scores.node(at) for at in walk), probability / reach)
            limit -= 1
            continue
        for target, hop in scores.transition.row(walk[-1]):
            further = probability * (1 - stop) * hop
            if further * arrives[target] > LEAST * reach:
                heappush(waiting, (float(-further * arrives[target]), further, (*walk, target)))
