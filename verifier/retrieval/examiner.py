"""The committee's part in retrieval: a window's batch is worked out, and sampled searches are run again."""

from functools import partial

from chain.network import Network
from verifier.node.assignment import Assignment
from verifier.node.examiner import EvidenceSource
from verifier.node.node import Examiner
from verifier.node.openings import sampled_keys
from verifier.node.workbench import BatchResult, Workbench
from verifier.retrieval.ledger import WindowLedger, retrieval_job
from verifier.retrieval.window import work_out
from verifier.shared.blocks import Fetch
from verifier.shared.examiner import SharedExaminer
from verifier.shared.ledger import RETRIEVAL


def with_retrieval(otherwise: Examiner, evidence: EvidenceSource, network: Network, bench: Workbench) -> SharedExaminer:
    """An examiner of all that `otherwise` examines, and of retrieval, whose windows are worked out on `bench`."""
    ledger = WindowLedger(network)

    def work(assignment: Assignment, fetch: Fetch) -> BatchResult:
        job = retrieval_job(assignment.terms.specification, fetch)
        samples = sampled_keys(assignment.drawn, assignment.batch.count, assignment.terms.samples)
        sampled = [position for position, _ in samples]
        recorded = ledger.recorded(assignment.batch_id, assignment.batch, sampled, fetch)
        return bench.work_out(partial(work_out, job, network.source_domain, recorded), fetch)

    return SharedExaminer(RETRIEVAL, evidence, work, otherwise)
