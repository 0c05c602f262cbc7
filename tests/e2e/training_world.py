"""A training job on a chain, its organiser, trainers and committee, for the tests of whole rounds."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import torch
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from torch import nn

from chain.deploy import deploy
from chain.job_terms import Kind, Terms
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import TOKEN
from chain.sender import TransactionSender
from scoring.training.models import Floats, Rows
from scoring.training.perceptron import Perceptron
from scripts.rehearsal import PARAMETERS, EvidenceShelf, InlineExecutor, Reading, SceneCourt, pass_time
from verifier.node.assignment import Assignment
from verifier.node.audit import Disclosure
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Findings, Journal, JournalOwner
from verifier.node.node import Examiner, Executors, VerifierNode
from verifier.node.workbench import open_workbench
from verifier.shared.examiner import WORDS
from verifier.shared.ledger import TRAINING
from verifier.training.examiner import with_training
from verifier.training.kept_rounds import KeptRounds
from verifier.training.ledger import RoundLedger
from verifier.training.local_update import descend, initial_parameters
from verifier.training.organiser import Organiser
from verifier.training.own_function import LocalUpdate, TrainingData
from verifier.training.rounds import Rounds
from verifier.training.simulation import digits_dataset, even_split
from verifier.training.trainer import Trainer
from verifier.workloads.training import share_leaf
from verifier.workloads.training_models import AnyModel, PerceptronModel
from verifier.workloads.training_networks import flattened, unflattened
from verifier.workloads.training_records import TrainingJob
from verifier.workloads.training_tensors import write_data, write_parameters

WIDTHS = (64, 32, 10)
HONEST, ROUNDS, UNITS, STAKE = 5, 3, 90, 1_000 * TOKEN
POT = UNITS * TOKEN


def account(role: str) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"merit training test {role}"))
    return made


@dataclass(frozen=True)
class LyingExaminer:
    """Works the round out, and claims that all of the pot is its own."""

    honest: Examiner

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        return self.honest.opened(assignment, findings, disclosure, last_call)

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        found = self.honest.examine(assignment, last_call)
        return replace(found, payload=share_leaf(assignment.batch_id, account("verifier 0").address, POT))


class Onlooker(Protocol):
    """Whoever works out the rounds that are being decided."""

    def look(self) -> None: ...


@dataclass
class World:
    """A chain with a training job, its organiser, a committee of five and a store of evidence."""

    network: Network
    job_id: int
    specification: bytes
    folder: Path
    files: ExitStack
    shelf: EvidenceShelf
    reading: Reading = field(default_factory=Reading)
    committee: list[VerifierNode] = field(default_factory=list)

    def fetch(self, digest: bytes) -> bytes | None:
        try:
            return self.shelf.fetch(digest)
        except EvidenceMissingError:
            return None

    def rounds(self, memory: str = "rounds") -> Rounds:
        """As someone sees them who has just started; `memory` names what it knows from before."""
        ledger, kept = RoundLedger(self.network), KeptRounds(self.folder / memory)
        return Rounds(self.job_id, ledger, self.network.domain, self.fetch, self.specification, kept)

    def organiser(self) -> Organiser:
        organiser = account("organiser")
        court = SceneCourt(self.network, organiser, self.reading)
        return Organiser(court, organiser, self.network, self.rounds(), self.shelf.publish)

    def trainer(self, role: str, organiser: Organiser, local_update: LocalUpdate) -> Trainer:
        """All read the rounds that the organiser reads, which is what they would work out themselves."""
        trainer = account(role)
        endow(self.network, [trainer])
        stake(self.network, trainer)
        return Trainer(
            trainer,
            self.network,
            organiser.rounds,
            organiser.enter,
            self.shelf.publish,
            local_update,
            self.folder / role,
        )

    def seat(self, verifier: LocalAccount, lies: bool) -> None:
        owner = JournalOwner(self.network.deployment.chain_id, self.network.domain.court, verifier.address)
        folder = self.folder / verifier.address
        journal = self.files.enter_context(closing(Journal.open(folder / "journal.sqlite", owner)))
        history = self.files.enter_context(closing(History(folder / "history.sqlite", self.network.deployment.block)))
        workbench = open_workbench(folder / "models")
        otherwise = WorkloadExaminer(self.shelf, workbench, self.network.domain)
        honest = with_training(otherwise, self.shelf, self.network, workbench)
        examiner = LyingExaminer(honest) if lies else honest
        executors = Executors(InlineExecutor(), InlineExecutor())
        court = SceneCourt(self.network, verifier, self.reading)
        self.committee.append(VerifierNode(court, history, journal, examiner, executors, patience=0, pause=0))

    def settle(self, organiser: Onlooker) -> None:
        """Let everyone act until all batches are settled."""
        court, start = self.network.court, self.network.deployment.block
        for _ in range(60):
            head = -1
            while head != (head := self.network.web3.eth.block_number):
                for verifier in self.committee:
                    verifier.look()
                organiser.look()
            if len(court.events.Settled().get_logs(from_block=start)) == len(
                court.events.Recorded().get_logs(from_block=start)
            ):
                return
            pass_time(self.network)
        pytest.fail("the batches are not settled after fifteen hours on the chain")


@contextmanager
def open_world(folder: Path, job: Callable[[EvidenceShelf], bytes]) -> Iterator[World]:
    """job: publishes what is trained, and returns its specification."""
    operator: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    requester, organiser = account("requester"), account("organiser")
    verifiers = [account(f"verifier {i}") for i in range(5)]
    with local_chain() as url, ExitStack() as files:
        web3 = connect(url)
        seeds = {requester.address: 1.0}
        parameters = replace(PARAMETERS, reputation=replace(PARAMETERS.reputation, seeds=seeds))
        network = Network(web3, deploy(web3, operator, parameters))
        endow(network, [requester, organiser, *verifiers])
        for one in (organiser, *verifiers):
            sender = stake(network, one)
            if one != organiser:
                sender.send(network.vault.functions.joinCommittee())
        web3.provider.make_request("hardhat_mine", [hex(PARAMETERS.vault.period_blocks)])
        shelf = EvidenceShelf()
        specification = job(shelf)
        world = World(network, open_job(network, requester, specification), specification, folder, files, shelf)
        for i, verifier in enumerate(verifiers):
            world.seat(verifier, lies=i == 0)
        yield world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """With a perceptron that learns digits."""
    with open_world(tmp_path, digits_job) as opened:
        yield opened


def endow(network: Network, accounts: list[LocalAccount]) -> None:
    """Gas and tokens."""
    operator = TransactionSender(network.web3, Account.from_key(DEVELOPMENT_KEY))
    for one in accounts:
        network.web3.provider.make_request("hardhat_setBalance", [one.address, hex(10**21)])
        operator.send(network.token.functions.transfer(one.address, 2 * STAKE))


def stake(network: Network, one: LocalAccount) -> TransactionSender:
    sender = TransactionSender(network.web3, one)
    sender.send(network.token.functions.approve(network.vault.address, STAKE))
    sender.send(network.vault.functions.deposit(STAKE))
    return sender


def digits_job(shelf: EvidenceShelf) -> bytes:
    data = digits_dataset()
    first = initial_parameters(Perceptron(WIDTHS, data.features, data.labels), 0)
    block = write_data(data.features[data.public], data.labels[data.public])
    return publish_job(shelf, PerceptronModel(widths=WIDTHS), first, block)


def publish_job(shelf: EvidenceShelf, model: AnyModel, first: Floats, data: bytes) -> bytes:
    """A job's specification, and all that it leads to."""
    job = TrainingJob(
        account("organiser").address,
        model,
        shelf.publish(write_parameters(first)),
        shelf.publish(data),
        assigned=48,
        evaluated=160,
        units=UNITS,
    )
    return shelf.publish(TRAINING.specification(shelf.publish(job.to_block())).to_block())


