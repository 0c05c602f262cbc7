"""A chain with Merit on it, three staked verifiers, a requester with a job, and a contributor; anew for every test."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import numpy as np
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import RPCEndpoint

from chain.contribution import canonical_json, content_digest
from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN, VaultParameters, Windows
from chain.sender import TransactionSender
from verifier.fingerprint.lattice import LatticeProfile, Whitening
from verifier.fingerprint.trace import Trace
from verifier.models.profile import Profile
from verifier.node.audit import BatchOutcome, Fault
from verifier.node.court import Court
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Journal, JournalOwner
from verifier.node.node import Examiner, Executors, VerifierNode
from verifier.node.specification import Specification
from verifier.node.workbench import LocalWorkbench
from verifier.provider.agent import ProviderAgent
from verifier.provider.ledger import Ledger
from verifier.provider.recorder import DirectRecorder
from verifier.provider.requester import Order, place_order
from verifier.workloads.workload import Rerun, Run

CITY_WINDOWS = Windows(seed_delay=2, commit=1_800, disclose=900, reveal=1_800, appeal=900, unsampled=2)
WINDOWS = Windows(seed_delay=2, commit=60, disclose=60, reveal=60, appeal=30, unsampled=2)


File = TypeVar("File")


class InlineExecutor(Executor):
    """Runs what is submitted before `submit` returns, so that a test decides what happens when."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **named))
        except Exception as error:
            done.set_exception(error)
        return done


@dataclass(frozen=True)
class Question:
    """A request of the test's workload."""

    length: int
    seed: int


# The cells are so narrow that traces of two models share half their bits.
LATTICE = LatticeProfile(
    Whitening(np.zeros(16, dtype=np.float32), np.ones(16, dtype=np.float32)),
    fine_width=16 << 20,
    coarse_width=16 << 20,
    words=1,
    chunk_rows=8,
)


class Recital:
    """The smallest workload there is: outputs and traces are random numbers drawn from the request's seed."""

    def __init__(self) -> None:
        self.profile = cast(Profile, SimpleNamespace(lattice=LATTICE, disclosed=LATTICE))

    def run(self, request: Question) -> Run[list[int]]:
        """Numbers below 1000, one for each row of the trace."""
        generator = np.random.default_rng(request.seed)
        numbers = [int(number) for number in generator.integers(0, 1000, request.length)]
        return Run(numbers, Trace(generator.standard_normal((request.length, 16)).astype(np.float32), 8))

    def rerun(self, works: Sequence[tuple[Question, list[int]]]) -> list[Rerun]:
        """Compares with the one right output."""
        right = [(self.run(request), output) for request, output in works]
        return [Rerun(run.trace, None if output == run.output else "these are other numbers") for run, output in right]

    def write_evidence(self, request: Question, output: list[int]) -> bytes:
        """Canonical JSON."""
        return canonical_json({"output": output, "request": {"length": request.length, "seed": request.seed}})

    def read_evidence(self, data: bytes) -> tuple[Question, list[int]]:
        """The request and its output."""
        raw = json.loads(data)
        return Question(**raw["request"]), raw["output"]

    def serve(self, request: Question) -> Run[list[int]]:
        """As a provider does."""
        return self.run(request)


class CheapRecital(Recital):
    """A cheat: the right numbers from somewhere, with a trace of another model."""

    def serve(self, request: Question) -> Run[list[int]]:
        """The output is right and the trace is not."""
        other = self.run(replace(request, seed=request.seed + 1))
        return Run(self.run(request).output, other.trace)


class Store:
    """Evidence blocks by digest."""

    def __init__(self) -> None:
        self.blocks: dict[bytes, bytes] = {}

    def publish(self, block: bytes) -> bytes:
        """Keep a block; returns its digest."""
        self.blocks[content_digest(block)] = block
        return content_digest(block)

    def fetch(self, digest: bytes) -> bytes:
        """As `EvidenceReader.fetch`."""
        if digest not in self.blocks:
            raise EvidenceMissingError(f"no block {digest.hex()}")
        return self.blocks[digest]


