"""What a committee member is asked to examine."""

from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.contribution import Batch
from verifier.node.audit import Round
from verifier.node.journal import Draw


@dataclass(frozen=True)
class JobTerms:
    """What an audit needs of a job; it never changes.

    specification: SHA-256 digest. audit_fee: in the token's smallest unit. fee_rate: the network's part of what a
    committee shares, in basis points.
    """

    requester: ChecksumAddress
    shared: bool
    samples: int
    words: int
    committee_size: int
    audit_fee: int
    fee_rate: int
    specification: bytes


@dataclass(frozen=True)
class Assignment:
    """One audit for one committee."""

    batch_id: bytes
    batch: Batch
    drawn: Round
    terms: JobTerms

    @property
    def draw(self) -> Draw:
        """The drawing that this is about."""
        return Draw(self.batch_id, self.drawn.number, self.drawn.seed)

    @property
    def samples(self) -> int:
        """Leaves that are looked at."""
        return min(self.terms.samples, self.batch.count)
