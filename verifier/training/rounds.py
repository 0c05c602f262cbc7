"""A job's rounds as anyone sees them who has the chain and the evidence."""

from dataclasses import dataclass, field
from functools import cached_property

import structlog

from chain.contribution import MalformedRecordError
from chain.errors import MeritError
from chain.network import Network
from chain.typed_data import Domain
from verifier.node.audit import Audit, BatchOutcome
from verifier.node.evidence import EvidenceMissingError
from verifier.node.examiner import EvidenceSource
from verifier.training.ledger import RoundLedger, training_job
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training import Fetch, RoundResult, UnavailableRoundError, first_state, work_out
from verifier.workloads.training_records import RoundHeader, RoundState, TrainingJob


class ChangedEvidenceError(MeritError):
    """The evidence of an adopted round is not what its committee saw."""


@dataclass
class Rounds:
    """Reads and works out the rounds of one job.

    A commitment may be opened after the committee has decided without it. Results are therefore worked out when a round
    is drawn, and kept: see `look`. specification: the digest in the job's terms.
    """

    job_id: int
    ledger: RoundLedger
    domain: Domain
    fetch: Fetch
    specification: bytes
    _results: dict[tuple[bytes, bytes], RoundResult] = field(default_factory=dict)

    @cached_property
    def job(self) -> TrainingJob:
        """What is trained. Raises UnavailableRoundError and MalformedRecordError."""
        return training_job(self.specification, self.fetch)

    def look(self) -> None:
        """Work out every round that has been drawn and is not kept yet."""
        for audit in self.ledger.audits(self.job_id):
            if audit.round is None:
                continue
            try:
                self.result(audit)
            except (MalformedEvidenceError, MalformedRecordError, UnavailableRoundError) as error:
                log = structlog.get_logger("merit.training")
                log.warning("round_refused", batch=audit.batch_id.hex(), reason=str(error))

    def result(self, audit: Audit) -> RoundResult:
        """What a drawn round comes to: the same that the committee finds."""
        if audit.round is None:
            raise ValueError("a round has no result before its seed is drawn")
        key = (audit.batch_id, audit.round.seed)
        if key not in self._results:
            recorded = self.ledger.recorded(audit.batch_id, audit.batch, audit.round.seed, self.fetch)
            self._results[key] = work_out(self.fetch, self.job, self.domain, recorded)
        return self._results[key]

    def paid(self) -> list[RoundResult]:
        """What the settled rounds came to. Raises ChangedEvidenceError where that is not what the court adopted."""
        audits = [audit for audit in self.ledger.audits(self.job_id) if audit.outcome is BatchOutcome.PASS]
        results = [self.result(audit) for audit in audits if audit.settled_block is not None]
        for result in results:
            if result.payload != self.ledger.payload(result.batch_id):
                raise ChangedEvidenceError(
                    f"The evidence of batch {result.batch_id.hex()} has changed since its committee decided; "
                    "start from a copy of the evidence of that time."
                )
        return results

    def adopted_result(self) -> RoundResult | None:
        """What the last round that was paid came to; None before the first."""
        adopted = self.ledger.adopted(self.job_id)
        return None if adopted is None else next(one for one in self.paid() if one.batch_id == adopted.batch_id)

    def next_header(self) -> tuple[RoundHeader, RoundState]:
        """How the next round starts, and from what."""
        result = self.adopted_result()
        if result is None:
            state = first_state(self.job)
            return RoundHeader(1, bytes(32), state.digest, ()), state
        proof = tuple(result.state_proof())
        return RoundHeader(result.state.number + 1, result.batch_id, result.state.digest, proof), result.state

    def is_pending(self) -> bool:
        """Whether a recorded round is not settled yet: the next one cannot start."""
        return any(audit.settled_block is None for audit in self.ledger.audits(self.job_id))

    def batch_of(self, commitment: bytes) -> Audit | None:
        """The audit of the batch that holds a commitment; None while it is not on the chain."""
        for audit in self.ledger.audits(self.job_id):
            leaves = self.ledger.leaves(audit.batch, self.fetch)
            if commitment in [leaf.evidence for leaf in leaves]:
                return audit
        return None


def open_rounds(network: Network, evidence: EvidenceSource, job_id: int) -> Rounds:
    """The rounds of a job on the chain."""

    def fetch(digest: bytes) -> bytes | None:
        try:
            return evidence.fetch(digest)
        except EvidenceMissingError:
            return None

    ledger = RoundLedger(network)
    return Rounds(job_id, ledger, network.domain, fetch, ledger.specification(job_id))
