"""A job's rounds as anyone sees them who has the chain and the evidence."""

from dataclasses import dataclass, field
from functools import cached_property, partial

import structlog

from chain.contribution import Batch, MalformedRecordError
from chain.network import Network
from chain.typed_data import Domain
from verifier.node.audit import Audit, BatchOutcome
from verifier.node.examiner import EvidenceSource, fetch_or_gone
from verifier.shared.blocks import ChangedEvidenceError, Fetch, UnavailableBlockError
from verifier.training.ledger import RoundLedger, training_job
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training import RoundResult, first_state, work_out
from verifier.workloads.training_records import RoundHeader, RoundState, TrainingJob


@dataclass
class Rounds:
    """Reads and works out the rounds of one job.

    A commitment may be opened after the committee has decided without it. All that a round may come to is therefore
    kept, by its payload, while it is being decided: see `look`. specification: the digest in the job's terms.
    """

    job_id: int
    ledger: RoundLedger
    domain: Domain
    fetch: Fetch
    specification: bytes
    _found: dict[bytes, RoundResult] = field(default_factory=dict)
    _paid: dict[bytes, RoundResult] = field(default_factory=dict)

    @cached_property
    def job(self) -> TrainingJob:
        """What is trained. Raises UnavailableBlockError and MalformedRecordError."""
        return training_job(self.specification, self.fetch)

    def look(self) -> None:
        """Work out the rounds that are being decided on, from what is published by now."""
        for audit in self.ledger.audits(self.job_id):
            if audit.round is None or audit.settled_block is not None:
                continue
            try:
                self._work_out(audit.batch_id, audit.batch, audit.round.seed)
            except (MalformedEvidenceError, MalformedRecordError, UnavailableBlockError) as error:
                log = structlog.get_logger("merit.training")
                log.warning("round_refused", batch=audit.batch_id.hex(), reason=str(error))

    def paid(self) -> list[RoundResult]:
        """What the settled rounds came to. Raises ChangedEvidenceError where that cannot be found any more."""
        return [
            self._adopted(audit.batch_id, audit.batch, audit.round.seed)
            for audit in self.ledger.audits(self.job_id)
            if audit.outcome is BatchOutcome.PASS and audit.settled_block is not None and audit.round is not None
        ]

    def _adopted(self, batch_id: bytes, batch: Batch, seed: bytes) -> RoundResult:
        known = self._paid.get(batch_id)
        if known is not None:
            return known
        payload = self.ledger.payload(batch_id)
        if payload not in self._found:
            self._work_out(batch_id, batch, seed)
        if payload not in self._found:
            raise ChangedEvidenceError(batch_id)
        self._paid[batch_id] = self._found[payload]
        return self._paid[batch_id]

    def _work_out(self, batch_id: bytes, batch: Batch, seed: bytes) -> None:
        recorded = self.ledger.recorded(batch_id, batch, seed, self.fetch)
        result = work_out(self.fetch, self.job, self.domain, recorded)
        self._found[result.payload] = result

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
    ledger, fetch = RoundLedger(network), partial(fetch_or_gone, evidence, last_call=False)
    return Rounds(job_id, ledger, network.domain, fetch, ledger.specification(job_id))
