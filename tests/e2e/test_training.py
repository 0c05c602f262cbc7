"""A training job on a chain: eight trainers, of whom two poison and one copies, and a liar in the committee."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from torch import nn

from scoring.training.filters import Refusal
from scoring.training.models import Floats
from scoring.training.perceptron import Perceptron
from scripts.rehearsal import pass_time
from tests.e2e.training_world import (
    HONEST,
    POT,
    ROUNDS,
    STAKE,
    WIDTHS,
    World,
    account,
    honest_trainers,
    own_work,
    play,
    world,
)
from verifier.node.audit import BatchOutcome
from verifier.shared.blocks import ChangedEvidenceError
from verifier.training import rounds
from verifier.training.desk import DeskUnavailableError, post_entry, serve_desk
from verifier.training.local_update import initial_parameters
from verifier.training.organiser import CommitmentRefusedError, Entry, Organiser
from verifier.training.own_function import LocalUpdate, TrainingData, own_update
from verifier.training.rounds import Rounds
from verifier.training.simulation import digits_dataset, even_split
from verifier.training.trainer import Trainer
from verifier.workloads import training_records
from verifier.workloads.training import OpenedRound, RoundResult, assigned_rows, value
from verifier.workloads.training_networks import flattened, unflattened
from verifier.workloads.training_records import Opening
from verifier.workloads.training_tensors import read_parameters, read_update, write_data

__all__ = ["world"]  # the fixture
pytestmark = pytest.mark.chain


def copied_work(victim: Trainer) -> LocalUpdate:
    """What another trainer is about to commit to, stolen from its disk."""

    def local_update(model: nn.Module, assigned: TrainingData, number: int) -> dict[str, torch.Tensor]:
        stolen = victim.folder / f"{victim.rounds.job_id}-{number}.update"
        parameters = flattened(model.state_dict())
        return unflattened(parameters + read_update(stolen.read_bytes(), parameters.size), model)

    return local_update


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


def late_opening(world: World) -> tuple[Organiser, list[Trainer], RoundResult]:
    """A round that is settled without its first trainer, who then publishes its update after all."""
    organiser = world.organiser()
    trainers = honest_trainers(world, organiser)
    for trainer in trainers:
        trainer.take_part()
    organiser.record()
    for trainer in trainers[1:]:
        trainer.open()
    world.settle(organiser)
    (result,) = organiser.rounds.paid()
    trainers[0].open()
    return organiser, trainers, result


def restarted(world: World, trainers: list[Trainer], memory: str) -> list[Trainer]:
    rounds = world.rounds(memory)
    return [replace(trainer, rounds=rounds) for trainer in trainers]


def test_training__commitment_not_opened__is_left_out_for_good(world: World) -> None:
    """The others are paid, and opening it after the committee has decided takes nothing from them."""
    _, trainers, _ = late_opening(world)
    assert sum(trainer.claim() for trainer in trainers) == POT
    assert trainers[0].claim() == 0


@pytest.mark.parametrize("memory", ["rounds", "nothing"])
def test_training__restarted_after_a_late_opening__claims_and_goes_on(
    world: World, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From what was kept alone; and from nothing, by trying who was late."""
    _, trainers, result = late_opening(world)
    if memory == "rounds":
        monkeypatch.setattr(rounds, "_MOST_TRIES", 0)
    again = restarted(world, trainers, memory)
    assert [found.shares for found in again[0].rounds.paid()] == [result.shares]
    assert sum(trainer.claim() for trainer in again) == POT
    assert again[0].rounds.next_header()[1] == result.state


def test_training__late_opening_that_nothing_explains__is_told_and_costs_no_other_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser, trainers, _ = late_opening(world)
    play(world, trainers, organiser)
    monkeypatch.setattr(rounds, "_MOST_TRIES", 1)
    stranger = world.rounds("nothing")
    assert [result.state.number for result in stranger.paid()] == [2]
    assert stranger.next_header()[0].number == 3
    first, _ = stranger.ledger.audits(world.job_id)
    with pytest.raises(ChangedEvidenceError, match="start from a copy"):
        stranger.result_of(first)


def test_training__looked_at_before_all_have_opened__is_paid_by_what_the_committee_saw(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it is looked at, each block is fetched and each state valued once."""
    organiser, watcher = world.organiser(), world.rounds("watcher")
    honest = honest_trainers(world, organiser)
    for trainer in honest:
        trainer.take_part()
    organiser.record()
    pass_time(world.network)
    fetched: Counter[bytes] = Counter()
    valued: list[RoundResult] = []

    def fetch(digest: bytes) -> bytes | None:
        block = world.fetch(digest)
        fetched[digest] += block is not None
        return block

    def counted_value(opened: OpenedRound, **named: Any) -> RoundResult:
        valued.append(value(opened, **named))
        return valued[-1]

    watcher.fetch = fetch
    with monkeypatch.context() as patched:
        patched.setattr(rounds, "value", counted_value)
        for trainer in honest:
            for verifier in world.committee:
                verifier.look()
            watcher.look()
            watcher.look()
            trainer.open()
    assert max(fetched.values()) == 1
    assert len(valued) == HONEST
    world.settle(watcher)
    assert sum(replace(trainer, rounds=watcher).claim() for trainer in honest) == POT


def test_training__stopped_before_the_commitment__commits_to_the_same_work(world: World) -> None:
    organiser = world.organiser()
    (trainer, *_) = honest_trainers(world, organiser)
    assert trainer.take_part() == trainer.take_part()
    assert organiser.entered == 1
    organiser.record()
    assert trainer.open() == 1
    assert trainer.open() == 0


def test_training__too_late_for_its_round__enters_the_next_one_for_less(world: World) -> None:
    """A slow trainer, whose round is recorded while it still trains: nothing is trained twice, and nothing is lost."""
    organiser = world.organiser()
    trainers = honest_trainers(world, organiser)
    slow, *others = trainers
    trained: list[int] = []

    def slowly(model: nn.Module, assigned: TrainingData, number: int) -> Mapping[str, torch.Tensor]:
        trained.append(number)
        if number == 1:
            organiser.record()
        return slow.local_update(model, assigned, number)

    late = replace(slow, local_update=slowly)
    for trainer in others:
        trainer.take_part()
    with pytest.raises(CommitmentRefusedError, match="is being valued"):
        late.take_part()
    for trainer in others:
        trainer.open()
    world.settle(organiser)
    play(world, [late, *others], organiser)
    assert trained == [1]
    assert list(late.folder.iterdir()) == []
    _, second = organiser.rounds.paid()
    assert second.refused == {}
    assert len(second.taken) == HONEST
    assert late.address in second.state.standing
    late.take_part()
    assert trained == [1, 3]


def test_training__five_rounds_late__is_trained_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    organiser = world.organiser()
    (trainer, *_) = honest_trainers(world, organiser)
    trainer.take_part()
    header, state = organiser.rounds.next_header()
    for number, base in ((5, 1), (6, 6)):
        now = replace(header, number=number), state
        monkeypatch.setattr(organiser.rounds, "next_header", lambda now=now: now)
        replace(trainer, enter=lambda entry: None).take_part()
        (path,) = trainer.folder.glob("*.opening")
        assert Opening.from_block(path.read_bytes()).base_number == base


def test_training__entries_that_do_not_belong__are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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
    monkeypatch.setattr(training_records, "_MOST_TRAINERS", 1)
    with pytest.raises(CommitmentRefusedError, match="round is full"):
        organiser.enter(Entry.signed(domain, account("trainer 1"), job_id, 1, bytes(32)))
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
