"""A chain with two closed epochs of twenty accounts; each test proposes and challenges on it, and is undone."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from eth_account import Account

from backend.batches.recorder import note_recorded, note_rollback
from backend.database import Database
from backend.epochs.proposer import EpochProposer
from backend.epochs.service import EpochReader
from backend.evidence.store import EvidenceStore
from backend.indexer.service import Indexer
from backend.indexer.source import NetworkSource
from chain.calls import read
from chain.sender import TransactionSender
from scripts.epoch_stage import PROPOSAL_WINDOW, EpochStage, open_stage
from verifier.epochs.boundary import DISTRUST, TRUST, BoundaryGraph
from verifier.epochs.challenger import EpochChallenger
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Proposal
from verifier.epochs.row_arithmetic import DIAGONAL_ONE, trust_score
from verifier.epochs.rows import Row, ScoreParameters, build_rows, distrusted
from verifier.epochs.tree import RowTree

ACCOUNTS = sorted((Account.from_key(bytes([number]) * 32).address for number in range(1, 21)), key=str.lower)
FAULTS = ("ROW", "BRIDGE", "DIAGONAL", "ORDER", "MISSING", "UNANSWERED")
NUMBERS = {"proposer": 901, "cheat": 902, "challenger": 903}


def feedback(seed: int) -> list[tuple[int, str, str, int]]:
    """A tree that ends in a chain with a cycle, so that each account has an edge; a hub, dust, bridges, distrust."""
    dice = random.Random(seed)
    parents = [i - 1 if i > 16 else dice.randrange(i) for i in range(1, 20)]
    entries = [(TRUST, ACCOUNTS[parent], ACCOUNTS[i], dice.randrange(1, 10**20)) for i, parent in enumerate(parents, 1)]
    entries += [(TRUST, ACCOUNTS[i], ACCOUNTS[12], dice.randrange(1, 10**20)) for i in range(1, 12)]
    entries.append((TRUST, ACCOUNTS[18], ACCOUNTS[17], dice.randrange(1, 10**20)))
    for _ in range(20):
        source, target = dice.sample(ACCOUNTS[:16], 2)
        entries.append((TRUST, source, target, dice.choice([1, dice.randrange(1, 10**20)])))
    return entries + [(DISTRUST, *dice.sample(ACCOUNTS, 2), dice.randrange(1, 10**20)) for _ in range(8)]


@dataclass
class Play:
    """The stage with a closed epoch, what its rows should be, and what has been published."""

    stage: EpochStage
    epoch: int
    graph: BoundaryGraph
    before: BoundaryGraph  # an epoch earlier
    parameters: ScoreParameters
    published: dict[bytes, bytes] = field(default_factory=dict)

    def sender(self, part: str) -> TransactionSender:
        return TransactionSender(self.stage.network.web3, Account.from_key(NUMBERS[part].to_bytes(32, "big")))

    def honest(self) -> list[Row]:
        return build_rows(self.graph, self.parameters)

    def propose(self, rows: list[Row], part: str = "cheat", publish: bool = True) -> RowTree:
        tree = RowTree(self.epoch, rows)
        self.stage.propose(self.sender(part), tree, self.publish(tree) if publish else bytes(32))
        return tree

    def publish(self, tree: RowTree) -> bytes:
        digest = hashlib.sha256(tree.document).digest()
        self.published[digest] = tree.document
        return digest

    def challenger(self) -> EpochChallenger:
        return EpochChallenger(self.stage.network, self.sender("challenger"), self.published.get, clock=lambda: 0.0)

    def proposal(self) -> Proposal:
        return Proposal.read(self.stage.network, self.epoch)

    def fault(self) -> str:
        """What the proposal was voided for."""
        history = EpochHistory(self.stage.network)
        history.advance()
        return FAULTS[next(event.args["fault"] for event in history.attempt(self.epoch) if event.name == "Voided")]

    def count(self, name: str) -> int:
        """Events of a name about the proposal."""
        history = EpochHistory(self.stage.network)
        history.advance()
        return [event.name for event in history.attempt(self.epoch)].count(name)

    def tokens(self, part: str) -> int:
        """Held and credited by the oracle."""
        network, address = self.stage.network, self.sender(part).address
        held: int = read(network.token.functions.balanceOf(address))
        return held + int(read(network.oracle.functions.creditOf(address)))


@pytest.fixture(scope="session")
def stage() -> Iterator[EpochStage]:
    with open_stage({ACCOUNTS[0]: 1.0}) as stage:
        for number in NUMBERS.values():
            stage.funded(number)
        yield stage


@pytest.fixture(scope="session")
def closed(stage: EpochStage) -> Play:
    """Epoch 1 was given up and epoch 2 is closed; the same accounts gave feedback in both."""
    plays: list[Play] = []
    for seed in (1, 2):
        for entry in feedback(seed):
            stage.record(*entry)
        epoch = stage.close_epoch()
        plays.append(play_of(stage, epoch, plays[0].graph if plays else None))
        if epoch == 1:
            stage.move_on(PROPOSAL_WINDOW + 1)
    return plays[1]


@pytest.fixture
def play(closed: Play) -> Iterator[Play]:
    with closed.stage.scene():
        yield replace(closed, published={})


def play_of(stage: EpochStage, epoch: int, before: BoundaryGraph | None = None) -> Play:
    history = EpochHistory(stage.network)
    history.advance()
    graph = history.graph()
    return Play(stage, epoch, graph, before or graph, history.parameters())


def told(play: Play, rows: list[Row], position: int, **members: object) -> list[Row]:
    """The rows with one changed, and all scores made to follow from it."""
    rows = [*rows[:position], replace(rows[position], **members), *rows[position + 1 :]]  # type: ignore[arg-type]
    decay = play.parameters.bridge_decay
    trusted = {row.account: trust_score(row.visits, row.diagonal, row.is_behind_bridge, decay) for row in rows}
    scores = [max(trusted[row.account] - distrusted(play.graph, row.account, trusted), 0) for row in rows]
    return [replace(row, score=score) for row, score in zip(rows, scores, strict=True)]


def dead_end(play: Play) -> int:
    """An account that trusts nobody, so that a lie about its visits shows in its own row alone."""
    return next(i for i, account in enumerate(ACCOUNTS) if account not in play.graph.trusted)


def on_a_cycle(play: Play) -> int:
    return next(i for i, row in enumerate(play.honest()) if row.diagonal > DIAGONAL_ONE + 2**16)


@dataclass
class Backend:
    """The service's own proposer over its own index."""

    indexer: Indexer
    proposer: EpochProposer
    store: EvidenceStore
    epochs: EpochReader

    def step(self) -> None:
        self.indexer.catch_up()
        self.proposer.step()


@pytest.fixture
def backend(stage: EpochStage, tmp_path: Path) -> Iterator[Backend]:
    database = Database(f"sqlite:///{tmp_path}/index.db")
    database.migrate()
    source = NetworkSource(stage.network)
    indexer = Indexer(
        database,
        source,
        first_block=stage.network.deployment.block,
        confirmations=0,
        log_range=2_000,
        on_recorded=note_recorded,
        on_rollback=note_rollback,
    )
    reader, store = EpochReader(database), EvidenceStore(tmp_path / "evidence", 2**24)
    sender = TransactionSender(stage.network.web3, Account.from_key(NUMBERS["proposer"].to_bytes(32, "big")))
    proposer = EpochProposer(stage.network, sender, reader, store, lambda: source.head().time)
    yield Backend(indexer, proposer, store, reader)
    database.close()
