"""The node as a process: from settings to a loop that ends cleanly."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from threading import Event as StopEvent

import structlog

from chain.deployment import Deployment
from chain.logs import configure_logs
from chain.network import Network
from chain.outbox import Outbox
from chain.sender import TransactionSender
from scoring.training.models import Mapper
from verifier.epochs.challenger import EpochChallenger
from verifier.node.court import Court
from verifier.node.epochs import watching
from verifier.node.evidence import EvidenceLimits, EvidenceReader
from verifier.node.examiner import EvidenceSource, WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Journal, JournalOwner
from verifier.node.node import Examiner, Executors, VerifierNode
from verifier.node.server import serve
from verifier.node.settings import NodeSettings
from verifier.node.telemetry import Telemetry
from verifier.node.workbench import Workbench, open_workbench
from verifier.node.worker import WorkerWorkbench
from verifier.retrieval.examiner import with_retrieval
from verifier.training.cluster import RayMap
from verifier.training.examiner import with_training

# Audits whose evidence is fetched, or whose transactions are awaited, at the same time.
_FETCHERS = 8


def run(settings: NodeSettings, examiner: Examiner | None = None, kind: type[VerifierNode] = VerifierNode) -> None:
    """Run a node until SIGTERM or SIGINT; another examiner or kind makes it dishonest (see `adversaries`).

    Raises `MeritError` where it cannot start.
    """
    stop = StopEvent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    configure_logs("info")
    telemetry = Telemetry()
    with (
        open_node(settings, telemetry, examiner, kind) as node,
        serve(telemetry, settings.status_host, settings.status_port) as port,
    ):
        structlog.get_logger("merit.node").info("status_served", host=settings.status_host, port=port)
        node.run(stop)


def examiner_of_all(
    evidence: EvidenceSource, leaves: Workbench, batches: Workbench, network: Network, mapper: Mapper = map
) -> Examiner:
    """What examines every kind of work.

    leaves, batches: where work is run again that is looked at leaf by leaf, or as a whole. They are two, because a
    batch's evidence is fetched while it is worked out, which must not keep others waiting. mapper: over the workers
    that value rounds of training.
    """
    by_leaves = WorkloadExaminer(evidence, leaves, network.domain)
    return with_retrieval(with_training(by_leaves, evidence, network, batches, mapper), evidence, network, batches)


@contextmanager
def open_node(
    settings: NodeSettings,
    telemetry: Telemetry,
    examiner: Examiner | None = None,
    kind: type[VerifierNode] = VerifierNode,
) -> Iterator[VerifierNode]:
    """A node over the files and the network that `settings` name."""
    account = settings.account()
    network = Network.connect(settings.rpc_url, Deployment.load(settings.deployment))
    owner = JournalOwner(network.deployment.chain_id, network.domain.court, account.address)
    limits = EvidenceLimits(settings.evidence_bytes, settings.evidence_seconds)
    mapper = map if settings.ray_address is None else RayMap(settings.ray_address)
    bench = partial(
        WorkerWorkbench,
        partial(open_workbench, settings.models_directory),
        settings.examination_bytes,
        settings.examination_seconds,
    )
    with (
        closing(Journal.open(settings.data_directory / "journal.sqlite", owner)) as journal,
        closing(History(settings.data_directory / "history.sqlite", network.deployment.block)) as history,
        closing(Outbox(settings.data_directory / "outbox.sqlite")) as outbox,
        closing(EvidenceReader(settings.evidence_urls, limits)) as evidence,
        closing(bench()) as leaves,
        closing(bench()) as batches,
        ThreadPoolExecutor(_FETCHERS, thread_name_prefix="examine") as examinations,
        ThreadPoolExecutor(_FETCHERS, thread_name_prefix="send") as transactions,
        ExitStack() as watched,
    ):
        sender = TransactionSender(network.web3, account, outbox=outbox, fee_limit=settings.fee_limit)
        if settings.watch_epochs:
            rows_limits = EvidenceLimits(settings.rows_bytes, settings.evidence_seconds)
            rows = watched.enter_context(closing(EvidenceReader(settings.evidence_urls, rows_limits)))
            challenger = EpochChallenger(network, sender, rows.find)
            watched.enter_context(watching(challenger, telemetry, settings.poll_seconds))
        node = kind(
            Court(network, sender),
            history,
            journal,
            examiner or examiner_of_all(evidence, leaves, batches, network, mapper),
            Executors(examinations, transactions),
            telemetry=telemetry,
            confirmations=settings.confirmations,
            patience=settings.patience_seconds,
            pause=settings.poll_seconds,
            least_withdrawal=settings.least_withdrawal,
        )
        if examiner is None:
            examinations.submit(leaves.prepare)
        try:
            yield node
        finally:
            examinations.shutdown(wait=False, cancel_futures=True)
            leaves.close()
            batches.close()
