"""The two ways in: through a recorder's API, or straight to the chain."""

from collections.abc import Callable, Sequence
from typing import Protocol

from eth_account.signers.base import BaseAccount

from chain.client import MeritClient, UntrustworthyServiceError, Work
from chain.contribution import Leaf, build_batch
from chain.typed_data import Domain, sign
from verifier.node.court import Court

# Seconds for which a signature is good that is used at once.
_VALIDITY = 600


class Recorder(Protocol):
    """Where evidence is published and leaves are handed in."""

    def publish(self, block: bytes) -> None:
        """Store a block where verifiers look for it."""

    def next_number(self, job_id: int) -> int:
        """The number that the contributor's next leaf must have."""

    def submit(self, leaves: Sequence[tuple[Leaf, bytes]]) -> None:
        """Hand in leaves of one job, the first numbered `next_number`, each with its evidence block."""


class ApiRecorder:
    """A recorder's API, which gathers leaves into batches and pays for their recording."""

    def __init__(self, client: MeritClient, contributor: str) -> None:
        self._client = client
        self._contributor = contributor

    def publish(self, block: bytes) -> None:
        """Store a block where verifiers look for it."""
        self._client.put_evidence(block)

    def next_number(self, job_id: int) -> int:
        """The number that the contributor's next leaf must have."""
        number: int = self._client.contributor(job_id, self._contributor)["next"]
        return number

    def submit(self, leaves: Sequence[tuple[Leaf, bytes]]) -> None:
        """Hand in leaves; raises `UntrustworthyServiceError` where a receipt is for another leaf."""
        works = [Work(leaf.units, leaf.trace_root, block) for leaf, block in leaves]
        receipts = self._client.submit(leaves[0][0].job_id, works)
        for (leaf, _), receipt in zip(leaves, receipts, strict=True):
            if receipt.leaf != leaf:
                raise UntrustworthyServiceError(
                    f"The recorder took number {leaf.sequence} of job {leaf.job_id} as {receipt.leaf.sequence}; "
                    "another program submits with the same key: stop it."
                )


class DirectRecorder:
    """No recorder: each submission is signed and recorded as a batch of its own."""

    def __init__(self, court: Court, domain: Domain, account: BaseAccount, publish: Callable[[bytes], object]) -> None:
        self._court = court
        self._domain = domain
        self._account = account
        self._publish = publish

    def publish(self, block: bytes) -> None:
        """Store a block where verifiers look for it."""
        self._publish(block)

    def next_number(self, job_id: int) -> int:
        """The number that the contributor's next leaf must have."""
        return self._court.next_leaf(job_id)

    def submit(self, leaves: Sequence[tuple[Leaf, bytes]]) -> None:
        """Record a batch over `leaves`."""
        batch, manifest = build_batch([leaf for leaf, _ in leaves], self._court.now().timestamp + _VALIDITY)
        for _, block in leaves:
            self._publish(block)
        self._publish(manifest)
        self._court.record(batch, sign(self._account, self._domain.batch(batch)))
