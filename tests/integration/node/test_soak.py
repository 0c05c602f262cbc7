"""A day of ten nodes that crash at random: every audit is settled, and nobody pays for anything but being away.

The nodes share this process, and the work that they run again is the tests' smallest; time is the chain's, moved.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chain.errors import MeritError
from chain.outbox import Outbox, Pending
from chain.sender import TransactionSender
from verifier.node.audit import BatchOutcome, Fault, Phase
from verifier.node.court import Court

from .conftest import CITY_WINDOWS

pytestmark = [pytest.mark.chain, pytest.mark.long]

# Seconds of the chain between two looks of a node.
ROUND = 300
# How often, per look, a node is killed: at a transaction, between looks, and with its machine for a while.
KILLED_SENDING, KILLED, GONE = 0.01, 0.02, 0.01
LONGEST_ABSENCE = 24


class KilledError(BaseException):
    """The process is gone: nothing may catch this."""


class CrashingSender(TransactionSender):
    """Is killed just before or just after a broadcast now and then."""

    draw: random.Random

    def _submit(self, pending: Pending) -> bool:
        if self.draw.random() < KILLED_SENDING / 2:
            raise KilledError
        is_new = super()._submit(pending)
        if self.draw.random() < KILLED_SENDING / 2:
            raise KilledError
        return is_new


@dataclass
class Member:
    """A verifier whose node comes and goes. looks: from when to when it looked undisturbed, in seconds of the chain."""

    world: Any
    account: Any
    draw: random.Random
    node: Any = None
    files: list[Any] = field(default_factory=list)
    away: int = 0
    crashes: int = 0
    looks: list[tuple[int, int]] = field(default_factory=list)

    def turn(self) -> None:
        """One look at the chain, unless the machine is away."""
        if self.away:
            self.away -= 1
            return
        chance = self.draw.random()
        if chance < GONE:
            self.away = self.draw.randint(1, LONGEST_ABSENCE)
        if chance < GONE + KILLED:
            self.kill()
            return
        try:
            if self.node is None:
                self.start()
            began = self.world.now()
            self.node.look()
            self.looks.append((began, self.world.now()))
        except KilledError:
            self.kill()
        except MeritError:
            pass  # as in the node's own loop: it is tried again

    def start(self) -> None:
        opened = len(self.world.opened)
        outbox = Outbox(self.world.folder / self.account.address / "outbox.sqlite")
        sender = CrashingSender(self.world.web3, self.account, outbox=outbox)
        sender.draw = self.draw
        court = Court(self.world.network, sender, monotonic=lambda: 0.0)
        self.node = self.world.node(self.account, court=court)
        self.files = [outbox, *self.world.opened[opened:]]
        del self.world.opened[opened:]

    def kill(self) -> None:
        self.crashes += self.node is not None
        self.node = None
        for file in self.files:
            file.close()
        self.files = []

    def looked_within(self, began: int, ended: int) -> bool:
        """Whether it had one whole look between two moments, which is enough to do its duty."""
        return any(began < since and until < ended for since, until in self.looks)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(("hours", "batches"), [(3, 60), (24, 2_000)])
def test_audits__ten_nodes_that_crash_for_hours__all_settled_and_only_absence_is_penalized(
    city: Any, hours: int, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chain.sender._FIRST_PAUSE", 0.002)  # a block is there at once
    draw = random.Random(hours)
    provider = city.provider()
    members = [Member(city, account, random.Random(draw.random())) for account in city.verifiers]
    court, rounds = city.network.court, hours * 3_600 // ROUND
    recorded: set[bytes] = set()
    outcomes: list[BatchOutcome] = []
    # When a fault could be avoided, by batch and round.
    chances: dict[tuple[bytes, int, Fault], tuple[int, int]] = {}
    penalties: list[tuple[str, tuple[bytes, int, Fault]]] = []
    memory: list[int] = []
    handed_in, read = 0, city.web3.eth.block_number + 1
    # After the last batch there are rounds enough for everything to come to its end, absences included.
    for number in range(rounds + 80):
        while number < rounds and handed_in < batches * (number + 1) // rounds:
            provider.serve(city.job_id, [city.order(handed_in, seed=handed_in)])
            handed_in += 1
        provider.look()
        for member in members:
            member.turn()
        head = city.web3.eth.block_number
        events = {
            name: [event["args"] for event in court.events[name]().get_logs(from_block=read, to_block=head)]
            for name in ("Recorded", "Drawn", "PhaseBegun", "VerifierPenalized", "Settled")
        }
        recorded |= {given["batchId"] for given in events["Recorded"]}
        for given in events["Drawn"]:
            ends = given["commitDeadline"]
            chances[given["batchId"], given["round"], Fault.ABSENT] = (ends - CITY_WINDOWS.commit, ends)
        for given in events["PhaseBegun"]:
            if given["phase"] == Phase.REVEAL:
                ends = given["deadline"]
                chances[given["batchId"], given["round"], Fault.WITHHELD] = (ends - CITY_WINDOWS.reveal, ends)
        penalties += [
            (given["verifier"], (given["batchId"], given["round"], Fault(given["fault"])))
            for given in events["VerifierPenalized"]
        ]
        outcomes += [BatchOutcome(given["outcome"]) for given in events["Settled"]]
        read = head + 1
        memory.append(resident_bytes())
        city.wait(ROUND)
        if number >= rounds and len(outcomes) == batches:
            break
    for member in members:
        member.kill()
    present = {member.account.address: member for member in members}
    print(
        f"{batches} batches in {hours} h: {sum(member.crashes for member in members)} crashes, "
        f"{len(penalties)} penalties, memory {memory[len(memory) // 4] >> 20} MiB after a quarter, "
        f"{memory[-1] >> 20} MiB at the end"
    )
    assert len(recorded) == len(outcomes) == batches
    assert set(outcomes) <= {BatchOutcome.PASS, BatchOutcome.REFUNDED}
    assert sum(member.crashes for member in members) >= hours
    for verifier, (batch_id, number, fault) in penalties:
        assert fault in (Fault.ABSENT, Fault.WITHHELD)
        assert not present[verifier].looked_within(*chances[batch_id, number, fault]), (verifier, fault)
    # What is learned once (code, terms, caches) is there after a quarter of the time; from then on nothing piles up.
    assert memory[-1] <= 1.1 * memory[len(memory) // 4]
