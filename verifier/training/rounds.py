"""A job's rounds as anyone sees them who has the chain and the evidence."""

from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, islice
from pathlib import Path

import structlog

from chain.contribution import MalformedRecordError
from chain.network import Network
from chain.typed_data import Domain
from scoring.training.models import Mapper
from verifier.node.audit import Audit, BatchOutcome
from verifier.node.examiner import EvidenceSource, fetch_or_gone
from verifier.shared.blocks import ChangedEvidenceError, Fetch, UnavailableBlockError
from verifier.shared.ledger import TRAINING
from verifier.training.kept_rounds import KeptRounds
from verifier.training.ledger import RoundLedger
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training import OpenedRound, RoundResult, first_state, open_round, value
from verifier.workloads.training_records import RoundHeader, RoundState, TrainingJob

# A settled round is worked out so many times at most, each time as if other commitments had not been opened: enough for
# one that was opened too late among 255, or two among 22. It takes as long as so many examinations.
_MOST_TRIES = 256


@dataclass
class Rounds:
    """Reads and works out the rounds of one job.

    A commitment may be opened after the committee has decided without it. All that a round may come to is therefore
    kept, by its payload, while it is being decided (see `look`); where that was missed, who was missing is found by
    trying. specification: the digest in the job's terms. mapper: over the workers that value.
    """

    job_id: int
    ledger: RoundLedger
    domain: Domain
    fetch: Fetch
    specification: bytes
    kept: KeptRounds
    mapper: Mapper = map
    _blocks: dict[bytes, bytes] = field(default_factory=dict)
    _looked: dict[bytes, tuple[bytes, frozenset[int]]] = field(default_factory=dict)
    _unexplained: dict[bytes, frozenset[int]] = field(default_factory=dict)
    _paid: dict[bytes, RoundResult] = field(default_factory=dict)

    @cached_property
    def job(self) -> TrainingJob:
        """What is trained. Raises UnavailableBlockError and MalformedRecordError."""
        return training_job(self.specification, self.fetch)

    def look(self) -> None:
        """Work out the rounds that are being decided on, from what is published by now."""
        pending = [audit for audit in self.ledger.audits(self.job_id) if audit.settled_block is None]
        if not pending:
            self._blocks.clear()
        for audit in pending:
            if audit.round is None:
                continue
            try:
                opened = self._opened(audit, self._fetched_once)
                seen = (audit.round.seed, frozenset(opened.published))
                if self._looked.get(audit.batch_id) != seen:
                    self.kept.keep(value(opened, mapper=self.mapper))
                    self._looked[audit.batch_id] = seen
            except (MalformedEvidenceError, MalformedRecordError, UnavailableBlockError) as error:
                log = structlog.get_logger("merit.training")
                log.warning("round_refused", batch=audit.batch_id.hex(), reason=str(error))

    def paid(self) -> list[RoundResult]:
        """What the settled rounds came to, but for those of which that cannot be found any more."""
        found = []
        for audit in self.ledger.audits(self.job_id):
            if audit.outcome is BatchOutcome.PASS and audit.settled_block is not None and audit.round is not None:
                with suppress(ChangedEvidenceError):  # which costs the other rounds nothing
                    found.append(self.result_of(audit))
        return found

    def result_of(self, audit: Audit) -> RoundResult:
        """What a settled round that passed came to. Raises ChangedEvidenceError where that cannot be found any more."""
        known = self._paid.get(audit.batch_id)
        if known is not None:
            return known
        payload = self.ledger.payload(audit.batch_id)
        opened, taken = self._opened(audit, self.fetch), self.kept.taken(audit.batch_id, payload)
        result = None if taken is None else value(opened, taken, self.mapper)
        if result is None or result.payload != payload:
            result = self._found(opened, payload)
        self.kept.keep(result)
        self.kept.settle(audit.batch_id, payload)
        self._looked.pop(audit.batch_id, None)
        self._paid[audit.batch_id] = result
        return result

    def _found(self, opened: OpenedRound, payload: bytes) -> RoundResult:
        """The result with this payload, whoever of the published was late. Raises ChangedEvidenceError.

        What has been tried in vain is not tried again, until more is published.
        """
        batch_id, published = opened.recorded.batch_id, frozenset(opened.published)
        if self._unexplained.get(batch_id) != published:
            sizes = range(len(published) + 1)
            late = (missing for size in sizes for missing in combinations(opened.published, size))
            for missing in islice(late, _MOST_TRIES):
                try:
                    result = value(opened, published.difference(missing), self.mapper)
                except MalformedEvidenceError:
                    continue  # so many trainers leave no data to judge them on
                if result.payload == payload:
                    return result
            self._unexplained[batch_id] = published
            structlog.get_logger("merit.training").warning("round_unexplained", batch=batch_id.hex())
        raise ChangedEvidenceError(batch_id)

    def _opened(self, audit: Audit, fetch: Fetch) -> OpenedRound:
        if audit.round is None:
            raise ValueError("there is no round to work out before the draw")
        recorded = self.ledger.recorded(audit.batch_id, audit.batch, audit.round.seed, fetch)
        return open_round(fetch, self.job, self.domain, recorded)

    def _fetched_once(self, digest: bytes) -> bytes | None:
        """A block of a round that is looked at again and again until it is settled."""
        block = self._blocks.get(digest)
        if block is None:
            block = self.fetch(digest)
            if block is not None:
                self._blocks[digest] = block
        return block

    def adopted_result(self) -> RoundResult | None:
        """What the last round that was paid came to; None before the first. Raises ChangedEvidenceError."""
        adopted = self.ledger.adopted(self.job_id)
        if adopted is None:
            return None
        return next(
            self.result_of(audit) for audit in self.ledger.audits(self.job_id) if audit.batch_id == adopted.batch_id
        )

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


def open_rounds(network: Network, evidence: EvidenceSource, job_id: int, folder: Path, mapper: Mapper = map) -> Rounds:
    """The rounds of a job on the chain. folder: where what is found is kept. mapper: over the workers that value."""
    ledger, fetch = RoundLedger(network), partial(fetch_or_gone, evidence, last_call=False)
    return Rounds(job_id, ledger, network.domain, fetch, ledger.specification(job_id), KeptRounds(folder), mapper)


def training_job(specification: bytes, fetch: Fetch) -> TrainingJob:
    """The job that a specification's digest leads to. Raises as `JobKind.job_block`."""
    return TrainingJob.from_block(TRAINING.job_block(specification, fetch))
