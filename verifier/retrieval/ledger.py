"""What the chain says of retrieval jobs: which windows there are, what each pays, what stood when it was recorded."""

from collections.abc import Collection

from chain.calls import reading
from chain.contribution import Batch, Leaf, MalformedRecordError, build_batch, parse_manifest
from chain.events import Event, EventLog
from chain.network import Network
from verifier.node.audit import Audit, fold
from verifier.node.specification import Specification
from verifier.retrieval.book import SourceBook
from verifier.retrieval.records import RetrievalJob
from verifier.retrieval.window import Fetch, RecordedWindow, UnavailableWindowError

KIND, WORKLOAD = "retrieval", "sources"


class WindowLedger:
    """Reads windows from the chain. Raises ChainUnavailableError where that does not answer."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def specification(self, job_id: int) -> bytes:
        """The digest in a job's terms."""
        with reading():
            terms, _ = self._network.escrow.functions.termsOf(job_id).call()
        return bytes(terms[-1])

    def samples(self, job_id: int) -> int:
        """Leaves that an audit of the job looks at."""
        with reading():
            terms, _ = self._network.escrow.functions.termsOf(job_id).call()
        return int(terms[7])

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

    def adopted(self) -> dict[bytes, bytes]:
        """Roots of reliabilities by the batch that they were adopted from, in that order."""
        return {
            event.args["batchId"]: event.args["reliabilities"]
            for event in self._events("SourceRegistry")
            if event.name == "Adopted"
        }

    def recorded(self, batch_id: bytes, batch: Batch, sampled: Collection[int], fetch: Fetch) -> RecordedWindow:
        """A batch as a window. Raises UnavailableWindowError and MalformedRecordError for its manifest."""
        manifest = fetch(batch.data_hash)
        if manifest is None:
            raise UnavailableWindowError(f"Block {batch.data_hash.hex()} is gone: the manifest of the window.")
        leaves: list[Leaf] = parse_manifest(manifest)
        if build_batch(leaves, batch.deadline)[0] != batch:
            raise MalformedRecordError("The manifest is not that of the recorded batch.")
        with reading():
            (told,) = self._network.court.events.Recorded().get_logs(
                from_block=self._network.deployment.block, argument_filters={"batchId": batch_id}
            )
            terms, _ = self._network.escrow.functions.termsOf(batch.job_id).call()
        # The block before: what is in the same block may have come after the batch.
        before = int(told["blockNumber"]) - 1
        book = SourceBook(self._network)
        book.advance(before)
        ranks = self._ranks(before)
        return RecordedWindow(
            job_id=batch.job_id,
            batch_id=batch_id,
            leaves=leaves,
            pot=terms[1] * batch.units,
            sampled=sampled,
            adopted=book.reliabilities,
            sources=book.sources,
            ranks={source_id: ranks.get(source.owner, 0) for source_id, source in book.sources.items()},
        )

    def ranks(self) -> dict[str, int]:
        """The MeritRank of each account that has checked it in."""
        return self._ranks(None)

    def _ranks(self, until: int | None) -> dict[str, int]:
        return {
            event.args["account"]: event.args["score"]
            for event in self._events("ReputationOracle", until)
            if event.name == "CheckedIn"
        }

    def _events(self, contract: str, until: int | None = None) -> list[Event]:
        with reading():
            last = self._network.web3.eth.block_number if until is None else until
            return EventLog(self._network, [contract]).fetch(self._network.deployment.block, last)


def is_retrieval(specification: bytes | None) -> bool:
    """Whether a specification's block is that of a retrieval job."""
    try:
        return specification is not None and Specification.from_block(specification).kind == KIND
    except MalformedRecordError:
        return False


def retrieval_job(specification: bytes, fetch: Fetch) -> RetrievalJob:
    """The job that a specification's digest leads to. Raises UnavailableWindowError and MalformedRecordError."""
    block = fetch(specification)
    if block is None:
        raise UnavailableWindowError(f"Block {specification.hex()} is gone: the job's specification.")
    told = Specification.from_block(block)
    if (told.kind, told.workload) != (KIND, WORKLOAD):
        raise MalformedRecordError(f"The job asks for {told.kind} by {told.workload}, not for retrieval.")
    block = fetch(told.model)
    if block is None:
        raise UnavailableWindowError(f"Block {told.model.hex()} is gone: whose word counts in the job.")
    return RetrievalJob.from_block(block)
