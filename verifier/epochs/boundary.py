"""The feedback graph as it was when an epoch closed: what every row of that epoch's scores is checked against."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from eth_typing import ChecksumAddress

TRUST, DISTRUST = 0, 1

# The weights of the edges to one account by the accounts they come from, in the contract's order.
InEdges = dict[ChecksumAddress, int]


@dataclass(frozen=True, eq=False)
class BoundaryGraph:
    """In-edges by account, weights in the token's smallest unit."""

    trusting: dict[ChecksumAddress, InEdges] = field(default_factory=dict)
    distrusting: dict[ChecksumAddress, InEdges] = field(default_factory=dict)

    @classmethod
    def from_feedback(cls, feedback: Iterable[Mapping[str, Any]]) -> "BoundaryGraph":
        """From the arguments of `FeedbackRecorded`, in the order of the chain."""
        graph = cls()
        for entry in feedback:
            side = graph.trusting if entry["feedback"] == TRUST else graph.distrusting
            edges = side.setdefault(entry["to"], {})
            edges[entry["from"]] = edges.get(entry["from"], 0) + int(entry["amount"])
        return graph

    @cached_property
    def accounts(self) -> list[ChecksumAddress]:
        """Everybody with an edge, ascending: account `i` has row `i`."""
        named: set[ChecksumAddress] = set()
        for side in (self.trusting, self.distrusting):
            for account, edges in side.items():
                named.add(account)
                named.update(edges)
        return sorted(named, key=str.lower)

    @cached_property
    def trust_strength(self) -> dict[ChecksumAddress, int]:
        """Sum of the weights of an account's trust."""
        return _strengths(self.trusting)

    @cached_property
    def distrust_strength(self) -> dict[ChecksumAddress, int]:
        """Sum of the weights of an account's distrust."""
        return _strengths(self.distrusting)

    @cached_property
    def trusted(self) -> dict[ChecksumAddress, InEdges]:
        """Out-edges of trust by account."""
        out: dict[ChecksumAddress, InEdges] = {}
        for account, edges in self.trusting.items():
            for source, weight in edges.items():
                out.setdefault(source, {})[account] = weight
        return out

    def error_bound(self, stop: int) -> float:
        """How far rows that pass every check can be from the truth: sum of absolute errors of all visits.

        `sum over j of (indegree(j) + 1) units / stop`, as docs/reputation/disproof.md proves; stop in units of 2^-44.
        """
        edges = sum(len(edges) for edges in self.trusting.values())
        return error_bound(len(self.accounts), edges, stop)


def error_bound(accounts: int, edges: int, stop: int) -> float:
    """See `BoundaryGraph.error_bound`; edges: of trust."""
    return (accounts + edges) / stop


def _strengths(side: dict[ChecksumAddress, InEdges]) -> dict[ChecksumAddress, int]:
    strengths: dict[ChecksumAddress, int] = {}
    for edges in side.values():
        for source, weight in edges.items():
            strengths[source] = strengths.get(source, 0) + weight
    return strengths
