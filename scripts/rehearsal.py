"""Whole audits in one process, without waiting: who acts acts at once, and the chain's clock is moved.

The contracts, the contributors' agents, the verifier nodes and the model are the real ones. The recorder's API, the
processes and the wall clock are left out, so that a test or a benchmark can afford many audits.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3.types import RPCEndpoint

from chain.contribution import content_digest
from chain.deploy import deploy
from chain.errors import MeritError
from chain.events import Event
from chain.job_terms import Kind, Terms
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN, Windows
from chain.sender import TransactionSender
from scripts.demo.cast import Cast, fund
from scripts.demo.report import Report, read_report
from verifier.models.demonstration import DemonstrationModels, sample_requests
from verifier.models.task import Task
from verifier.models.training import standard_library_corpus
from verifier.node.court import Court
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Journal, JournalOwner
from verifier.node.node import Examiner, Executors, VerifierNode
from verifier.node.specification import Specification
from verifier.node.workbench import LocalWorkbench
from verifier.provider.agent import ProviderAgent, Server
from verifier.provider.ledger import Ledger
from verifier.provider.recorder import DirectRecorder
from verifier.provider.requester import place_order
from verifier.workloads.text_generation import TextGeneration
from verifier.workloads.workload import Workload

# Far longer than a slow machine needs for its part in a phase: only the clock that is moved ends one.
PARAMETERS = replace(
    LOCAL,
    windows=Windows(seed_delay=2, commit=3_600, disclose=3_600, reveal=3_600, appeal=600, unsampled=600),
    vault=replace(LOCAL.vault, unbonding_delay=30 * 86_400),
)
# The clock's move when nobody has anything to do, in seconds, with the blocks that a seed needs.
_PAUSE_SECONDS, _PAUSE_BLOCKS = 900, 3
# An audit has at most five rounds of three hours.
_MOST_PAUSES = 200
_MOST_REQUESTS = 500


class RehearsalError(MeritError):
    """The audits did not come to an end."""


class InlineExecutor(Executor):
    """Runs what is submitted before `submit` returns."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """The finished future."""
        done: Future[Any] = Future()
        try:
            done.set_result(function(*arguments, **named))
        except Exception as error:  # the future's reader is told, as by any executor
            done.set_exception(error)
        return done


class EvidenceShelf:
    """Evidence blocks in memory, by digest."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, bytes] = {}

    def publish(self, block: bytes) -> bytes:
        """Keep a block; returns its digest."""
        digest = content_digest(block)
        self._blocks[digest] = block
        return digest

    def fetch(self, digest: bytes) -> bytes:
        """As `EvidenceReader.fetch`."""
        try:
            return self._blocks[digest]
        except KeyError:
            raise EvidenceMissingError(f"No block {digest.hex()} was published.") from None


AUDIT_FEE = 3 * TOKEN


@dataclass(frozen=True)
class Reading:
    """What all participants of a scene have read: by block number, events about batches and hashes."""

    events: dict[int, list[Event]] = field(default_factory=dict)
    hashes: dict[int, bytes] = field(default_factory=dict)


class SceneCourt(Court):
    """Reads each block once for everybody, since no block of a scene is ever replaced; has no clock but the chain's."""

    def __init__(self, network: Network, account: LocalAccount, read: Reading) -> None:
        super().__init__(network, TransactionSender(network.web3, account), monotonic=lambda: 0.0)
        self._read = read.events
        self._hashes = read.hashes

    def block_hash(self, number: int) -> bytes | None:
        """As `Court.block_hash`."""
        known = self._hashes.get(number) or super().block_hash(number)
        if known is not None:
            self._hashes[number] = known
        return known

    def batch_events(self, first: int, last: int) -> list[Event]:
        """As `Court.batch_events`."""
        unread = [number for number in range(first, last + 1) if number not in self._read]
        if unread:
            self._read.update((number, []) for number in range(unread[0], last + 1))
            for event in super().batch_events(unread[0], last):
                self._read[event.block_number].append(event)
        return [event for number in range(first, last + 1) for event in self._read[number]]


