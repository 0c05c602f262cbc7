"""The application: everything is built here, from settings, and nothing exists before or beside it."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eth_account.signers.base import BaseAccount
from fastapi import FastAPI

from backend.accounts import endpoints as accounts
from backend.accounts.service import AccountReader, NetworkAccounts
from backend.batches import endpoints as batches
from backend.batches.closing import BatchCloser
from backend.batches.court import Court, NetworkCourt
from backend.batches.keeper import Keeper
from backend.batches.recorder import Recorder, note_recorded, note_rollback
from backend.context import Services
from backend.contributions import endpoints as contributions
from backend.contributions.service import ContributionService
from backend.database import Database, Leadership
from backend.epochs import endpoints as epochs
from backend.epochs.proposer import EpochProposer
from backend.epochs.service import EpochReader
from backend.events import endpoints as events
from backend.events.pages import EventPages
from backend.evidence import endpoints as evidence
from backend.evidence.kubo import Kubo, KuboMirror
from backend.evidence.retention import Retention
from backend.evidence.store import EvidenceStore
from backend.identity import endpoints as identity
from backend.identity.service import Identity
from backend.indexer.service import Indexer
from backend.indexer.source import EventSource, NetworkSource
from backend.jobs import endpoints as jobs
from backend.jobs.service import JobBook, JobSource, NetworkJobs
from backend.models import endpoints as models
from backend.operation import endpoints as operation
from backend.operation.limits import RateLimit
from backend.operation.metrics import Metrics
from backend.operation.middleware import RequestFrame
from backend.problems import install_handlers, problems
from backend.reputation import endpoints as reputation
from backend.reputation.service import PersonalReputation
from backend.settings import Settings
from backend.signatures import SignatureChecker
from backend.sources import endpoints as sources
from backend.sources.assembly import open_sources
from backend.workers import Workers
from chain.deployment import Deployment
from chain.network import Network
from chain.outbox import Outbox
from chain.sender import TransactionSender
from chain.typed_data import Domain

ROUTERS = (
    contributions.router,
    batches.router,
    evidence.router,
    jobs.router,
    models.router,
    accounts.router,
    reputation.router,
    epochs.router,
    identity.router,
    events.router,
    sources.router,
    operation.router,
)


@dataclass(frozen=True)
class ChainSide:
    """Everything of the chain that the service touches; tests hand in a model instead."""

    deployment: Deployment
    source: EventSource
    court: Court
    jobs: JobSource
    accounts: AccountReader
    signatures: SignatureChecker
    network: Network | None = None
    sender: TransactionSender | None = None
    outbox: Outbox | None = None

    @classmethod
    def connect(cls, settings: Settings, recorder: BaseAccount) -> "ChainSide":
        """The network that the settings name. Raises the errors of `Network.connect` and `Deployment.load`."""
        network = Network.connect(settings.rpc_url, Deployment.load(settings.deployment))
        outbox = Outbox(settings.outbox_file)
        sender = TransactionSender(network.web3, recorder, outbox=outbox, fee_limit=settings.fee_limit)
        return cls(
            deployment=network.deployment,
            source=NetworkSource(network),
            court=NetworkCourt(network, sender),
            jobs=NetworkJobs(network),
            accounts=NetworkAccounts(network),
            signatures=SignatureChecker(network.web3),
            network=network,
            sender=sender,
            outbox=outbox,
        )

    def close(self) -> None:
        """Close the file of transactions that are not mined yet."""
        if self.outbox is not None:
            self.outbox.close()


def create_app(
    settings: Settings, chain_side: ChainSide | None = None, clock: Callable[[], float] = time.time
) -> FastAPI:
    """The application. Its workers run from its start-up to its shutdown.

    Raises a `MeritError` where a setting, the key, the database or the chain does not allow it to run.
    """
    recorder_account = settings.account()
    chain = chain_side or ChainSide.connect(settings, recorder_account)
    services = _services(settings, chain, recorder_account, clock)
    asking = open_sources(
        settings=settings,
        network=chain.network,
        sender=chain.sender,
        account=recorder_account,
        database=services.database,
        store=services.evidence,
        workers=services.workers,
        clock=clock,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.workers.start()
        try:
            yield
        finally:
            services.workers.stop()
            if asking is not None:
                asking.close()
            services.leadership.release()
            services.database.close()
            chain.close()

    app = FastAPI(
        title="Merit",
        version="1",
        summary="Contributions to open AI networks: recorded, audited, paid, and turned into reputation.",
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # the service has its own of the last two
        responses=problems(400, 408, 413, 422, 429),
    )
    app.state.services = services
    app.state.sources = asking
    app.add_middleware(
        RequestFrame,
        metrics=services.metrics,
        body_limit=settings.body_limit,
        limit=RateLimit(settings.address_rate, clock),
    )
    install_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _services(
    settings: Settings, chain: ChainSide, recorder_account: BaseAccount, clock: Callable[[], float]
) -> Services:
    database = Database(settings.database_url.get_secret_value())
    database.migrate()
    leadership = Leadership(database)
    kubo = Kubo(settings.kubo_address) if settings.kubo_address else None
    store = EvidenceStore(settings.evidence_directory, settings.evidence_limit, mirrored=kubo is not None)
    domain = Domain(chain.deployment.chain_id, chain.deployment.addresses["AuditCourt"])
    closer = BatchCloser(domain, store)
    account_limit = RateLimit(settings.account_rate, clock)
    jobs_book = JobBook(chain.jobs, clock)
    epoch_reader = EpochReader(database)
    return Services(
        settings=settings,
        chain_id=chain.deployment.chain_id,
        contracts=chain.deployment.addresses,
        database=database,
        leadership=leadership,
        evidence=store,
        kubo=kubo,
        jobs=jobs_book,
        accounts=chain.accounts,
        contributions=ContributionService(
            database=database,
            jobs=jobs_book,
            closer=closer,
            signatures=chain.signatures,
            domain=domain,
            recorder=recorder_account,
            batch_leaves=settings.batch_leaves,
            signature_margin=settings.signature_margin,
            limit=account_limit,
            clock=clock,
        ),
        identity=Identity(
            database=database,
            signatures=chain.signatures,
            domain=domain,
            origin=settings.origin,
            limit=account_limit,
            clock=clock,
        ),
        epochs=epoch_reader,
        personal=PersonalReputation(database),
        events=EventPages(database, settings.poll_interval),
        workers=_workers(
            settings=settings,
            chain=chain,
            database=database,
            closer=closer,
            epoch_reader=epoch_reader,
            store=store,
            kubo=kubo,
            leadership=leadership,
            clock=clock,
        ),
        metrics=Metrics(),
        head=chain.source.head,
        clock=clock,
    )


def _workers(
    *,
    settings: Settings,
    chain: ChainSide,
    database: Database,
    closer: BatchCloser,
    epoch_reader: EpochReader,
    store: EvidenceStore,
    kubo: Kubo | None,
    leadership: Leadership,
    clock: Callable[[], float],
) -> Workers:
    workers = Workers(settings.poll_interval, leadership.is_held)

    def now() -> float:
        return max(clock(), chain.source.head().time)

    indexer = Indexer(
        database,
        chain.source,
        first_block=chain.deployment.block,
        confirmations=settings.confirmations,
        log_range=settings.log_range,
        on_recorded=note_recorded,
        on_rollback=note_rollback,
    )
    workers.add("indexer", indexer.catch_up)
    workers.add("recorder", Recorder(database, chain.court, closer, settings.batch_age, clock).step)
    workers.add("retention", Retention(database, store, kubo, settings.evidence_retention, clock).step)
    if kubo is not None:
        workers.add("mirror", KuboMirror(kubo, store).step)
    if settings.keep_audits:
        workers.add("keeper", Keeper(database, chain.court, chain.source.head, clock).step)
    if settings.propose_epochs and chain.network is not None and chain.sender is not None:
        workers.add("epochs", EpochProposer(chain.network, chain.sender, epoch_reader, store, now).step)
    return workers
