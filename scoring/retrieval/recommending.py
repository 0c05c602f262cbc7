"""Sources for one user, from what that user and those with like experience found helpful."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scoring.reputation import FeedbackGraph, MeritRank


@dataclass(frozen=True)
class Opinion:
    """How often a source helped, and misled, one user."""

    user: str
    source: str
    helped: int
    misled: int


def recommended(user: str, opinions: Iterable[Opinion], count: int) -> list[tuple[str, float]]:
    """The best `count` sources for a user, with the MeritRank that each has from that user, best first.

    After "Web3Recommend" (arXiv 2307.01411): a walk goes from users to sources that helped them, and from a source to
    users whom it helped; misleading is distrust. A user's own experience weighs most, that of others arrives only by
    way of sources that both found helpful, and however much one account says, all of it weighs one. Empty for a user
    whom nothing helped yet.
    """
    graph = FeedbackGraph()
    total: dict[str, int] = defaultdict(int)
    kept = sorted(opinions, key=lambda one: (one.user, one.source))
    for one in kept:
        total[one.user] += one.helped
    for one in kept:
        if one.helped > 0:
            weight = one.helped / total[one.user]
            graph.set_edge(_user(one.user), _source(one.source), weight)
            graph.set_edge(_source(one.source), _user(one.user), weight)
    for one in kept:
        if one.misled > one.helped and _source(one.source) in graph and _user(one.user) in graph:
            graph.set_distrust(_user(one.user), _source(one.source), float(one.misled - one.helped))
    if _user(user) not in graph:
        return []
    scores = MeritRank(graph).scores(_user(user))
    found: Mapping[str, float] = {
        source: scores.of(_source(source)) for source in {one.source for one in kept} if _source(source) in graph
    }
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [(source, score) for source, score in ordered if score > 0][:count]


def _user(name: str) -> str:
    return f"user {name}"


def _source(name: str) -> str:
    return f"source {name}"