class Participant(Protocol):
    """Anyone who acts on what is new on the chain."""

    def look(self) -> None:
        """Read the chain and do at once what there is to do."""


@dataclass(frozen=True)
class Job:
    """An open job and whoever signs its orders."""

    id: int
    requester: LocalAccount


@dataclass
class Scene:
    """Who takes part, on a chain where nothing has happened since everyone was funded and seated.

    workload: by which providers answer and verifiers check; a test may give one with a defence removed.
    specification: what jobs say of it. requests: what is ordered, one after the other.
    """

    network: Network
    cast: Cast
    workload: Workload[Any, Any]
    specification: Specification
    requests: Iterator[Any]
    folder: Path
    files: ExitStack
    evidence: EvidenceShelf = field(default_factory=EvidenceShelf)
    participants: dict[ChecksumAddress, Participant] = field(default_factory=dict)
    _providers: dict[ChecksumAddress, ProviderAgent] = field(default_factory=dict)
    _read: Reading = field(default_factory=Reading)

    def open_job(self, requester: LocalAccount, **changes: Any) -> Job:
        """A job of 500 tokens whose every batch is audited by the whole committee; `changes`: other fields of `Terms`.

        Raises `TransactionRevertedError` where the escrow refuses the terms.
        """
        profile = self.workload.profile
        terms = Terms(
            kind=Kind.INFERENCE,
            price=TOKEN // 100,
            audit_fee=AUDIT_FEE,
            slash_per_unit=TOKEN // 10,
            audit_rate_floor=10_000,
            audit_rate_ceiling=10_000,
            committee_size=len(self.cast.committee),
            samples=4,
            words=profile.lattice.words,
            tau=profile.bands.tau,
            soft=profile.bands.soft,
            hard=profile.bands.hard,
            expiry=2**48 - 1,
            specification=self.evidence.publish(self.specification.to_block()),
        )
        sender, escrow, amount = TransactionSender(self.network.web3, requester), self.network.escrow, 500 * TOKEN
        sender.send(self.network.token.functions.approve(escrow.address, amount))
        sender.send(escrow.functions.open(replace(terms, **changes).as_tuple(), amount))
        return Job(escrow.functions.jobCount().call(), requester)

    def enter_provider(self, account: LocalAccount, server: Server) -> None:
        """Let `account` contribute what `server` makes of its orders."""
        court, folder = SceneCourt(self.network, account, self._read), self.folder / account.address
        provider = ProviderAgent(
            court=court,
            domain=self.network.domain,
            ledger=self.files.enter_context(closing(Ledger(folder, account.address))),
            history=self._history(account),
            recorder=DirectRecorder(court, self.network.domain, account, self.evidence.publish),
            server=server,
            workload=self.workload,
        )
        self.participants[account.address] = self._providers[account.address] = provider

    def enter_verifier(
        self,
        account: LocalAccount,
        *,
        kind: type[VerifierNode] = VerifierNode,
        examiner: Examiner | None = None,
    ) -> None:
        """Let a member of the committee do its part: honestly, unless another `kind` or `examiner` is given."""
        workbench = LocalWorkbench(lambda _: self.workload)
        owner = JournalOwner(self.network.deployment.chain_id, self.network.domain.court, account.address)
        journal = Journal.open(self.folder / account.address / "journal.sqlite", owner)
        self.participants[account.address] = kind(
            SceneCourt(self.network, account, self._read),
            self._history(account),
            self.files.enter_context(closing(journal)),
            examiner or WorkloadExaminer(self.evidence, workbench, self.network.domain),
            Executors(InlineExecutor(), InlineExecutor()),
            patience=0,
            pause=0,
        )

    def order(self, account: LocalAccount, job: Job, leaves: int) -> None:
        """Have a provider serve `leaves` new orders and record them as one batch."""
        provider = self._providers[account.address]
        first = provider.next_number(job.id)
        orders = [
            place_order(
                self.network.domain,
                job.requester,
                job_id=job.id,
                contributor=account.address,
                sequence=first + i,
                request=next(self.requests),
            )
            for i in range(leaves)
        ]
        provider.serve(job.id, orders)

    def settle(self) -> Report:
        """Let everyone act in turn until each batch is settled; what came of it for them and for the requester.

        Raises `RehearsalError` where that does not happen.
        """
        court, start = self.network.court, self.network.deployment.block
        for _ in range(_MOST_PAUSES):
            self._act()
            recorded = court.events.Recorded().get_logs(from_block=start)
            if len(court.events.Settled().get_logs(from_block=start)) == len(recorded):
                return read_report(self.network, [self.cast.requester.address, *self.participants])
            pass_time(self.network)
        raise RehearsalError("The batches are not settled after two days on the chain; look at the participants' logs.")

    def _act(self) -> None:
        """Until a look at the chain moves nobody."""
        head = -1
        while head != (head := self.network.web3.eth.block_number):
            for participant in self.participants.values():
                participant.look()

    def _history(self, account: LocalAccount) -> History:
        path = self.folder / account.address / "history.sqlite"
        return self.files.enter_context(closing(History(path, self.network.deployment.block)))


