"""The rows of an epoch: exact MeritRank over the chain's edges, in the oracle's fixed point.

Every number is rounded from a result that is exact far beyond its unit, so that anyone's rows pass anyone's checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.parameters import FIXED_ONE
from scoring.reputation import FeedbackGraph, MeritRank, Scores
from scoring.reputation.graph import Node
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.row_arithmetic import DIAGONAL_ONE, penalty, trust_score

# Of the visits, sum of absolute errors: an eighth of their unit, which leaves the checks' tolerance to the rounding.
_TOLERANCE = 2.0**-47


@dataclass(frozen=True)
class Row:
    """`MeritRow.Row`: visits in units of 2^-44, diagonal of 2^-24, score of 1e-18."""

    index: int
    account: ChecksumAddress
    visits: int
    diagonal: int
    bridge: ChecksumAddress
    score: int

    def leaf(self, epoch: int, subject: ChecksumAddress | None = None) -> bytes:
        """As `MeritRow.leaf`: in the tree of the scores, or of the visits by walks that begin at `subject`."""
        words = [
            _word(self.index),
            _word(self.account),
            _word(self.visits),
            _word(self.diagonal),
            _word(self.bridge),
            _word(self.score),
        ]
        return keccak(keccak(b"".join([_word(epoch), *([_word(subject)] if subject else []), *words])))

    @property
    def is_behind_bridge(self) -> bool:
        """Whether the connectivity decay is claimed to apply."""
        return self.bridge != self.account


@dataclass(frozen=True)
class ScoreParameters:
    """`IReputationOracle.Parameters`: probabilities and seed weights in units of 2^-44."""

    stop: int
    bridge_decay: int
    seeds: dict[ChecksumAddress, int]

    @classmethod
    def from_event(cls, args: Mapping[str, Any]) -> "ScoreParameters":
        """From the arguments of `ParametersSet`."""
        values = args["parameters"]
        seeds = zip(values["seeds"], values["seedWeights"], strict=True)
        return cls(
            stop=int(values["stop"]),
            bridge_decay=int(values["bridgeDecay"]),
            seeds={to_checksum_address(seed): int(weight) for seed, weight in seeds},
        )


def build_rows(graph: BoundaryGraph, parameters: ScoreParameters) -> list[Row]:
    """One row for each account of the graph."""
    accounts = graph.accounts
    scores = _scores(graph, parameters, {account: float(weight) for account, weight in parameters.seeds.items()})
    arrays = scores.to_arrays()
    of = dict(zip(arrays.nodes, zip(arrays.visits, arrays.diagonal, arrays.bridge, strict=True), strict=True))
    visits = [round(float(of[i][0]) * FIXED_ONE) for i in range(len(accounts))]
    diagonal = [round(float(of[i][1]) * DIAGONAL_ONE) for i in range(len(accounts))]
    bridge = [accounts[i if of[i][2] is None else int(str(of[i][2]))] for i in range(len(accounts))]
    trusted = {
        account: trust_score(visits[i], diagonal[i], bridge[i] != account, parameters.bridge_decay)
        for i, account in enumerate(accounts)
    }
    return [
        Row(
            index=i,
            account=account,
            visits=visits[i],
            diagonal=diagonal[i],
            bridge=bridge[i],
            score=max(trusted[account] - distrusted(graph, account, trusted), 0),
        )
        for i, account in enumerate(accounts)
    ]


def build_visits(graph: BoundaryGraph, parameters: ScoreParameters, subject: ChecksumAddress) -> list[Row]:
    """One row for each account with its visits by walks that begin at `subject`; the other members mean nothing."""
    scores = _scores(graph, parameters, {subject: 1.0})
    return [
        Row(i, account, round(scores.visits_to(i) * FIXED_ONE), 0, account, 0)
        for i, account in enumerate(graph.accounts)
    ]


def distrusted(graph: BoundaryGraph, account: ChecksumAddress, trusted: Mapping[ChecksumAddress, int]) -> int:
    """What distrust takes from an account in one step, given the scores before distrust of those who distrust it."""
    edges, strength = graph.distrusting.get(account, {}), graph.distrust_strength
    return sum(penalty(trusted[source], weight, strength[source]) for source, weight in edges.items())


def _scores(graph: BoundaryGraph, parameters: ScoreParameters, seeds: dict[ChecksumAddress, float]) -> Scores:
    """By the engine, in whose graph account `i` is the node `i`; what is made of the scores is for integers."""
    number = {account: i for i, account in enumerate(graph.accounts)}
    for seed in seeds:  # a seed may have no feedback yet, and no row
        number.setdefault(seed, len(number))
    ends = [(number[source], number[to]) for to, edges in graph.trusting.items() for source in edges]
    source, target = np.array(ends, np.int64).reshape(-1, 2).T
    weight = [float(weight) for edges in graph.trusting.values() for weight in edges.values()]
    engine = FeedbackGraph.from_arrays(source, target, weight)
    for node in number.values():
        engine.add_node(node)
    from_seeds: dict[Node, float] = {number[seed]: weight for seed, weight in seeds.items()}
    return MeritRank(engine, stop=parameters.stop / FIXED_ONE, method="exact", tolerance=_TOLERANCE).scores(from_seeds)


def _word(value: int | str) -> bytes:
    return (value if isinstance(value, int) else int(value, 16)).to_bytes(32, "big")
