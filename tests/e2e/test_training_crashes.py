"""Rounds whose trainer and organiser are killed at every write and transaction; and of which one vanishes for good."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from chain.job_terms import Terms
from chain.network import Network
from chain.sender import TransactionSender
from tests.e2e.training_world import HONEST, POT, World, honest_trainers, world
from verifier.node.audit import BatchOutcome
from verifier.node.evidence import EvidenceMissingError
from verifier.training.organiser import Organiser
from verifier.training.trainer import Trainer
from verifier.workloads.training_records import Opening

__all__ = ["world"]  # the fixture
pytestmark = pytest.mark.chain

_Found = TypeVar("_Found")


class KilledError(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class Accidents:
    """Kills once at every point that is passed."""

    met: set[str] = field(default_factory=set)

    def point(self, name: str) -> None:
        if name not in self.met:
            self.met.add(name)
            raise KilledError(name)

    def around(self, name: str, act: Callable[..., _Found]) -> Callable[..., _Found]:
        def dangerous(*given: Any) -> _Found:
            self.point(f"before {name}")
            found = act(*given)
            self.point(f"after {name}")
            return found

        return dangerous


@dataclass
class Stage:
    """An organiser and a trainer that are started anew, from their files and the chain, whenever they were killed."""

    world: World
    accidents: Accidents
    organiser: Organiser
    trainers: list[Trainer]

    def start_organiser(self) -> None:
        self.organiser = self.world.organiser()
        self.organiser.publish = self.accidents.around("organiser publishes", self.organiser.publish)

    def started(self, trainer: Trainer) -> Trainer:
        """The first one is the victim of accidents."""
        trainer = replace(trainer, rounds=self.world.rounds(), enter=self.organiser.enter)
        if trainer.address != self.trainers[0].address:
            return trainer
        return replace(
            trainer,
            enter=self.accidents.around("trainer enters", trainer.enter),
            publish=self.accidents.around("trainer publishes", trainer.publish),
        )

    def insist(self, act: Callable[[], _Found]) -> _Found:
        while True:
            try:
                return act()
            except KilledError:
                continue

    def hold(self) -> None:
        """Enter everybody and record, unless that has happened: what programs do that look again and again."""
        self.start_organiser()
        if not self.organiser.rounds.is_pending():
            for trainer in self.trainers:
                self.insist(partial(self.enter, trainer))
            self.organiser.record()

    def enter(self, trainer: Trainer) -> None:
        self.started(trainer).take_part()

    def look(self) -> None:
        """As `Organiser.look`."""
        try:
            self.organiser.look()
        except KilledError:
            self.start_organiser()


def endanger(files: Path, senders: set[str], accidents: Accidents, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points around every change of `files` and every transaction of `senders`."""

    def changing(name: str) -> Callable[..., Any]:
        change = getattr(Path, name)

        def dangerous(path: Path, *given: Any, **named: Any) -> Any:
            if not path.is_relative_to(files) or path == files:
                return change(path, *given, **named)
            accidents.point(f"before {name} {path.suffixes}")
            if name == "write_bytes":
                change(path, given[0][:7])
                accidents.point(f"half of {name} {path.suffixes}")
            found = change(path, *given, **named)
            accidents.point(f"after {name} {path.suffixes}")
            return found

        return dangerous

    for name in ("write_bytes", "replace", "unlink"):
        monkeypatch.setattr(Path, name, changing(name))
    send = TransactionSender.send

    def dangerous_send(sender: TransactionSender, call: Any) -> Any:
        if sender.address not in senders:
            return send(sender, call)
        return accidents.around(f"sending {call.fn_name}", send)(sender, call)

    monkeypatch.setattr(TransactionSender, "send", dangerous_send)


def commitments(world: World) -> Counter[str]:
    """How many commitments of the job each trainer has on the chain."""
    rounds = world.rounds()
    found: Counter[str] = Counter()
    for audit in rounds.ledger.audits(world.job_id):
        leaves = rounds.ledger.leaves(audit.batch, world.fetch)
        found.update(Opening.from_block(world.shelf.fetch(leaf.evidence)).trainer for leaf in leaves[1:])
    return found


def credit(network: Network, trainers: list[Trainer]) -> list[int]:
    return [network.escrow.functions.creditOf(trainer.address).call() for trainer in trainers]