@dataclass(frozen=True)
class Rehearsal:
    """A chain with Merit and a cast on it, where one scene after another can be played and undone."""

    network: Network
    cast: Cast
    models: DemonstrationModels
    corpus: bytes

    @contextmanager
    def scene(
        self,
        seed: int = 1,
        workload: Workload[Any, Any] | None = None,
        specification: Specification | None = None,
        requests: Sequence[Any] | None = None,
    ) -> Iterator[Scene]:
        """A new scene, undone when the block ends. `seed`: of its requests, where none are given.

        Text by the demonstration's model is ordered unless something else is specified.
        """
        snapshot = _rpc(self.network, "evm_snapshot")
        # The newest block may be old by now, and its time is what signatures expire by.
        pass_time(self.network)
        registered = self.models.registered
        specification = specification or Specification("inference", Task.TEXT, registered.manifest.identity)
        if requests is None:
            requests = sample_requests(self.corpus, _MOST_REQUESTS, registered.model.context, seed)
        with TemporaryDirectory() as folder, ExitStack() as files:
            workload = workload or TextGeneration(registered)
            yield Scene(self.network, self.cast, workload, specification, iter(requests), Path(folder), files)
        _rpc(self.network, "evm_revert", snapshot)


@contextmanager
def open_rehearsal(models: DemonstrationModels, seed: int = 1) -> Iterator[Rehearsal]:
    """Start a chain, deploy with the requester as the reputation's seed, fund everyone and seat the committee."""
    operator: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    cast = Cast.of_seed(seed, operator)
    reputation = replace(PARAMETERS.reputation, seeds={cast.requester.address: 1.0})
    with local_chain() as url:
        web3 = connect(url)
        network = Network(web3, deploy(web3, operator, replace(PARAMETERS, reputation=reputation)))
        fund(network, cast)
        # Members count in draws from the next period on.
        _rpc(network, "hardhat_mine", hex(PARAMETERS.vault.period_blocks))
        yield Rehearsal(network, cast, models, standard_library_corpus())


def pass_time(network: Network) -> None:
    """Move the chain's clock by a quarter of an hour, and mine a few blocks."""
    _rpc(network, "evm_increaseTime", _PAUSE_SECONDS)
    _rpc(network, "hardhat_mine", hex(_PAUSE_BLOCKS))


def _rpc(network: Network, method: str, *arguments: object) -> Any:
    return network.web3.provider.make_request(RPCEndpoint(method), list(arguments))["result"]
