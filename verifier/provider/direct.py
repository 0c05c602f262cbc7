"""Recording without a recorder: a contributor that signs its own batches can bring them to the chain by itself."""

from collections.abc import Callable, Sequence

from eth_account.signers.base import BaseAccount

from chain.contribution import Leaf, build_batch
from chain.typed_data import Domain, sign
from verifier.node.court import Court

# Seconds for which the signature is good: the batch is recorded at once.
_VALIDITY = 600


class DirectRecorder:
    """A `Recorder` that records each submission as a batch of its own."""

    def __init__(self, court: Court, domain: Domain, account: BaseAccount, publish: Callable[[bytes], object]) -> None:
        self._court = court
        self._domain = domain
        self._account = account
        self._publish = publish

    def publish(self, block: bytes) -> None:
        """Store an evidence block where verifiers look for it."""
        self._publish(block)

    def submit(self, leaves: Sequence[Leaf]) -> None:
        """Sign and record a batch over `leaves`."""
        batch, manifest = build_batch(leaves, self._court.now().timestamp + _VALIDITY)
        self._publish(manifest)
        self._court.record(batch, sign(self._account, self._domain.batch(batch)))
