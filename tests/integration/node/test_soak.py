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
from verifier.node.audit import BatchOutcome, Fault
from verifier.node.court import Court

pytestmark = [pytest.mark.chain, pytest.mark.long]

# Seconds of the chain between two looks of a node.
ROUND = 300
# How often, per look, a node is killed: at a transaction, between looks, and with its machine for a while.
KILLED_SENDING, KILLED, GONE = 0.01, 0.02, 0.01
LONGEST_ABSENCE = 24
# The shortest phase in which a member has a duty.
PHASE = 1_800


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
    """A verifier whose node comes and goes. absences: when its machine was away, in seconds of the chain."""

    world: Any
    account: Any
    draw: random.Random
    node: Any = None
    files: list[Any] = field(default_factory=list)
    away: int = 0
    crashes: int = 0
    absences: list[tuple[int, int]] = field(default_factory=list)

    def turn(self, now: int) -> None:
        """One look at the chain, unless the machine is away."""
        if self.away:
            self.away -= 1
            return
        chance = self.draw.random()
        if chance < GONE:
            self.away = self.draw.randint(1, LONGEST_ABSENCE)
            self.absences.append((now, now + (self.away + 1) * ROUND))
        if chance < GONE + KILLED:
            self.kill()
            return
        try:
            if self.node is None:
                self.start()
            self.node.look()
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

    def explains(self, began: int, ended: int) -> bool:
        """Whether the machine was away for most of a phase between two moments."""
        return any(min(ended, until) - max(began, since) >= PHASE - 2 * ROUND for since, until in self.absences)


def resident_bytes() -> int:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize(("hours", "batches"), [(3, 60), (24, 2_000)])
def test_audits__ten_nodes_that_crash_for_hours__all_settled_and_only_absence_is_penalized(
    city: Any, hours: int, batches: int
) -> None:
    draw = random.Random(hours)
    provider = city.provider()
    members = [Member(city, account, random.Random(draw.random())) for account in city.verifiers]
    court, rounds = city.network.court, hours * 3_600 // ROUND
    began: dict[bytes, int] = {}
    ended: dict[bytes, int] = {}
    outcomes: list[BatchOutcome] = []
    penalties: list[tuple[bytes, str, Fault, int]] = []
    memory: list[int] = []
    handed_in, read = 0, city.web3.eth.block_number + 1
    # After the last batch there are rounds enough for everything to come to its end, absences included.
    for number in range(rounds + 80):
        now = city.web3.eth.get_block("latest")["timestamp"]
        while number < rounds and handed_in < batches * (number + 1) // rounds:
            provider.serve(city.job_id, [city.order(handed_in, seed=handed_in)])
            handed_in += 1
        provider.look()
        for member in members:
            member.turn(now)
        head = city.web3.eth.block_number
        for log in court.events.Recorded().get_logs(from_block=read, to_block=head):
            began[log["args"]["batchId"]] = now
        for log in court.events.VerifierPenalized().get_logs(from_block=read, to_block=head):
            given = log["args"]
            penalties.append((given["batchId"], given["verifier"], Fault(given["fault"]), now))
        for log in court.events.Settled().get_logs(from_block=read, to_block=head):
            ended[log["args"]["batchId"]] = now
            outcomes.append(BatchOutcome(log["args"]["outcome"]))
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
    assert len(began) == len(outcomes) == batches
    assert set(outcomes) <= {BatchOutcome.PASS, BatchOutcome.REFUNDED}
    assert sum(member.crashes for member in members) >= hours
    for batch_id, verifier, fault, when in penalties:
        assert fault in (Fault.ABSENT, Fault.WITHHELD)
        assert present[verifier].explains(began[batch_id], when), (verifier, fault, present[verifier].absences)
    # What is learned once (code, terms, caches) is there after a quarter of the time; from then on nothing piles up.
    assert memory[-1] <= 1.1 * memory[len(memory) // 4]
