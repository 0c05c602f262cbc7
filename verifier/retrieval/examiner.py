"""The committee's part in retrieval: a window's batch is worked out as a whole, and sampled searches are run again."""

from dataclasses import dataclass

import numpy as np
import structlog

from chain.contribution import MalformedRecordError
from chain.network import Network
from chain.typed_data import SourceDomain
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.lattice import LatticeProfile, Whitening, digest
from verifier.node.assignment import Assignment
from verifier.node.audit import Disclosure
from verifier.node.evidence import EvidenceMissingError, EvidenceUnreachableError
from verifier.node.examiner import EvidenceSource
from verifier.node.journal import CommittedTrace, Findings
from verifier.node.openings import sampled_keys
from verifier.retrieval.ledger import WindowLedger, is_retrieval, retrieval_job
from verifier.retrieval.window import UnavailableWindowError, WindowResult, work_out
from verifier.training.examiner import Otherwise
from verifier.workloads.errors import MalformedEvidenceError

WORDS = 1
# A relevance or value that differs by a thousandth is one unit; honest runs differ by a millionth at most.
_UNITS = 1000.0
_FINE_WIDTH = 2**20
_COARSE_WIDTH = 2**24


@dataclass(frozen=True)
class RetrievalExaminer:
    """An `Examiner` of retrieval windows, which hands all other batches on."""

    evidence: EvidenceSource
    ledger: WindowLedger
    domain: SourceDomain
    otherwise: Otherwise

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """What to commit to: the payload, and the fingerprints of the sampled queries' relevances and values.

        While a block is not published, the committee waits for the last call: all its members then decide on the same
        evidence. Raises EvidenceUnreachableError until then.
        """
        if not assignment.terms.shared or not is_retrieval(self._fetch(assignment.terms.specification, last_call)):
            return self.otherwise.examine(assignment, last_call)
        log = structlog.get_logger("merit.examiner").bind(batch=assignment.batch_id.hex())
        try:
            return _findings(assignment, Verdict.CONSISTENT, self._work_out(assignment, last_call))
        except (MalformedEvidenceError, MalformedRecordError) as error:
            log.info("window_refused", reason=str(error))
            return _findings(assignment, Verdict.INCONSISTENT, None)
        except UnavailableWindowError as error:
            log.info("window_unavailable", reason=str(error))
            return _findings(assignment, Verdict.UNAVAILABLE, None)

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Nothing is disclosed of a window."""
        return self.otherwise.opened(assignment, findings, disclosure, last_call)

    def _work_out(self, assignment: Assignment, last_call: bool) -> WindowResult:
        def fetch(name: bytes) -> bytes | None:
            block = self._fetch(name, last_call)
            if block is None and not last_call:
                raise EvidenceUnreachableError(f"Block {name.hex()} of the window is not published; will retry.")
            return block

        job = retrieval_job(assignment.terms.specification, fetch)
        samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
        sampled = [position for position, _ in samples]
        recorded = self.ledger.recorded(assignment.batch_id, assignment.batch, sampled, fetch)
        return work_out(fetch, job, self.domain, recorded)

    def _fetch(self, name: bytes, last_call: bool) -> bytes | None:
        try:
            return self.evidence.fetch(name)
        except EvidenceMissingError:
            return None
        except EvidenceUnreachableError:
            if last_call:
                return None
            raise


def with_retrieval(otherwise: Otherwise, evidence: EvidenceSource, network: Network) -> RetrievalExaminer:
    """An examiner of all that `otherwise` examines, and of retrieval."""
    return RetrievalExaminer(evidence, WindowLedger(network), network.source_domain, otherwise)


def _findings(assignment: Assignment, verdict: Verdict, result: WindowResult | None) -> Findings:
    """Zeros for the digest of the header."""
    digests: list[int] = []
    samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
    for position, key in samples:
        trace = None if result is None else result.traces.get(position)
        digests += [0] * WORDS if trace is None else digest(trace, key, _lattice(trace.shape[1]))
    # Nothing is disclosed of a window, so there is nothing to check a disclosure against.
    nothing = CommittedTrace(bytes(32), 0)
    payload = bytes(32) if result is None else result.payload
    return Findings(tuple(digests), (int(verdict),) * len(samples), payload, (nothing,) * len(samples))


def _lattice(columns: int) -> LatticeProfile:
    whitening = Whitening(np.zeros(columns, np.float32), np.full(columns, _UNITS, np.float32))
    return LatticeProfile(whitening, _FINE_WIDTH, _COARSE_WIDTH, WORDS, chunk_rows=1)
