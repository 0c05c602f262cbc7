"""What the chain says of retrieval jobs: which windows there are, what each pays, what stood when it was recorded."""

from collections.abc import Collection

from chain.contribution import Batch
from verifier.retrieval.book import SourceBook
from verifier.retrieval.records import RetrievalJob
from verifier.retrieval.window import RecordedWindow
from verifier.shared.blocks import Fetch
from verifier.shared.ledger import RETRIEVAL, SharedLedger


class WindowLedger(SharedLedger):
    """Reads windows from the chain. Raises ChainUnavailableError where that does not answer."""

    def adopted(self) -> dict[bytes, bytes]:
        """Roots of reliabilities by the batch that they were adopted from, in that order."""
        return {
            event.args["batchId"]: event.args["reliabilities"]
            for event in self._events("SourceRegistry")
            if event.name == "Adopted"
        }

    def recorded(self, batch_id: bytes, batch: Batch, sampled: Collection[int], fetch: Fetch) -> RecordedWindow:
        """A batch as a window. Raises as `leaves`."""
        leaves = self.leaves(batch, fetch)
        # The block before: what is in the same block may have come after the batch.
        before = self.recorded_block(batch_id) - 1
        book = SourceBook(self._network)
        book.advance(before)
        ranks = self._ranks(before)
        return RecordedWindow(
            job_id=batch.job_id,
            batch_id=batch_id,
            leaves=leaves,
            pot=self.pot(batch),
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


def retrieval_job(specification: bytes, fetch: Fetch) -> RetrievalJob:
    """The job that a specification's digest leads to. Raises as `JobKind.job_block`."""
    return RetrievalJob.from_block(RETRIEVAL.job_block(specification, fetch))
