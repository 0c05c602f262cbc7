"""The parts that ask sources, put together where a retrieval job is set."""

from collections.abc import Callable

from eth_account.signers.base import BaseAccount

from backend.database import Database
from backend.evidence.store import EvidenceStore
from backend.settings import Settings
from backend.sources.answers import AnswerWriter
from backend.sources.asking import SourceClient
from backend.sources.service import SourceService
from backend.sources.windows import WindowKeeper
from backend.workers import Workers
from chain.network import Network
from chain.sender import TransactionSender
from chain.settings import InvalidSettingError
from verifier.node.court import Court
from verifier.node.evidence import EvidenceMissingError
from verifier.retrieval.book import SourceBook
from verifier.retrieval.organiser import Organiser
from verifier.retrieval.windows import open_windows


class _Stored:
    """The evidence store as a verifier reads evidence."""

    def __init__(self, store: EvidenceStore) -> None:
        self._store = store

    def fetch(self, digest: bytes) -> bytes:
        """As `EvidenceReader.fetch`."""
        block = self._store.get(digest)
        if block is None:
            raise EvidenceMissingError(f"Block {digest.hex()} is not stored here.")
        return block


def open_sources(
    *,
    settings: Settings,
    network: Network | None,
    sender: TransactionSender | None,
    account: BaseAccount,
    database: Database,
    store: EvidenceStore,
    workers: Workers,
    clock: Callable[[], float],
) -> SourceService | None:
    """The service of the retrieval job that is set, with workers for its windows; None where none is.

    Raises InvalidSettingError where the job is not this account's to hold windows of, or the model cannot be run.
    """
    if settings.retrieval_job is None or network is None or sender is None:
        return None
    windows = open_windows(network, _Stored(store), settings.retrieval_job)
    if windows.job.organiser != account.address:
        raise InvalidSettingError(
            f"Windows of job {settings.retrieval_job} are held by {windows.job.organiser}; use that account's key."
        )
    service = SourceService(
        network=network,
        account=account,
        database=database,
        client=SourceClient(settings.query_deadline, local=settings.local_sources),
        job_id=settings.retrieval_job,
        job=windows.job,
        clock=clock,
        writer=_writer(settings),
    )
    keeper = WindowKeeper(
        network=network,
        sender=sender,
        service=service,
        windows=windows,
        organiser=Organiser(Court(network, sender), account, sender, SourceBook(network), windows, store.put),
        database=database,
        renew=store.renew,
        queries=settings.window_queries,
        age=settings.window_age,
        clock=clock,
    )
    workers.add("windows", keeper.step)
    workers.add("sources", service.follow, everywhere=True)
    return service


def _writer(settings: Settings) -> AnswerWriter | None:
    """Raises InvalidSettingError where the model that is set cannot be run."""
    if settings.generator is None:
        return None
    try:
        # Here alone: torch takes seconds and 200 MB, which a service without a model does without.
        from verifier.models.errors import ModelError  # noqa: PLC0415
        from verifier.retrieval.generator import load_generator  # noqa: PLC0415
    except ImportError as error:
        raise InvalidSettingError(
            "MERIT_GENERATOR needs the extras `verifier` and `transformers`; install them."
        ) from error
    try:
        return AnswerWriter(load_generator(settings.generator, settings.generator_tokens), settings.generator_seconds)
    except ModelError as error:
        raise InvalidSettingError(f"MERIT_GENERATOR cannot be used: {error}.") from error
