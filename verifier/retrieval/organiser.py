"""Whoever holds the windows of a retrieval job: puts the records of its queries on the chain, and what comes of them.

It is trusted with nobody's money: it can leave queries out, but it cannot change a source's answer or a judge's word,
and whoever has the evidence can work out what each window pays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eth_account.signers.base import BaseAccount

from chain.contribution import MAX_BATCH_LEAVES, Leaf, build_batch, content_digest
from chain.errors import MeritError
from chain.sender import TransactionSender
from chain.typed_data import message_digest, sign
from verifier.node.court import Court
from verifier.retrieval.book import SourceBook
from verifier.retrieval.records import QueryRecord
from verifier.retrieval.window import WindowResult, check_record
from verifier.retrieval.windows import Windows

# A window's first leaf is its header.
MOST_RECORDS = MAX_BATCH_LEAVES - 1
# Seconds for which the signature under a batch is good, which is used at once.
_VALIDITY = 600


class WindowRefusedError(MeritError):
    """A window that cannot be recorded now."""


@dataclass
class Organiser:
    """Holds one job's windows, one after the other. publish: puts a block into the evidence store."""

    court: Court
    account: BaseAccount
    sender: TransactionSender
    book: SourceBook
    windows: Windows
    publish: Callable[[bytes], object]

    def record(self, records: Sequence[QueryRecord]) -> bytes:
        """Put a window on the chain; the batch's id. Raises WindowRefusedError, MalformedEvidenceError."""
        if not 0 < len(records) <= MOST_RECORDS:
            raise WindowRefusedError(f"A window holds 1 to {MOST_RECORDS} queries, not {len(records)}.")
        if self.windows.is_pending():
            raise WindowRefusedError("The last window is not settled and adopted yet; record the next one after it.")
        header, state = self.windows.next_header()
        job, job_id, domain = self.windows.job, self.windows.job_id, self.windows.domain
        self.book.advance()
        for record in records:
            check_record(record, header.window, job_id, job, domain, self.book.sources)
        self.publish(state.to_block())
        blocks = [header.to_block(), *(record.to_block() for record in records)]
        for block in blocks:
            self.publish(block)
        first = self.court.next_leaf(job_id)
        leaves = [
            Leaf(job_id, self.court.address, first + i, job.units if i == 0 else 0, bytes(32), content_digest(block))
            for i, block in enumerate(blocks)
        ]
        batch, manifest = build_batch(leaves, self.court.now().timestamp + _VALIDITY)
        self.publish(manifest)
        message = self.book.network.domain.batch(batch)
        self.court.record(batch, sign(self.account, message))
        return message_digest(message)

    def adopt(self) -> WindowResult | None:
        """Have the registry adopt what a settled window came to, and check its active sources in; None if none is due.

        Anyone may do this; the organiser does because its next window starts from there.
        """
        due = self.windows.unadopted()
        if not due:
            return None
        result, registry = due[0], self.book.network.sources.functions
        self.publish(result.state.to_block())
        self.sender.send(registry.adopt(result.batch_id, result.reliabilities_root, result.shares_root))
        self.book.advance()
        for source_id, reliability in result.reliabilities.items():
            if self.book.sources[source_id].active:
                self.sender.send(registry.checkIn(source_id, reliability, result.reliability_proof(source_id)))
        return result
