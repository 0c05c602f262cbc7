"""The committee's part: a batch is not looked at leaf by leaf but worked out as a whole."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog

from chain.contribution import MalformedRecordError
from verifier.fingerprint.consensus import Verdict
from verifier.fingerprint.lattice import LatticeProfile, Whitening, digest
from verifier.node.assignment import Assignment
from verifier.node.audit import Disclosure
from verifier.node.evidence import EvidenceUnreachableError
from verifier.node.examiner import EvidenceSource, fetch_or_gone
from verifier.node.journal import CommittedTrace, Findings
from verifier.node.node import Examiner
from verifier.node.openings import sampled_keys
from verifier.node.workbench import BatchResult
from verifier.shared.blocks import Fetch, UnavailableBlockError
from verifier.shared.ledger import JobKind
from verifier.workloads.errors import MalformedEvidenceError

WORDS = 1
# What differs by a thousandth is one unit; honest runs differ by a millionth at most.
_UNITS = 1000.0
_FINE_WIDTH = 2**20
_COARSE_WIDTH = 2**24


@dataclass(frozen=True)
class SharedExaminer:
    """An `Examiner` of one kind of SHARED jobs, which hands all other batches on.

    work_out: raises MalformedEvidenceError and MalformedRecordError for what no honest organiser records, and
    UnavailableBlockError.
    """

    kind: JobKind
    evidence: EvidenceSource
    work_out: Callable[[Assignment, Fetch], BatchResult]
    otherwise: Examiner

    def examine(self, assignment: Assignment, last_call: bool) -> Findings:
        """What to commit to: the payload, and the fingerprints of the sampled leaves' traces.

        While a block is not published, the committee waits for the last call: all its members then decide on the same
        evidence. Raises EvidenceUnreachableError until then.
        """

        def fetch(name: bytes) -> bytes | None:
            block = fetch_or_gone(self.evidence, name, last_call)
            if block is None and not last_call:
                raise EvidenceUnreachableError(f"Block {name.hex()} of the batch is not published; will retry.")
            return block

        terms = assignment.terms
        specification = fetch_or_gone(self.evidence, terms.specification, last_call) if terms.shared else None
        if not self.kind.includes(specification):
            return self.otherwise.examine(assignment, last_call)
        log = structlog.get_logger("merit.examiner").bind(batch=assignment.batch_id.hex())
        try:
            return _findings(assignment, Verdict.CONSISTENT, self.work_out(assignment, fetch))
        except (MalformedEvidenceError, MalformedRecordError) as error:
            log.info("batch_refused", reason=str(error))
            return _findings(assignment, Verdict.INCONSISTENT, None)
        except UnavailableBlockError as error:
            log.info("batch_unavailable", reason=str(error))
            return _findings(assignment, Verdict.UNAVAILABLE, None)

    def opened(self, assignment: Assignment, findings: Findings, disclosure: Disclosure, last_call: bool) -> int:
        """Nothing is disclosed of a SHARED batch."""
        return self.otherwise.opened(assignment, findings, disclosure, last_call)


def _findings(assignment: Assignment, verdict: Verdict, result: BatchResult | None) -> Findings:
    """Zeros for the digests of the header and of leaves that came to nothing."""
    digests: list[int] = []
    samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
    for position, key in samples:
        trace = None if result is None else result.traces.get(position)
        digests += [0] * WORDS if trace is None else digest(trace, key, _lattice(trace.shape[1]))
    # Nothing is disclosed of the batch, so there is nothing to check a disclosure against.
    nothing = CommittedTrace(bytes(32), 0)
    payload = bytes(32) if result is None else result.payload
    return Findings(tuple(digests), (int(verdict),) * len(samples), payload, (nothing,) * len(samples))


def _lattice(columns: int) -> LatticeProfile:
    whitening = Whitening(np.zeros(columns, np.float32), np.full(columns, _UNITS, np.float32))
    return LatticeProfile(whitening, _FINE_WIDTH, _COARSE_WIDTH, WORDS, chunk_rows=1)