def open_job(network: Network, requester: LocalAccount, specification: bytes) -> int:
    terms = Terms(
        kind=Kind.TRAINING,
        price=TOKEN,
        audit_fee=3 * TOKEN,
        slash_per_unit=TOKEN // 5,
        audit_rate_floor=10_000,
        audit_rate_ceiling=10_000,
        committee_size=5,
        samples=4,
        words=WORDS,
        tau=16,
        soft=32,
        hard=64,
        expiry=2**48 - 1,
        specification=specification,
    )
    sender, amount = TransactionSender(network.web3, requester), 500 * TOKEN
    sender.send(network.token.functions.approve(network.escrow.address, amount))
    sender.send(network.escrow.functions.open(terms.as_tuple(), amount))
    return int(network.escrow.functions.jobCount().call())


def own_work(own: Rows, seed: int, *, flipped: bool = False, sign: int = 1) -> LocalUpdate:
    """Training on one's own digits as well as on those assigned; with wrong labels or turned round by a poisoner."""
    data = digits_dataset()

    def local_update(model: nn.Module, assigned: TrainingData, number: int) -> dict[str, torch.Tensor]:
        rows = np.concatenate([own, data.public[assigned.rows]])
        labels = 9 - data.labels if flipped else data.labels
        taught, parameters = Perceptron(WIDTHS, data.features, labels), flattened(model.state_dict())
        delta = sign * descend(taught, parameters, rows, np.random.default_rng([seed, number]))
        return unflattened(parameters + delta, model)

    return local_update


def play(world: World, trainers: list[Trainer], organiser: Organiser) -> bytes:
    for trainer in trainers:
        trainer.take_part()
    batch_id = organiser.record()
    for trainer in trainers:
        trainer.open()
    world.settle(organiser)
    return batch_id


def honest_trainers(world: World, organiser: Organiser) -> list[Trainer]:
    parts = even_split(digits_dataset(), 7, 0)
    return [world.trainer(f"trainer {i}", organiser, own_work(parts[i], i)) for i in range(HONEST)]
