"""What the chain says of jobs with SHARED settlement and their batches."""

from dataclasses import dataclass

from chain.calls import reading
from chain.contribution import Batch, Leaf, MalformedRecordError, build_batch, parse_manifest
from chain.events import Event, EventLog
from chain.network import Network
from verifier.node.audit import Audit, fold
from verifier.node.specification import Specification
from verifier.shared.blocks import Fetch, needed


class SharedLedger:
    """Reads batches from the chain. Raises ChainUnavailableError where that does not answer."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def specification(self, job_id: int) -> bytes:
        """The digest in a job's terms."""
        return bytes(self._terms(job_id)[-1])

    def pot(self, batch: Batch) -> int:
        """What a batch of a job pays, in the token's smallest unit."""
        price: int = self._terms(batch.job_id)[1]
        return price * batch.units

    def samples(self, job_id: int) -> int:
        """Leaves that an audit of the job looks at."""
        return int(self._terms(job_id)[7])

    def recorded_block(self, batch_id: bytes) -> int:
        """The block in which a batch was recorded."""
        with reading():
            (found,) = self._network.court.events.Recorded().get_logs(
                from_block=self._network.deployment.block, argument_filters={"batchId": batch_id}
            )
        return int(found["blockNumber"])

    def audits(self, job_id: int) -> list[Audit]:
        """All audits of a job, in the order of their batches."""
        of_batch: dict[bytes, list[Event]] = {}
        for event in self._events("AuditCourt"):
            if "batchId" in event.args:
                of_batch.setdefault(event.args["batchId"], []).append(event)
        audits = (fold(told) for told in of_batch.values())
        return [audit for audit in audits if audit is not None and audit.batch.job_id == job_id]

    def payload(self, batch_id: bytes) -> bytes:
        """What the court adopted for a settled batch; zeros where it adopted nothing."""
        with reading():
            pot = self._network.escrow.functions.potOf(batch_id).call()
        return bytes(pot[0])

    def leaves(self, batch: Batch, fetch: Fetch) -> list[Leaf]:
        """Of a recorded batch. Raises UnavailableBlockError and MalformedRecordError for its manifest."""
        leaves = parse_manifest(needed(fetch, batch.data_hash, "the manifest of the batch"))
        if build_batch(leaves, batch.deadline)[0] != batch:
            raise MalformedRecordError("The manifest is not that of the recorded batch.")
        return leaves

    def _terms(self, job_id: int) -> tuple[int, ...]:
        with reading():
            terms, _ = self._network.escrow.functions.termsOf(job_id).call()
        return tuple(terms)

    def _events(self, contract: str, until: int | None = None) -> list[Event]:
        with reading():
            last = self._network.web3.eth.block_number if until is None else until
            return EventLog(self._network, [contract]).fetch(self._network.deployment.block, last)


@dataclass(frozen=True)
class JobKind:
    """What a specification says of jobs of one kind."""

    kind: str
    workload: str

    def specification(self, model: bytes) -> Specification:
        """Of a job of this kind; model: digest of the job's own block."""
        return Specification(self.kind, self.workload, model)

    def includes(self, specification: bytes | None) -> bool:
        """Whether a specification's block is that of a job of this kind."""
        try:
            return specification is not None and Specification.from_block(specification).kind == self.kind
        except MalformedRecordError:
            return False

    def job_block(self, specification: bytes, fetch: Fetch) -> bytes:
        """The job's own block, which a specification's digest leads to.

        Raises UnavailableBlockError and MalformedRecordError.
        """
        told = Specification.from_block(needed(fetch, specification, "the job's specification"))
        if (told.kind, told.workload) != (self.kind, self.workload):
            raise MalformedRecordError(f"The job asks for {told.kind} by {told.workload}, not for {self.kind}.")
        return needed(fetch, told.model, "what the job's specification names")


TRAINING = JobKind("training", "round")
RETRIEVAL = JobKind("retrieval", "sources")
