"""What it takes to propose an epoch's scores, to verify them from the chain alone, and to void one wrong row.

    python benchmarks/epochs.py [--quick] [--json]

A market of 100,000 accounts (2,000 with `--quick`), of whom one in twenty both pays and earns, with two and a half
times as many edges, is recorded on a local chain by a transaction for each edge. The contracts, the events, the proofs
and the transactions are real; what is left out are the audits, in whose place the court's account is impersonated.
Times are wall times of one process beside the chain.
"""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from report import Row, figure, parser, report

from scripts.epoch_stage import EpochStage, open_stage
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.challenger import EpochChallenger
from verifier.epochs.examination import examine, live_proposal
from verifier.epochs.faults import find_faults
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Proposal, Status
from verifier.epochs.rows import Row as MeritRow
from verifier.epochs.rows import build_rows
from verifier.epochs.tree import RowTree

EDGES_PER_ACCOUNT = 2.5
# Gas of one transaction that the design allows.
PROPOSE_GAS, CHALLENGE_GAS = 120_000, 600_000


class Clock:
    """Rows of what happened since the last one."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def seconds(self, name: str) -> Row:
        now = time.monotonic()
        taken, self._since = now - self._since, now
        return Row(name, taken, "s")


def account(number: int) -> ChecksumAddress:
    return to_checksum_address(hashlib.sha256(number.to_bytes(8, "big")).digest()[:20])


def market(size: int) -> BoundaryGraph:
    """Payers, earners, and one in twenty of both; who is known is paid more often. The first account is the seed."""
    dice, graph = np.random.default_rng(5), BoundaryGraph()
    accounts = [account(number) for number in range(size)]
    payers, earners = size * 11 // 20, size // 2
    # Everybody is paid by, or pays, somebody; the rest by preference.
    pairs = [(int(dice.integers(payers)), target) for target in range(earners, size)]
    pairs += [(source, earners + int((size - earners) * dice.random() ** 2)) for source in range(payers)]
    more = int(size * EDGES_PER_ACCOUNT) - len(pairs)
    targets = earners + ((size - earners) * dice.random(more) ** 2).astype(np.int64)
    pairs += zip(dice.integers(payers, size=more).tolist(), targets.tolist(), strict=True)
    for source, target in [*pairs, *((0, target) for target in range(earners, earners + 200))]:
        if source != target:
            edges = graph.trusting.setdefault(accounts[target], {})
            edges[accounts[source]] = int(dice.integers(1, 10**18))
    return graph


def measured(size: int) -> Iterator[Row]:
    graph, clock = market(size), Clock()
    edges = sum(len(edges) for edges in graph.trusting.values())
    yield Row("accounts", len(graph.accounts), "")
    yield Row("edges", edges, "")
    with open_stage({account(0): 1.0}, "--gas-limit", "1000000000000") as stage:
        proposer, challenger = stage.funded(901), stage.funded(902)
        clock.seconds("")
        stage.record_all(graph)
        epoch = stage.close_epoch()
        yield clock.seconds("record the graph (stands for the audits of an epoch)")
        history = EpochHistory(stage.network)
        history.advance()
        yield clock.seconds("read the events")
        found, parameters = history.graph(), history.parameters()
        yield clock.seconds("read every value at the boundary from storage")
        if found.trust_strength != graph.trust_strength:
            raise ValueError("the chain holds another graph")
        rows = build_rows(found, parameters)
        yield clock.seconds("build the rows")
        honest = RowTree(epoch, rows)
        document = honest.document
        yield clock.seconds("build the tree and the document")
        yield Row("published rows", len(document) / 2**20, "MiB")
        yield Row("error bound, sum over all visits", found.error_bound(parameters.stop), "")
        published: dict[bytes, bytes] = {}
        lie = RowTree(epoch, with_one_wrong(found, rows))
        with stage.scene():
            yield gas("propose", stage.propose(proposer, honest, bytes(32)), PROPOSE_GAS)
            clock.seconds("")
            faults = list(find_faults(honest, found, parameters, honest))
            yield clock.seconds("check every row of an honest proposal")
            if faults:
                raise ValueError(faults[0].sentence)
        digest = hashlib.sha256(lie.document).digest()
        published[digest] = lie.document
        stage.propose(proposer, lie, digest)
        clock.seconds("")
        examined = examine(stage.network, history_of(stage), published.get, live_proposal(stage.network))
        yield clock.seconds("verify a proposal with one wrong row, from nothing but the chain and its rows")
        if len(examined.faults) != 1:
            raise ValueError("there is one wrong row")
        first = stage.network.web3.eth.block_number
        EpochChallenger(stage.network, challenger, published.get).step()
        yield clock.seconds("the same by the challenger, and void it")
        if Proposal.read(stage.network, epoch).status is not Status.VOID:
            raise ValueError("the wrong row was not voided")
        last = stage.network.web3.eth.block_number
        blocks = [stage.network.web3.eth.get_block(number) for number in range(first + 1, last + 1)]
        yield gas("void a wrong row with ten in-edges", sum(block["gasUsed"] for block in blocks), CHALLENGE_GAS)


def history_of(stage: EpochStage) -> EpochHistory:
    history = EpochHistory(stage.network)
    history.advance()
    return history


def with_one_wrong(graph: BoundaryGraph, rows: list[MeritRow]) -> list[MeritRow]:
    """An account with ten in-edges has one unit of score too much."""
    position = next(row.index for row in rows if len(graph.trusting.get(row.account, {})) == 10)
    lie = replace(rows[position], score=rows[position].score + 1)
    return [*rows[:position], lie, *rows[position + 1 :]]


def gas(name: str, value: int, target: int) -> Row:
    return figure(f"{name}: gas", value, "gas", target)


def main() -> None:
    options = parser(__doc__, "2,000 accounts").parse_args()
    report(options, lambda: measured(2_000 if options.quick else 100_000))


if __name__ == "__main__":
    main()
