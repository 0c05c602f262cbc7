"""What contributors send and get back."""

from typing import Any

from pydantic import Field

from backend.fields import Address, Body, Count, Document, Hash, HexBytes, Timestamp
from chain.contribution import MAX_BATCH_LEAVES


class NewLeaf(Body):
    """One piece of work; `evidence` is the SHA-256 digest of its evidence block."""

    sequence: Count
    units: Count
    trace_root: Hash
    evidence: Hash


class Submission(Body):
    """New leaves, and the contributor's EIP-712 signature over the batch of *all* its open leaves, with the new ones.

    The batch is `[first, first + count)`, `first` as `GET /v1/jobs/{job_id}/contributors/{address}` gives it. Without
    leaves, a submission renews the signature.
    """

    job_id: Count
    contributor: Address
    first: Count
    deadline: Timestamp = Field(description="Unix seconds until which the signature is good")
    signature: HexBytes
    leaves: list[NewLeaf] = Field(max_length=MAX_BATCH_LEAVES)


class Receipt(Document):
    """The recorder's promise to bring a leaf to the chain, signed as EIP-712 `Receipt`."""

    id: Hash
    sequence: int
    received_at: int
    signature: HexBytes


class Accepted(Document):
    """Receipts in the order of the leaves, and where the contributor's next leaf goes."""

    receipts: list[Receipt]
    first: int = Field(description="number of the first leaf of the open batch")
    next: int = Field(description="number that the next leaf must have")
    recorder: Address = Field(description="whose signature the receipts bear")


class OpenLeaf(Document):
    """A leaf that waits in the open batch."""

    id: Hash
    sequence: int
    units: int
    trace_root: Hash
    evidence: Hash


class Contributor(Document):
    """The open batch of one contributor; `signature` and `deadline` are null while the leaves wait for a new one."""

    job_id: int
    contributor: Address
    first: int
    next: int
    leaves: list[OpenLeaf]
    deadline: int | None
    signature: HexBytes | None


class Step(Document):
    """One thing that happened to a contribution."""

    what: str
    time: int | None = Field(default=None, description="Unix seconds, for what happened here")
    block: int | None = Field(default=None, description="block number, for what happened on the chain")
    transaction: Hash | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class Status(Document):
    """A contribution, how far it has come, and how it got there."""

    id: Hash
    job_id: int
    contributor: Address
    sequence: int
    units: int
    trace_root: Hash
    evidence: Hash
    receipt: Receipt
    status: str = Field(description="accepted, superseded, closed, or the phase of its batch's audit")
    outcome: str | None
    batch_id: Hash | None
    timeline: list[Step]


class Reason(Document):
    """One stage of a contribution's way: `done` is null while it is not decided."""

    stage: str
    done: bool | None
    sentence: str


class Why(Document):
    """Where a contribution stands, stage by stage."""

    id: Hash
    stages: list[Reason]
