"""The node as a process: from settings to a loop that ends cleanly."""

import logging
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event as StopEvent

import structlog

from chain.deployment import Deployment
from chain.network import Network
from chain.sender import TransactionSender
from verifier.models.store import ModelStore
from verifier.node.court import Court
from verifier.node.evidence import EvidenceLimits, EvidenceReader
from verifier.node.examiner import WorkloadExaminer
from verifier.node.history import History
from verifier.node.journal import Journal, JournalOwner
from verifier.node.node import Examiner, VerifierNode
from verifier.node.settings import NodeSettings
from verifier.node.workbench import LocalWorkbench, load_workload

# Audits whose evidence is fetched and examined at the same time.
_CONCURRENCY = 4


def run(settings: NodeSettings, examiner: Examiner | None = None, kind: type[VerifierNode] = VerifierNode) -> None:
    """Run a node until SIGTERM or SIGINT; another examiner or kind makes it dishonest (see `adversaries`).

    Raises `MeritError` where it cannot start.
    """
    stop = StopEvent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log_as_json()
    with open_node(settings, examiner, kind) as node:
        node.run(stop)


@contextmanager
def open_node(
    settings: NodeSettings, examiner: Examiner | None = None, kind: type[VerifierNode] = VerifierNode
) -> Iterator[VerifierNode]:
    """A node over the files and the network that `settings` name."""
    account = settings.account()
    network = Network.connect(settings.rpc_url, Deployment.load(settings.deployment))
    court = Court(network, TransactionSender(network.web3, account))
    owner = JournalOwner(network.deployment.chain_id, network.domain.court, account.address)
    journal = Journal.open(settings.data_directory / "journal.sqlite", owner)
    history = History(settings.data_directory / "history.sqlite", network.deployment.block)
    limits = EvidenceLimits(settings.evidence_bytes, settings.evidence_seconds)
    evidence = EvidenceReader(settings.evidence_urls, limits)
    executor = ThreadPoolExecutor(_CONCURRENCY, thread_name_prefix="examine")
    try:
        yield kind(
            court,
            history,
            journal,
            examiner
            or WorkloadExaminer(
                evidence, LocalWorkbench(partial(load_workload, ModelStore(settings.models_directory))), network.domain
            ),
            executor,
            confirmations=settings.confirmations,
            patience=settings.patience_seconds,
            pause=settings.poll_seconds,
        )
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        evidence.close()
        history.close()
        journal.close()


def log_as_json() -> None:
    """One JSON object a line on the standard error stream."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )
