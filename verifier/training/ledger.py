"""What the chain says of training jobs: which rounds are adopted, what each pays, under which seed it is valued."""

from itertools import takewhile

from chain.calls import reading
from chain.contribution import Batch, Leaf, MalformedRecordError, build_batch, parse_manifest
from chain.events import Event, EventLog
from chain.network import Network
from verifier.node.audit import Audit, fold
from verifier.node.specification import Specification
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training import Adopted, Fetch, RecordedRound, UnavailableRoundError
from verifier.workloads.training_records import TrainingJob

KIND, WORKLOAD = "training", "round"


class RoundLedger:
    """Reads rounds from the chain. Raises ChainUnavailableError where that does not answer."""

    def __init__(self, network: Network) -> None:
        self._network = network

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

    def pot(self, batch: Batch) -> int:
        """What a batch of a job pays, in the token's smallest unit."""
        with reading():
            terms, _ = self._network.escrow.functions.termsOf(batch.job_id).call()
        price: int = terms[1]
        return price * batch.units

    def specification(self, job_id: int) -> bytes:
        """The digest in a job's terms."""
        with reading():
            terms, _ = self._network.escrow.functions.termsOf(job_id).call()
        return bytes(terms[-1])

    def recorded_block(self, batch_id: bytes) -> int:
        """The block in which a batch was recorded."""
        with reading():
            (found,) = self._network.court.events.Recorded().get_logs(
                from_block=self._network.deployment.block, argument_filters={"batchId": batch_id}
            )
        return int(found["blockNumber"])

    def audits(self, job_id: int) -> list[Audit]:
        """All audits of a job, in the order of their batches."""
        log = EventLog(self._network, ["AuditCourt"])
        with reading():
            events = log.fetch(self._network.deployment.block, self._network.web3.eth.block_number)
        of_batch: dict[bytes, list[Event]] = {}
        for event in events:
            if "batchId" in event.args:
                of_batch.setdefault(event.args["batchId"], []).append(event)
        audits = (fold(told) for told in of_batch.values())
        return [audit for audit in audits if audit is not None and audit.batch.job_id == job_id]

    def payload(self, batch_id: bytes) -> bytes:
        """The allocation root that the court adopted for a settled batch."""
        with reading():
            pot = self._network.escrow.functions.potOf(batch_id).call()
        return bytes(pot[0])

    def leaves(self, batch: Batch, fetch: Fetch) -> list[Leaf]:
        """Of a recorded batch. Raises UnavailableRoundError and MalformedRecordError for its manifest."""
        manifest = fetch(batch.data_hash)
        if manifest is None:
            raise UnavailableRoundError(f"Block {batch.data_hash.hex()} is gone: the manifest of the round.")
        leaves = parse_manifest(manifest)
        if build_batch(leaves, batch.deadline)[0] != batch:
            raise MalformedRecordError("The manifest is not that of the recorded batch.")
        return leaves

    def recorded(self, batch_id: bytes, batch: Batch, seed: bytes, fetch: Fetch) -> RecordedRound:
        """A batch as a round. Raises as `leaves`, and MalformedEvidenceError for one that overlaps with another.

        Two at once would start from the same state, and pay the same work twice.
        """
        if self._overlaps(batch_id, batch.job_id):
            raise MalformedEvidenceError("a round of the job was still being decided on when this one was recorded")
        leaves = self.leaves(batch, fetch)
        adopted = self.adopted(batch.job_id, self.recorded_block(batch_id))
        return RecordedRound(batch.job_id, batch_id, leaves, self.pot(batch), seed, adopted)

    def _overlaps(self, batch_id: bytes, job_id: int) -> bool:
        block = self.recorded_block(batch_id)
        earlier = takewhile(lambda audit: audit.batch_id != batch_id, self.audits(job_id))
        return any(audit.settled_block is None or audit.settled_block > block for audit in earlier)


def is_training(specification: bytes | None) -> bool:
    """Whether a specification's block is that of a training job."""
    try:
        return specification is not None and Specification.from_block(specification).kind == KIND
    except MalformedRecordError:
        return False


def training_job(specification: bytes, fetch: Fetch) -> TrainingJob:
    """The job that a specification's digest leads to. Raises UnavailableRoundError and MalformedRecordError."""
    block = fetch(specification)
    if block is None:
        raise UnavailableRoundError(f"Block {specification.hex()} is gone: the job's specification.")
    told = Specification.from_block(block)
    if (told.kind, told.workload) != (KIND, WORKLOAD):
        raise MalformedRecordError(f"The job asks for {told.kind} by {told.workload}, not for training.")
    block = fetch(told.model)
    if block is None:
        raise UnavailableRoundError(f"Block {told.model.hex()} is gone: what the job trains.")
    return TrainingJob.from_block(block)