@dataclass
class World:
    """Merit on a chain of its own. All accounts are staked or funded as their part asks."""

    network: Network
    folder: Path
    verifiers: list[LocalAccount]
    requester: LocalAccount
    contributor: LocalAccount
    job_id: int
    evidence: Store
    opened: list[Any] = field(default_factory=list)

    @property
    def web3(self) -> Web3:
        """The endpoint."""
        return self.network.web3

    def court(self, account: LocalAccount) -> Court:
        """The court as `account` calls it, with the newest block's timestamp for the time."""
        return Court(self.network, TransactionSender(self.web3, account), monotonic=lambda: 0.0)

    def journal(self, account: LocalAccount) -> Journal:
        """The account's journal on disk."""
        owner = JournalOwner(self.network.deployment.chain_id, self.network.domain.court, account.address)
        return self._kept(Journal.open(self.folder / account.address / "journal.sqlite", owner))

    def examiner(self, evidence: Any = None) -> WorkloadExaminer:
        """The honest examiner over the test's workload, and over its evidence unless other is given."""
        return WorkloadExaminer(evidence or self.evidence, LocalWorkbench(lambda _: Recital()), self.network.domain)

    def node(
        self,
        account: LocalAccount,
        *,
        kind: type[VerifierNode] = VerifierNode,
        examiner: Examiner | None = None,
        court: Court | None = None,
        **settings: Any,
    ) -> VerifierNode:
        """A verifier that does at once whatever can be done when it looks."""
        return kind(
            court or self.court(account),
            self._kept(History(self.folder / account.address / "history.sqlite", self.network.deployment.block)),
            self.journal(account),
            examiner or self.examiner(),
            Executors(InlineExecutor(), InlineExecutor()),
            patience=0,
            pause=0,
            **settings,
        )

    def provider(self, *, cheap: bool = False) -> ProviderAgent:
        """The contributor's agent, honest unless it is cheap."""
        account, court = self.contributor, self.court(self.contributor)
        folder = self.folder / account.address
        history = self._kept(History(folder / "history.sqlite", self.network.deployment.block))
        return ProviderAgent(
            court=court,
            domain=self.network.domain,
            history=history,
            ledger=self._kept(Ledger(folder, account.address)),
            recorder=DirectRecorder(court, self.network.domain, account, self.evidence.publish),
            server=CheapRecital() if cheap else Recital(),
            workload=Recital(),
        )

    def order(self, sequence: int, seed: int = 7) -> Order[Question]:
        """A signed order for 20 numbers."""
        return place_order(
            self.network.domain,
            self.requester,
            job_id=self.job_id,
            contributor=self.contributor.address,
            sequence=sequence,
            request=Question(length=20, seed=seed),
        )

    def rerun(self, order: Order[Question]) -> Run[list[int]]:
        """What an honest provider would make of an order."""
        return Recital().run(order.request)

    def mine(self, blocks: int = 1) -> None:
        """Blocks without transactions."""
        self.web3.provider.make_request(RPCEndpoint("anvil_mine"), [hex(blocks)])

    def now(self) -> int:
        """The chain's time."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def wait(self, seconds: int) -> None:
        """Let the chain's time pass."""
        self.web3.provider.make_request(RPCEndpoint("evm_increaseTime"), [seconds])
        self.mine()

    def settle(self, *participants: Any) -> tuple[BatchOutcome, dict[str, Fault]]:
        """Let everybody look at the chain, with a block and a moment between, until the only batch is settled.

        Returns the outcome and who was penalized for what.
        """
        court, start = self.network.court, self.network.deployment.block
        for _ in range(60):
            for participant in participants:
                participant.look()
            self.wait(10)
            settled = court.events.Settled().get_logs(from_block=start)
            if settled:
                penalized = court.events.VerifierPenalized().get_logs(from_block=start)
                faults = {log["args"]["verifier"]: Fault(log["args"]["fault"]) for log in penalized}
                return BatchOutcome(settled[0]["args"]["outcome"]), faults
        raise AssertionError("the batch was never settled")

    @contextmanager
    def undone(self) -> Iterator["World"]:
        """This world with files of its own; what happens to the chain meanwhile is undone."""
        snapshot = self.web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
        evidence = Store()
        evidence.blocks.update(self.evidence.blocks)
        with TemporaryDirectory() as folder:
            world = replace(self, folder=Path(folder), evidence=evidence, opened=[])
            yield world
            world.close()
        self.web3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])

    def close(self) -> None:
        """Close every file that was opened here."""
        for file in self.opened:
            file.close()

    def _kept(self, file: File) -> File:
        self.opened.append(file)
        return file


