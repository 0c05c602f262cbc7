"""The committee's part in training: a round's batch is not looked at leaf by leaf but worked out as a whole."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import structlog

from chain.contribution import MalformedRecordError
from chain.network import Network
from chain.typed_data import Domain
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.lattice import LatticeProfile, Whitening, digest
from verifier.node.assignment import Assignment
from verifier.node.audit import Disclosure
from verifier.node.evidence import EvidenceMissingError, EvidenceUnreachableError
from verifier.node.examiner import EvidenceSource
from verifier.node.journal import CommittedTrace, Findings
from verifier.node.openings import sampled_keys
from verifier.training.ledger import RoundLedger, is_training, training_job
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training import Fetch, RoundResult, UnavailableRoundError, work_out

WORDS = 1
# A loss difference of a thousandth is one unit; double precision leaves honest runs nine orders of magnitude below.
_UNITS = 1000.0
_FINE_WIDTH = 2**20
_COARSE_WIDTH = 2**24


class Otherwise(Protocol):
    """Whoever examines the batches of other kinds of work."""

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """As `Examiner.examine`."""

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """As `Examiner.opened`."""


@dataclass(frozen=True)
class TrainingExaminer:
    """An `Examiner` of training rounds, which hands all other batches on."""

    evidence: EvidenceSource
    ledger: RoundLedger
    domain: Domain
    otherwise: Otherwise

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """What to commit to: the payload, and the fingerprints of the sampled trainers' loss differences.

        While a commitment is not opened, the committee waits for the last call: all its members then decide on the same
        evidence. Raises EvidenceUnreachableError until then.
        """
        missing: list[bytes] = []

        def fetch(name: bytes) -> bytes | None:
            try:
                return self.evidence.fetch(name)
            except EvidenceMissingError:
                missing.append(name)
                return None
            except EvidenceUnreachableError:
                if last_call:
                    return None
                raise

        if not assignment.terms.shared or not is_training(fetch(assignment.terms.specification)):
            return self.otherwise.examine(assignment, last_call)
        log = structlog.get_logger("merit.examiner").bind(batch=assignment.batch_id.hex())
        try:
            result = self._work_out(assignment, fetch)
        except (MalformedEvidenceError, MalformedRecordError) as error:
            log.info("round_refused", reason=str(error))
            return _findings(assignment, Verdict.INCONSISTENT, None)
        except UnavailableRoundError as error:
            if not last_call:
                raise EvidenceUnreachableError(str(error)) from error
            log.info("round_unavailable", reason=str(error))
            return _findings(assignment, Verdict.UNAVAILABLE, None)
        if missing and not last_call:
            raise EvidenceUnreachableError(f"{len(missing)} blocks of the round are not published; will retry.")
        return _findings(assignment, Verdict.CONSISTENT, result)

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Nothing is disclosed of a round."""
        return self.otherwise.opened(assignment, findings, disclosure, last_call)

    def _work_out(self, assignment: Assignment, fetch: Fetch) -> RoundResult:
        job = training_job(assignment.terms.specification, fetch)
        recorded = self.ledger.recorded(assignment.batch_id, assignment.batch, assignment.drawn.seed, fetch)
        return work_out(fetch, job, self.domain, recorded)


def with_training(otherwise: Otherwise, evidence: EvidenceSource, network: Network) -> TrainingExaminer:
    """An examiner of all that `otherwise` examines, and of training."""
    return TrainingExaminer(evidence, RoundLedger(network), network.domain, otherwise)


def _findings(assignment: Assignment, verdict: Verdict, result: RoundResult | None) -> Findings:
    """Zeros for the digests of the header and of trainers that took no part."""
    digests: list[int] = []
    samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
    for position, key in samples:
        trace = None if result is None else result.traces.get(position)
        digests += [0] * WORDS if trace is None else digest(trace, key, _lattice(trace.shape[1]))
    # Nothing is disclosed of a round, so there is nothing to check a disclosure against.
    nothing = CommittedTrace(bytes(32), 0)
    payload = bytes(32) if result is None else result.payload
    return Findings(tuple(digests), (int(verdict),) * len(samples), payload, (nothing,) * len(samples))


def _lattice(columns: int) -> LatticeProfile:
    whitening = Whitening(np.zeros(columns, np.float32), np.full(columns, _UNITS, np.float32))
    return LatticeProfile(whitening, _FINE_WIDTH, _COARSE_WIDTH, WORDS, chunk_rows=1)
