"""The committee's part in training: a round's batch is worked out, and the trainers' loss differences fingerprinted."""

from functools import partial

from chain.network import Network
from chain.typed_data import Domain
from scoring.training.models import Mapper
from verifier.node.assignment import Assignment
from verifier.node.examiner import EvidenceSource
from verifier.node.node import Examiner
from verifier.node.workbench import BatchResult, Workbench
from verifier.shared.blocks import Fetch
from verifier.shared.examiner import SharedExaminer
from verifier.shared.ledger import TRAINING
from verifier.training.ledger import RoundLedger
from verifier.workloads.recorded_round import RecordedRound


def with_training(
    otherwise: Examiner, evidence: EvidenceSource, network: Network, bench: Workbench, mapper: Mapper = map
) -> SharedExaminer:
    """An examiner of all that `otherwise` examines, and of training, whose rounds are worked out on `bench`."""

    def work(assignment: Assignment, fetch: Fetch) -> BatchResult:
        recorded = RoundLedger(network).recorded(assignment.batch_id, assignment.batch, assignment.drawn.seed, fetch)
        specification = assignment.terms.specification
        return bench.work_out(partial(work_out, specification, network.domain, recorded, mapper), fetch)

    return SharedExaminer(TRAINING, evidence, work, otherwise)


def work_out(
    specification: bytes, domain: Domain, recorded: RecordedRound, mapper: Mapper, fetch: Fetch
) -> BatchResult:
    """As `verifier.workloads.training.work_out`, for whoever has to send it to a worker and does without torch."""
    from verifier.training.rounds import training_job  # noqa: PLC0415
    from verifier.workloads import training  # noqa: PLC0415

    return training.work_out(fetch, training_job(specification, fetch), domain, recorded, mapper)