def build_world(
    url: str, folder: Path, *, verifiers: int, windows: Windows, funds: int = 1_000 * TOKEN, period_blocks: int = 8
) -> World:
    """Deploy Merit, stake the verifiers and the contributor, and open a job with `funds` each."""
    web3 = connect(url)
    deployer: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    # Longer than the longest audit, as the court demands.
    vault = VaultParameters(unbonding_delay=60 * windows.commit, period_blocks=period_blocks)
    network = Network(web3, deploy(web3, deployer, replace(LOCAL, vault=vault, windows=windows)))
    people = [Account.create() for _ in range(verifiers + 2)]
    committee, requester, contributor = people[:verifiers], people[-2], people[-1]
    bank = TransactionSender(web3, deployer)
    for account in people:
        web3.provider.make_request(RPCEndpoint("anvil_setBalance"), [account.address, hex(10**20)])
        bank.send(network.token.functions.transfer(account.address, 10 * funds))
        own = TransactionSender(web3, account)
        for spender in (network.vault.address, network.escrow.address):
            own.send(network.token.functions.approve(spender, 10 * funds))
        if account is not requester:
            own.send(network.vault.functions.deposit(funds))
        if account in committee:
            own.send(network.vault.functions.joinCommittee())
    evidence = Store()
    specification = evidence.publish(Specification("inference", "recital", bytes(32)).to_block())
    terms = {
        "kind": 0,
        "price": TOKEN // 10,
        "auditFee": 3 * TOKEN,
        "slashPerUnit": TOKEN,
        "auditRateFloor": 10_000,
        "auditRateCeiling": 10_000,
        "committeeSize": 3,
        "samples": 2,
        "words": 1,
        "tau": 20,
        "soft": 40,
        "hard": 80,
        "expiry": 2**48 - 1,
        "specification": specification,
    }
    TransactionSender(web3, requester).send(network.escrow.functions.open(tuple(terms.values()), funds))
    job_id = network.escrow.functions.jobCount().call()
    # Membership counts from the period after next on.
    web3.provider.make_request(RPCEndpoint("anvil_mine"), [hex(2 * vault.period_blocks)])
    return World(network, folder, committee, requester, contributor, job_id, evidence)


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with local_chain() as url:
        yield build_world(url, tmp_path_factory.mktemp("world"), verifiers=3, windows=WINDOWS)


@pytest.fixture
def city(tmp_path: Path) -> Iterator[World]:
    """Ten verifiers on a chain of their own, with windows of half an hour.

    Every transaction is a block here, so that as much happens in 512 blocks as elsewhere in the usual 128.
    """
    with local_chain("--max-persisted-states", "0") as url:  # a day's are twenty gigabytes
        world = build_world(url, tmp_path, verifiers=10, windows=CITY_WINDOWS, funds=12_000 * TOKEN, period_blocks=512)
        yield world
        world.close()


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The world as it was after the deployment."""
    with deployed.undone() as world:
        yield world
