"""A training job on a chain: eight trainers, of whom two poison and one copies, and a liar in the committee."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx
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
from scoring.training.filters import Refusal
from scoring.training.models import Floats, Rows
from scoring.training.perceptron import Perceptron
from scripts.rehearsal import PARAMETERS, EvidenceShelf, InlineExecutor, Reading, SceneCourt, pass_time
from verifier.node.assignment import Assignment
from verifier.node.audit import BatchOutcome, Disclosure
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Findings, Journal, JournalOwner
from verifier.node.node import Examiner, Executors, VerifierNode
from verifier.node.workbench import open_workbench
from verifier.shared.blocks import ChangedEvidenceError
from verifier.shared.examiner import WORDS
from verifier.shared.ledger import TRAINING
from verifier.training.desk import DeskUnavailableError, post_entry, serve_desk
from verifier.training.examiner import with_training
from verifier.training.ledger import RoundLedger
from verifier.training.local_update import descend, initial_parameters
from verifier.training.organiser import CommitmentRefusedError, Entry, Organiser
from verifier.training.own_function import LocalUpdate, TrainingData, own_update
from verifier.training.rounds import Rounds
from verifier.training.simulation import digits_dataset, even_split
from verifier.training.trainer import Trainer
from verifier.workloads.training import assigned_rows, share_leaf
from verifier.workloads.training_models import PerceptronModel
from verifier.workloads.training_networks import flattened, unflattened
from verifier.workloads.training_records import TrainingJob
from verifier.workloads.training_tensors import read_parameters, read_update, write_data, write_parameters

pytestmark = pytest.mark.chain

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

    def rounds(self) -> Rounds:
        return Rounds(self.job_id, RoundLedger(self.network), self.network.domain, self.fetch, self.specification)

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
        honest = with_training(otherwise, self.shelf, self.network)
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
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
        specification = publish_job(shelf)
        world = World(network, open_job(network, requester, specification), specification, tmp_path, files, shelf)
        for i, verifier in enumerate(verifiers):
            world.seat(verifier, lies=i == 0)
        yield world


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


def publish_job(shelf: EvidenceShelf) -> bytes:
    data = digits_dataset()
    model = Perceptron(WIDTHS, data.features, data.labels)
    job = TrainingJob(
        account("organiser").address,
        PerceptronModel(widths=WIDTHS),
        shelf.publish(write_parameters(initial_parameters(model, 0))),
        shelf.publish(write_data(data.features[data.public], data.labels[data.public])),
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


def copied_work(victim: Trainer) -> LocalUpdate:
    """What another trainer is about to commit to, stolen from its disk."""

    def local_update(model: nn.Module, assigned: TrainingData, number: int) -> dict[str, torch.Tensor]:
        stolen = victim.folder / f"{victim.rounds.job_id}-{number}.update"
        parameters = flattened(model.state_dict())
        return unflattened(parameters + read_update(stolen.read_bytes(), parameters.size), model)

    return local_update


def play(world: World, trainers: list[Trainer], organiser: Organiser) -> bytes:
    for trainer in trainers:
        trainer.take_part()
    batch_id = organiser.record()
    for trainer in trainers:
        trainer.open()
    world.settle(organiser)
    return batch_id


def accuracy(parameters: Floats) -> float:
    data = digits_dataset()
    model = Perceptron(WIDTHS, data.features[data.test], data.labels[data.test])
    return float((model.predictions(parameters) == model.labels).mean())


def clean_parameters(world: World, honest: list[Trainer], rounds: Rounds) -> Floats:
    """What the honest trainers make without anybody else, chain or valuation."""
    data, described = digits_dataset(), rounds.job.model
    inputs, targets = described.tensors(write_data(data.features[data.public], data.labels[data.public]))
    model = Perceptron(WIDTHS, data.features, data.labels)
    parameters = initial_parameters(model, 0)
    for number in range(1, ROUNDS + 1):
        assigned = [
            assigned_rows(rounds.job, world.job_id, number, trainer.address, len(data.public)) for trainer in honest
        ]
        updates = [
            own_update(
                trainer.local_update, described, TrainingData(inputs[rows], targets[rows], rows), parameters, number
            )
            for trainer, rows in zip(honest, assigned, strict=True)
        ]
        parameters = parameters + np.mean(updates, axis=0)
    return parameters


def honest_trainers(world: World, organiser: Organiser) -> list[Trainer]:
    parts = even_split(digits_dataset(), 7, 0)
    return [world.trainer(f"trainer {i}", organiser, own_work(parts[i], i)) for i in range(HONEST)]


def test_training__two_poison_and_one_copies__the_model_is_as_good_and_only_work_is_paid(world: World) -> None:
    parts = even_split(digits_dataset(), 7, 0)
    organiser = world.organiser()
    honest = honest_trainers(world, organiser)
    poisoners = [
        world.trainer("label flipper", organiser, own_work(parts[5], 5, flipped=True)),
        world.trainer("sign flipper", organiser, own_work(parts[6], 6, sign=-1)),
    ]
    copier = world.trainer("copier", organiser, copied_work(honest[0]))
    everyone = [*honest, *poisoners, copier]
    for _ in range(ROUNDS):
        play(world, everyone, organiser)

    results = organiser.rounds.paid()
    assert [result.state.number for result in results] == list(range(1, ROUNDS + 1))
    assert {result.refused[copier.address] for result in results} == {Refusal.DUPLICATE.value}
    paid = {trainer.address: trainer.claim() for trainer in everyone}
    assert sum(paid.values()) == ROUNDS * POT
    assert [paid[trainer.address] for trainer in [*poisoners, copier]] == [0, 0, 0]
    assert min(paid[trainer.address] for trainer in honest) > 0
    assert sum(world.network.escrow.functions.creditOf(trainer.address).call() for trainer in honest) == ROUNDS * POT
    assert [trainer.claim() for trainer in everyone] == [0] * len(everyone)
    assert world.network.vault.functions.stakeOf(account("verifier 0").address).call()[0] < STAKE

    final = read_parameters(results[-1].parameters, organiser.rounds.job.size)
    assert accuracy(final) >= accuracy(clean_parameters(world, honest, organiser.rounds)) - 0.02


def test_training__commitment_not_opened__is_left_out_for_good(world: World) -> None:
    """The others are paid, and opening it after the committee has decided takes nothing from them."""
    organiser = world.organiser()
    honest = honest_trainers(world, organiser)
    for trainer in honest:
        trainer.take_part()
    organiser.record()
    for trainer in honest[1:]:
        trainer.open()
    world.settle(organiser)
    honest[0].open()

    assert sum(trainer.claim() for trainer in honest) == POT
    assert honest[0].claim() == 0
    with pytest.raises(ChangedEvidenceError):
        world.rounds().paid()


def test_training__looked_at_before_all_have_opened__is_paid_by_what_the_committee_saw(world: World) -> None:
    organiser = world.organiser()
    honest = honest_trainers(world, organiser)
    for trainer in honest:
        trainer.take_part()
    organiser.record()
    pass_time(world.network)
    for trainer in honest:
        for verifier in world.committee:
            verifier.look()
        organiser.rounds.look()
        trainer.open()
    world.settle(organiser)
    assert sum(trainer.claim() for trainer in honest) == POT


def test_training__stopped_before_the_commitment__commits_to_the_same_work(world: World) -> None:
    organiser = world.organiser()
    (trainer, *_) = honest_trainers(world, organiser)
    assert trainer.take_part() == trainer.take_part()
    assert organiser.entered == 1
    organiser.record()
    assert trainer.open() == 1
    assert trainer.open() == 0


def test_training__entries_that_do_not_belong__are_refused(world: World) -> None:
    organiser = world.organiser()
    (trainer, *_) = honest_trainers(world, organiser)
    commitment = trainer.take_part()
    domain, job_id, stranger = world.network.domain, world.job_id, account("stranger")
    copied = Entry.signed(domain, account("trainer 1"), job_id, 1, commitment)
    for entry, reason in [
        (Entry.signed(domain, stranger, job_id, 1, bytes(32)), "too little stake"),
        (Entry.signed(domain, stranger, job_id, 2, bytes(32)), "wait for round 1"),
        (replace(Entry.signed(domain, stranger, job_id, 1, bytes(32)), trainer=trainer.address), "did not sign"),
        (Entry.signed(domain, trainer.account, job_id, 1, bytes(32)), "commits once"),
        (copied, "commits once"),
    ]:
        with pytest.raises(CommitmentRefusedError, match=reason):
            organiser.enter(entry)
    organiser.record()
    with pytest.raises(CommitmentRefusedError, match="is being valued"):
        organiser.enter(Entry.signed(domain, trainer.account, job_id, 1, bytes(32)))


def test_training__desk__takes_entries_and_says_why_not(world: World) -> None:
    organiser = world.organiser()
    with serve_desk(organiser, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        (trainer, *_) = honest_trainers(world, organiser)
        replace(trainer, enter=lambda entry: post_entry(url, entry)).take_part()
        assert organiser.entered == 1
        with pytest.raises(CommitmentRefusedError, match="too little stake"):
            post_entry(url, Entry.signed(world.network.domain, account("stranger"), world.job_id, 1, bytes(32)))
        assert httpx.post(f"{url}/entries", content=b"{}").status_code == 400
        assert httpx.post(f"{url}/entries", content=bytes(5000)).status_code == 400
        assert httpx.post(f"{url}/elsewhere", content=b"{}").status_code == 400
    with pytest.raises(DeskUnavailableError, match="does not answer"):
        post_entry(url, Entry.signed(world.network.domain, account("stranger"), world.job_id, 1, bytes(32)))


def test_training__round_from_an_older_state__is_fraud(world: World) -> None:
    """An organiser that starts again from the first parameters, as if the round before had not been."""
    organiser = world.organiser()
    honest = honest_trainers(world, organiser)
    play(world, honest, organiser)
    forgetful = world.organiser()
    forgetful.rounds.adopted_result = lambda: None  # type: ignore[method-assign]
    batch_id = forgetful.record()
    world.settle(organiser)
    (audit,) = (audit for audit in organiser.rounds.ledger.audits(world.job_id) if audit.batch_id == batch_id)
    assert audit.outcome is BatchOutcome.FRAUD
    assert len(organiser.rounds.paid()) == 1
