"""The committee's part in training: a round's batch is worked out, and the trainers' loss differences fingerprinted."""

from chain.network import Network
from verifier.node.assignment import Assignment
from verifier.node.examiner import EvidenceSource
from verifier.node.node import Examiner
from verifier.shared.blocks import Fetch
from verifier.shared.examiner import SharedExaminer
from verifier.training.ledger import TRAINING, RoundLedger, training_job
from verifier.workloads.training import RoundResult, work_out


def with_training(otherwise: Examiner, evidence: EvidenceSource, network: Network) -> SharedExaminer:
    """An examiner of all that `otherwise` examines, and of training."""
    ledger = RoundLedger(network)

    def work(assignment: Assignment, fetch: Fetch) -> RoundResult:
        job = training_job(assignment.terms.specification, fetch)
        recorded = ledger.recorded(assignment.batch_id, assignment.batch, assignment.drawn.seed, fetch)
        return work_out(fetch, job, network.domain, recorded)

    return SharedExaminer(TRAINING, evidence, work, otherwise)
