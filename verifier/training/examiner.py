"""The committee's part in training: a round's batch is worked out, and the trainers' loss differences fingerprinted."""

from typing import TYPE_CHECKING

from chain.network import Network
from verifier.node.assignment import Assignment
from verifier.node.examiner import EvidenceSource
from verifier.node.node import Examiner
from verifier.shared.blocks import Fetch
from verifier.shared.examiner import SharedExaminer
from verifier.shared.ledger import TRAINING

if TYPE_CHECKING:
    from verifier.workloads.training import RoundResult


def with_training(otherwise: Examiner, evidence: EvidenceSource, network: Network) -> SharedExaminer:
    """An examiner of all that `otherwise` examines, and of training."""

    def work(assignment: Assignment, fetch: Fetch) -> "RoundResult":
        # A node that is never drawn for a round does without torch, and its seconds and memory.
        from verifier.training.ledger import RoundLedger, training_job  # noqa: PLC0415
        from verifier.workloads.training import work_out  # noqa: PLC0415

        job = training_job(assignment.terms.specification, fetch)
        recorded = RoundLedger(network).recorded(assignment.batch_id, assignment.batch, assignment.drawn.seed, fetch)
        return work_out(fetch, job, network.domain, recorded)

    return SharedExaminer(TRAINING, evidence, work, otherwise)
