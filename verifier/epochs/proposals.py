"""Proposals and the questions put to them, as the oracle keeps them."""

from dataclasses import dataclass
from enum import IntEnum

from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from chain.calls import read
from chain.network import Network

_NOBODY = "0x" + 40 * "0"
# In place of a row's index in the identity of a question for a diagonal.
_DIAGONAL = 2**256 - 1


class Status(IntEnum):
    """`IReputationOracle.Status`."""

    NONE = 0
    LIVE = 1
    FINAL = 2
    VOID = 3


class DisputeStatus(IntEnum):
    """`IReputationOracle.DisputeStatus`."""

    NONE = 0
    OPEN = 1
    ANSWERED = 2
    SETTLED = 3


@dataclass(frozen=True)
class Proposal:
    """`IReputationOracle.Proposal` of an epoch; times are those of blocks, in seconds."""

    epoch: int
    rows_root: bytes
    proposer: ChecksumAddress
    finalizable_at: int
    row_count: int
    status: Status
    attempt: int
    extended_until: int
    open_disputes: int

    @classmethod
    def read(cls, network: Network, epoch: int) -> "Proposal":
        """As it is now."""
        root, proposer, finalizable_at, count, status, *rest = read(network.oracle.functions.proposalOf(epoch))
        return cls(epoch, bytes(root), proposer, finalizable_at, count, Status(status), *rest)

    @property
    def closes_at(self) -> int:
        """When nothing more can be disputed."""
        return max(self.finalizable_at, self.extended_until)


@dataclass(frozen=True)
class Question:
    """A dispute: for the row at an index of the tree of `subject` (None for the scores), or for its diagonal."""

    epoch: int
    attempt: int
    subject: ChecksumAddress | None
    index: int | None  # None for the diagonal

    @property
    def id(self) -> bytes:
        """As `IReputationOracle.disputeId`."""
        index = _DIAGONAL if self.index is None else self.index
        words = (self.epoch, self.attempt, int(self.subject or _NOBODY, 16), index)
        return keccak(b"".join(word.to_bytes(32, "big") for word in words))


@dataclass(frozen=True)
class Dispute:
    """`IReputationOracle.Dispute`: who asked, until when it must be answered, and with which tree it was."""

    challenger: ChecksumAddress
    deadline: int
    status: DisputeStatus
    root: bytes

    @classmethod
    def read(cls, network: Network, question: Question) -> "Dispute":
        """As it is now."""
        challenger, deadline, _, _, status, _, root = read(network.oracle.functions.disputeOf(question.id))
        return cls(challenger, deadline, DisputeStatus(status), bytes(root))


def subject_argument(subject: ChecksumAddress | None) -> str:
    """A tree's subject as the oracle's calls take it."""
    return subject or _NOBODY
