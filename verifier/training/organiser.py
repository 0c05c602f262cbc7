"""Whoever runs the rounds of a training job: gathers commitments, puts them on the chain, publishes what comes of it.

It is trusted with nobody's money. It cannot change a commitment that is on the chain, and everybody can work out what
each round pays. If it vanishes before a round is recorded, trainers take their commitments elsewhere; afterwards it is
not needed any more.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from eth_account.signers.base import BaseAccount

from chain.contribution import Leaf, build_batch, content_digest
from chain.errors import MeritError
from chain.typed_data import message_digest, sign
from verifier.node.court import Court
from verifier.training.rounds import Rounds

# Seconds for which the signature under a batch is good, which is used at once.
_VALIDITY = 600


class CommitmentRefusedError(MeritError):
    """A commitment that cannot take part in this round."""


@dataclass
class Organiser:
    """Gathers one round at a time. publish: puts a block into the evidence store."""

    court: Court
    account: BaseAccount
    rounds: Rounds
    publish: Callable[[bytes], object]
    _commitments: list[bytes] = field(default_factory=list)

    def commit(self, commitment: bytes) -> int:
        """Take in the digest of an opening; its place in the order. Raises CommitmentRefusedError."""
        if len(commitment) != 32 or commitment in self._commitments:
            raise CommitmentRefusedError("A commitment is a digest of 32 bytes that nobody else has committed to.")
        self._commitments.append(commitment)
        return len(self._commitments)

    def record(self) -> bytes:
        """Put the round on the chain; the batch's id. From then on its trainers may open their commitments."""
        header, state = self.rounds.next_header()
        job = self.rounds.job
        self.publish(state.to_block())
        self.publish(header.to_block())
        first = self.court.next_leaf(self.rounds.job_id)
        digests = [content_digest(header.to_block()), *self._commitments]
        leaves = [
            Leaf(self.rounds.job_id, self.court.address, first + i, job.units if i == 0 else 0, bytes(32), digest)
            for i, digest in enumerate(digests)
        ]
        batch, manifest = build_batch(leaves, self.court.now().timestamp + _VALIDITY)
        self.publish(manifest)
        message = self.rounds.domain.batch(batch)
        self.court.record(batch, sign(self.account, message))
        self._commitments.clear()
        return message_digest(message)

    def look(self) -> None:
        """Work out rounds that were drawn, and publish what the last adopted one leaves behind."""
        self.rounds.look()
        adopted = self.rounds.adopted_result()
        if adopted is not None:
            self.publish(adopted.parameters)
            self.publish(adopted.state.to_block())
