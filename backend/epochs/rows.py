"""The rows of an epoch: exact MeritRank over the chain's edges, in the oracle's fixed point.

Anyone gets the same rows from the same events: accounts are sorted, and every number is rounded from a result that is
exact far beyond its unit.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Any

from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.merkle import leaf_hash
from chain.parameters import FIXED_ONE
from scoring.reputation import FeedbackGraph, MeritRank, Scores
from scoring.reputation.graph import Node

DIAGONAL_ONE = 2**24
SCORE_ONE = 10**18
_TRUST = 0


@dataclass(frozen=True)
class Row:
    """`MeritRow.Row`: visits in units of 2^-44, diagonal of 2^-24, score of 1e-18."""

    index: int
    account: ChecksumAddress
    visits: int
    diagonal: int
    bridge: ChecksumAddress
    score: int

    def leaf(self, epoch: int) -> bytes:
        """As `MeritRow.leaf`."""
        return leaf_hash(encode(["uint256", "(uint32,address,uint64,uint64,address,uint64)"], [epoch, astuple(self)]))


@dataclass(frozen=True)
class ScoreParameters:
    """`IReputationOracle.Parameters`: probabilities and seed weights in units of 2^-44."""

    stop: int
    bridge_decay: int
    seeds: dict[ChecksumAddress, int]

    @classmethod
    def from_event(cls, args: dict[str, Any]) -> "ScoreParameters":
        """From the arguments of `ParametersSet`."""
        values = args["parameters"]
        seeds = zip(values["seeds"], values["seedWeights"], strict=True)
        return cls(
            stop=int(values["stop"]),
            bridge_decay=int(values["bridgeDecay"]),
            seeds={to_checksum_address(seed): int(weight) for seed, weight in seeds},
        )


def build_rows(feedback: Iterable[dict[str, Any]], parameters: ScoreParameters) -> list[Row]:
    """One row for each account that any of the feedback names; `feedback` holds arguments of `FeedbackRecorded`."""
    trust: dict[tuple[str, str], int] = {}
    distrust: dict[tuple[str, str], int] = {}
    for entry in feedback:
        weights = trust if entry["feedback"] == _TRUST else distrust
        pair = (entry["from"], entry["to"])
        weights[pair] = weights.get(pair, 0) + int(entry["amount"])
    accounts = {account for pair in (*trust, *distrust) for account in pair}
    ordered = sorted(accounts, key=lambda address: int(address, 16))
    scores = _scores(trust, accounts, parameters)
    parts = {}
    for account in ordered:
        visits = round(scores.visits_to(account) * FIXED_ONE)
        diagonal = round(scores.diagonal(account) * DIAGONAL_ONE)
        bridge = str(scores.bridge_to(account) or account)
        parts[account] = (visits, diagonal, bridge)
    trusted = {
        account: trust_score(visits, diagonal, bridge != account, parameters.bridge_decay)
        for account, (visits, diagonal, bridge) in parts.items()
    }
    taken = _penalties(distrust, trusted)
    return [
        Row(
            index=index,
            account=to_checksum_address(account),
            visits=parts[account][0],
            diagonal=parts[account][1],
            bridge=to_checksum_address(parts[account][2]),
            score=max(trusted[account] - taken.get(account, 0), 0),
        )
        for index, account in enumerate(ordered)
    ]


def _scores(trust: dict[tuple[str, str], int], accounts: set[str], parameters: ScoreParameters) -> Scores:
    """Visits, diagonals and bridges; what is made of them is for integers."""
    graph = FeedbackGraph()
    for account in sorted(accounts | set(parameters.seeds)):
        graph.add_node(account)
    for (source, target), weight in sorted(trust.items()):
        graph.set_edge(source, target, float(weight))
    rank = MeritRank(
        graph, stop=parameters.stop / FIXED_ONE, bridge_decay=parameters.bridge_decay / FIXED_ONE, bridge_threshold=1.0
    )
    seeds: dict[Node, float] = {seed: float(weight) for seed, weight in parameters.seeds.items() if weight > 0}
    return rank.scores(seeds)


def _penalties(distrust: dict[tuple[str, str], int], trusted: dict[str, int]) -> dict[str, int]:
    """What distrust takes from each account: of each who distrusts it, the score by the weight among all its distrust.

    As `MeritRow.penalty`; in one step, from the scores before distrust.
    """
    strength: dict[str, int] = {}
    for (source, _), weight in distrust.items():
        strength[source] = strength.get(source, 0) + weight
    taken: dict[str, int] = {}
    for (source, target), weight in distrust.items():
        taken[target] = taken.get(target, 0) + trusted[source] * weight // strength[source]
    return taken


def trust_score(visits: int, diagonal: int, is_behind_bridge: bool, bridge_decay: int) -> int:
    """Score before distrust: visits over diagonal, less the connectivity decay; as `MeritRow.trustScore`.

    MeritRank: `h(j) = x(j) / G(j,j)`, multiplied by `1 - beta` behind a bridge. Integers only, so that
    a contract can compute the same.
    """
    kept = FIXED_ONE - bridge_decay if is_behind_bridge else FIXED_ONE
    return visits * DIAGONAL_ONE * SCORE_ONE * kept // (diagonal * FIXED_ONE * FIXED_ONE)
