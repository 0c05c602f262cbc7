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


def examiner_of_all(evidence: EvidenceSource, workbench: Workbench, network: Network) -> Examiner:
    """What examines every kind of work."""
    by_leaves = WorkloadExaminer(evidence, workbench, network.domain)
    return with_retrieval(with_training(by_leaves, evidence, network), evidence, network)


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
    start = partial(open_workbench, settings.models_directory)
    with (
        closing(Journal.open(settings.data_directory / "journal.sqlite", owner)) as journal,
        closing(History(settings.data_directory / "history.sqlite", network.deployment.block)) as history,
        closing(Outbox(settings.data_directory / "outbox.sqlite")) as outbox,
        closing(EvidenceReader(settings.evidence_urls, limits)) as evidence,
        closing(WorkerWorkbench(start, settings.examination_bytes, settings.examination_seconds)) as workbench,
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
            examiner or examiner_of_all(evidence, workbench, network),
            Executors(examinations, transactions),
            telemetry=telemetry,
            confirmations=settings.confirmations,
            patience=settings.patience_seconds,
            pause=settings.poll_seconds,
            least_withdrawal=settings.least_withdrawal,
        )
        if examiner is None:
            examinations.submit(workbench.prepare)
        try:
            yield node
        finally:
            examinations.shutdown(wait=False, cancel_futures=True)
            workbench.close()
