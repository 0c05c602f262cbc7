"""What the chain says of training jobs: which rounds are adopted, what each pays, under which seed it is valued."""

from itertools import takewhile

from chain.calls import reading
from chain.contribution import Batch
from verifier.shared.blocks import Fetch
from verifier.shared.ledger import SharedLedger
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.recorded_round import Adopted, RecordedRound


class RoundLedger(SharedLedger):
    """Reads rounds from the chain. Raises ChainUnavailableError where that does not answer."""

    def adopted(self, job_id: int, before: int | None = None) -> Adopted | None:
        """The job's last batch with a payload, in a block up to `before`; None if there is none."""
        with reading():
            filled = self._network.escrow.events.PotFilled().get_logs(
                from_block=self._network.deployment.block,
                to_block="latest" if before is None else before,
                argument_filters={"jobId": job_id},
            )
        if not filled:
            return None
        last = max(filled, key=lambda log: (log["blockNumber"], log["logIndex"]))["args"]
        return Adopted(bytes(last["batchId"]), bytes(last["root"]))

    def recorded(self, batch_id: bytes, batch: Batch, seed: bytes, fetch: Fetch) -> RecordedRound:
        """A batch as a round. Raises as `leaves`, and MalformedEvidenceError for one that overlaps with another.

        Two at once would start from the same state, and pay the same work twice.
        """
        block = self.recorded_block(batch_id)
        if self._overlaps(batch_id, batch.job_id, block):
            raise MalformedEvidenceError("a round of the job was still being decided on when this one was recorded")
        leaves = self.leaves(batch, fetch)
        return RecordedRound(batch.job_id, batch_id, leaves, self.pot(batch), seed, self.adopted(batch.job_id, block))

    def _overlaps(self, batch_id: bytes, job_id: int, block: int) -> bool:
        earlier = takewhile(lambda audit: audit.batch_id != batch_id, self.audits(job_id))
        return any(audit.settled_block is None or audit.settled_block > block for audit in earlier)