def test_round__trainer_and_organiser_killed_at_every_step__each_commits_once_and_is_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser = world.organiser()
    stage = Stage(world, Accidents(), organiser, honest_trainers(world, organiser))
    victim, *others = stage.trainers
    senders = {organiser.account.address, *(trainer.address for trainer in stage.trainers)}
    endanger(victim.folder, senders, stage.accidents, monkeypatch)

    stage.insist(stage.hold)
    stage.insist(lambda: stage.started(victim).open())
    for trainer in others:
        stage.started(trainer).open()
    world.settle(stage)
    for trainer in stage.trainers:
        stage.insist(stage.started(trainer).claim)

    assert commitments(world) == {trainer.address: 1 for trainer in stage.trainers}
    (result,) = world.rounds().paid()
    earned = [result.shares.get(trainer.address, 0) for trainer in stage.trainers]
    assert credit(world.network, stage.trainers) == earned
    assert sum(earned) == POT
    assert list(victim.folder.iterdir()) == []
    happened = {name for name in stage.accidents.met if name.startswith(("before", "half"))}
    assert happened == {
        "before write_bytes ['.update', '.partial']",
        "half of write_bytes ['.update', '.partial']",
        "before replace ['.update', '.partial']",
        "before write_bytes ['.opening', '.partial']",
        "half of write_bytes ['.opening', '.partial']",
        "before replace ['.opening', '.partial']",
        "before unlink ['.opening']",
        "before unlink ['.update']",
        "before trainer enters",
        "before trainer publishes",
        "before organiser publishes",
        "before sending record",
        "before sending claim",
    }


def test_round__recorded_again_before_it_is_settled__is_paid_once(world: World) -> None:
    """By an organiser that forgot, or pays its friends twice for the same commitments."""
    organiser, forgetful = world.organiser(), world.organiser()
    trainers = honest_trainers(world, organiser)
    for trainer in trainers:
        trainer.take_part()
        replace(trainer, enter=forgetful.enter).take_part()
    first, again = organiser.record(), forgetful.record()
    for trainer in trainers:
        trainer.open()
    world.settle(organiser)
    outcomes = {audit.batch_id: audit.outcome for audit in organiser.rounds.ledger.audits(world.job_id)}
    assert outcomes == {first: BatchOutcome.PASS, again: BatchOutcome.FRAUD}
    assert sum(trainer.claim() for trainer in trainers) == POT


def test_round__organiser_gone_once_it_has_recorded__everyone_is_paid(world: World) -> None:
    organiser = world.organiser()
    trainers = honest_trainers(world, organiser)
    for trainer in trainers:
        trainer.take_part()
    organiser.record()
    alone = [replace(trainer, rounds=world.rounds()) for trainer in trainers]
    for trainer in alone:
        trainer.open()
    world.settle(alone[0].rounds)
    assert sum(trainer.claim() for trainer in alone) == POT


@pytest.mark.parametrize("gone", ["the owner's data", "the organiser's header", "the organiser's manifest"])
def test_round__what_has_to_be_published_vanishes__the_pot_is_refundable(
    world: World, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser = world.organiser()
    trainers = honest_trainers(world, organiser)
    terms, free, *_ = world.network.escrow.functions.jobOf(world.job_id).call()
    for trainer in trainers:
        trainer.take_part()
    batch_id = organiser.record()
    for trainer in trainers:
        trainer.open()
    (audit,) = organiser.rounds.ledger.audits(world.job_id)
    names = {
        "the owner's data": organiser.rounds.job.data,
        "the organiser's header": organiser.rounds.ledger.leaves(audit.batch, world.fetch)[0].evidence,
        "the organiser's manifest": audit.batch.data_hash,
    }
    fetch = world.shelf.fetch

    def fetch_of_what_is_left(digest: bytes) -> bytes:
        if digest == names[gone]:
            raise EvidenceMissingError(f"No block {digest.hex()} is left.")
        return fetch(digest)

    monkeypatch.setattr(world.shelf, "fetch", fetch_of_what_is_left)
    world.settle(Nobody())
    (audit,) = world.rounds().ledger.audits(world.job_id)
    assert audit.outcome is BatchOutcome.UNAVAILABLE
    assert world.network.escrow.functions.potOf(batch_id).call()[0] == bytes(32)
    _, left, reserved, *_ = world.network.escrow.functions.jobOf(world.job_id).call()
    assert (left, reserved) == (free - Terms(*terms).audit_fee, 0)
    assert credit(world.network, trainers) == [0] * HONEST


class Nobody:
    """Who looks on in the place of an organiser that is gone."""

    def look(self) -> None: ...
