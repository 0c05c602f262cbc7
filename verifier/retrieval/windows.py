"""A job's windows as anyone sees them who has the chain and the evidence."""

from dataclasses import dataclass, field
from functools import cached_property, partial

import structlog

from chain.contribution import MalformedRecordError
from chain.network import Network
from chain.typed_data import SourceDomain
from verifier.node.audit import Audit, BatchOutcome
from verifier.node.examiner import EvidenceSource, fetch_or_gone
from verifier.node.openings import sampled_keys
from verifier.retrieval.learning import first_state
from verifier.retrieval.ledger import WindowLedger, retrieval_job
from verifier.retrieval.records import RetrievalJob, WindowHeader, WindowState
from verifier.retrieval.window import WindowResult, work_out
from verifier.shared.blocks import ChangedEvidenceError, Fetch, UnavailableBlockError
from verifier.workloads.errors import MalformedEvidenceError


@dataclass
class Windows:
    """Reads and works out the windows of one job.

    An index may be published after the committee has decided without it. All that a window may come to is therefore
    kept, by its payload, while it is being decided: see `look`. specification: the digest in the job's terms.
    """

    job_id: int
    ledger: WindowLedger
    domain: SourceDomain
    fetch: Fetch
    specification: bytes
    _found: dict[bytes, WindowResult] = field(default_factory=dict)

    @cached_property
    def job(self) -> RetrievalJob:
        """Whose windows these are. Raises UnavailableBlockError and MalformedRecordError."""
        return retrieval_job(self.specification, self.fetch)

    def look(self) -> None:
        """Work out the windows that are being decided on, from what is published by now."""
        for audit in self.ledger.audits(self.job_id):
            if audit.settled_block is not None:
                continue
            try:
                self._work_out(audit)
            except (MalformedEvidenceError, MalformedRecordError, UnavailableBlockError) as error:
                log = structlog.get_logger("merit.retrieval")
                log.warning("window_refused", batch=audit.batch_id.hex(), reason=str(error))

    def paid(self) -> list[WindowResult]:
        """What the settled windows came to. Raises ChangedEvidenceError where that cannot be found any more."""
        return [self._result(audit) for audit in self._settled()]

    def unadopted(self) -> list[WindowResult]:
        """Settled windows that start from what the registry holds now: their reliabilities can be adopted."""
        adopted = self.ledger.adopted()
        last = list(adopted.values())[-1] if adopted else bytes(32)
        waiting = [self._result(audit) for audit in self._settled() if audit.batch_id not in adopted]
        return [result for result in waiting if result.adopted == last]

    def next_header(self) -> tuple[WindowHeader, WindowState]:
        """How the next window starts, and from what: from the reliabilities that were adopted last.

        Of earlier windows nothing is needed, whose evidence may be gone.
        """
        adopted = list(self.ledger.adopted())
        if not adopted:
            state = first_state()
            return WindowHeader(state.window + 1, state.digest, ()), state
        (last,) = (audit for audit in self._settled() if audit.batch_id == adopted[-1])
        result = self._result(last)
        state = result.state
        return WindowHeader(state.window + 1, state.digest, tuple(result.state_proof())), state

    def is_pending(self) -> bool:
        """Whether a recorded window is not settled, or not adopted, yet: the next one cannot start."""
        return bool(self.unadopted()) or any(audit.settled_block is None for audit in self.ledger.audits(self.job_id))

    def _settled(self) -> list[Audit]:
        return [
            audit
            for audit in self.ledger.audits(self.job_id)
            if audit.outcome is BatchOutcome.PASS and audit.settled_block is not None
        ]

    def _result(self, audit: Audit) -> WindowResult:
        payload = self.ledger.payload(audit.batch_id)
        if payload not in self._found:
            self._work_out(audit)
        if payload not in self._found:
            raise ChangedEvidenceError(audit.batch_id)
        return self._found[payload]

    def _work_out(self, audit: Audit) -> None:
        if audit.round is None:
            return
        samples = sampled_keys(audit.round, audit.batch.count, self.ledger.samples(self.job_id))
        sampled = [position for position, _ in samples]
        recorded = self.ledger.recorded(audit.batch_id, audit.batch, sampled, self.fetch)
        result = work_out(self.job, self.domain, recorded, self.fetch)
        self._found[result.payload] = result


def open_windows(network: Network, evidence: EvidenceSource, job_id: int) -> Windows:
    """The windows of a job on the chain."""
    ledger, fetch = WindowLedger(network), partial(fetch_or_gone, evidence, last_call=False)
    return Windows(job_id, ledger, network.source_domain, fetch, ledger.specification(job_id))
