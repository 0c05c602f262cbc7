"""Whoever runs the rounds of a training job: gathers commitments, puts them on the chain, publishes what comes of it.

It is trusted with nobody's money. It cannot change a commitment that is on the chain, and everybody can work out what
each round pays. If it vanishes before a round is recorded, trainers take their commitments elsewhere; afterwards it is
not needed any more.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event as StopEvent
from threading import RLock

import structlog
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import Leaf, build_batch, content_digest
from chain.errors import MeritError
from chain.network import Network
from chain.typed_data import Domain, message_digest, sign, signer_of
from verifier.node.court import Court
from verifier.training.rounds import Rounds

# Seconds for which the signature under a batch is good, which is used at once.
_VALIDITY = 600


class CommitmentRefusedError(MeritError):
    """A commitment that cannot take part in this round."""


@dataclass(frozen=True)
class Entry:
    """A trainer's commitment for a round: the digest of its opening, in its name."""

    number: int
    trainer: ChecksumAddress
    commitment: bytes
    signature: bytes

    @classmethod
    def signed(cls, domain: Domain, account: BaseAccount, job_id: int, number: int, commitment: bytes) -> "Entry":
        """An entry in the name of `account`."""
        signature = sign(account, domain.entry(job_id, number, commitment))
        return cls(number, to_checksum_address(account.address), commitment, signature)

    def is_signed(self, domain: Domain, job_id: int) -> bool:
        """Whether the trainer that it names signed it."""
        return signer_of(domain.entry(job_id, self.number, self.commitment), self.signature) == self.trainer


@dataclass
class Organiser:
    """Gathers one round at a time. publish: puts a block into the evidence store. Safe to share between threads."""

    court: Court
    account: BaseAccount
    network: Network
    rounds: Rounds
    publish: Callable[[bytes], object]
    _commitments: dict[ChecksumAddress, bytes] = field(default_factory=dict)
    _published: bytes | None = None
    _lock: RLock = field(default_factory=RLock)

    def enter(self, entry: Entry) -> None:
        """Take in a trainer's commitment, in the order of arrival. Raises CommitmentRefusedError.

        A trainer is an account with stake, which makes many names expensive; it has one commitment in a round.
        """
        with self._lock:
            number = self.rounds.next_header()[0].number
            if self.rounds.is_pending():
                raise CommitmentRefusedError(f"Round {number} is being valued; enter the next one when it is settled.")
            if entry.number != number:
                raise CommitmentRefusedError(f"Round {entry.number} is not open; wait for round {number}.")
            if not entry.is_signed(self.rounds.domain, self.rounds.job_id):
                raise CommitmentRefusedError(f"{entry.trainer} did not sign this commitment.")
            if self._stake(entry.trainer) < self.network.vault.functions.minimumStake().call():
                raise CommitmentRefusedError(f"{entry.trainer} has too little stake; run `merit stake deposit` first.")
            if len(self._commitments) >= self.rounds.job.most_trainers:
                raise CommitmentRefusedError("The round is full; wait for the next one.")
            if self._commitments.get(entry.trainer) == entry.commitment:
                return  # told again by a trainer that did not hear the answer
            if entry.trainer in self._commitments or entry.commitment in self._commitments.values():
                raise CommitmentRefusedError("A trainer commits once in a round, to an opening that nobody else has.")
            self._commitments[entry.trainer] = entry.commitment

    @property
    def entered(self) -> int:
        """Commitments that wait for the next batch."""
        return len(self._commitments)

    def record(self) -> bytes:
        """Put the round on the chain; the batch's id. From then on its trainers may open their commitments."""
        with self._lock:
            batch_id = self._record()
            self._commitments.clear()
        return batch_id

    def _record(self) -> bytes:
        header, state = self.rounds.next_header()
        job = self.rounds.job
        self.publish(state.to_block())
        self.publish(header.to_block())
        first = self.court.next_leaf(self.rounds.job_id)
        digests = [content_digest(header.to_block()), *self._commitments.values()]
        leaves = [
            Leaf(self.rounds.job_id, self.court.address, first + i, job.units if i == 0 else 0, bytes(32), digest)
            for i, digest in enumerate(digests)
        ]
        batch, manifest = build_batch(leaves, self.court.now().timestamp + _VALIDITY)
        self.publish(manifest)
        message = self.rounds.domain.batch(batch)
        self.court.record(batch, sign(self.account, message))
        return message_digest(message)

    def _stake(self, trainer: ChecksumAddress) -> int:
        active: int = self.network.vault.functions.stakeOf(trainer).call()[0]
        return active

    def look(self) -> None:
        """Work out rounds that were drawn, and publish what the last adopted one leaves behind."""
        with self._lock:
            self.rounds.look()
            adopted = self.rounds.adopted_result()
        if adopted is not None and adopted.batch_id != self._published:
            self.publish(adopted.parameters)
            self.publish(adopted.state.to_block())
            self._published = adopted.batch_id

    def run(self, stop: StopEvent, gather: float, pause: float = 1.0) -> None:
        """Hold one round after the other until `stop` is set, each with whoever enters within `gather` seconds."""
        log = structlog.get_logger("merit.organiser").bind(job=self.rounds.job_id)
        started = time.monotonic()
        while not stop.is_set():
            try:
                self.look()
                if self.rounds.is_pending():
                    started = time.monotonic()
                elif self.entered and time.monotonic() - started >= gather:
                    log.info("round_recorded", trainers=self.entered, batch=self.record().hex())
            except MeritError as error:
                log.warning("look_failed", reason=str(error))
            stop.wait(pause)
