"""What the endpoints work with: built once per application and handed to each request."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from eth_typing import ChecksumAddress
from fastapi import Depends, Request

from backend.accounts.service import AccountReader
from backend.contributions.service import ContributionService
from backend.database import Database, Leadership
from backend.epochs.service import EpochReader
from backend.events.pages import EventPages
from backend.evidence.kubo import Kubo
from backend.evidence.store import EvidenceStore
from backend.identity.service import Identity
from backend.indexer.source import Head
from backend.jobs.service import JobBook
from backend.operation.metrics import Metrics
from backend.reputation.service import PersonalReputation
from backend.settings import Settings
from backend.workers import Workers


@dataclass(frozen=True)
class Services:
    """Everything that an endpoint may use."""

    settings: Settings
    chain_id: int
    contracts: dict[str, ChecksumAddress]
    database: Database
    leadership: Leadership
    evidence: EvidenceStore
    kubo: Kubo | None
    jobs: JobBook
    accounts: AccountReader
    contributions: ContributionService
    identity: Identity
    epochs: EpochReader
    personal: PersonalReputation
    events: EventPages
    workers: Workers
    metrics: Metrics
    head: Callable[[], Head]
    clock: Callable[[], float]


async def _services(request: Request) -> Services:  # a function that is not async would get a thread of its own
    services: Services = request.app.state.services
    return services


Context = Annotated[Services, Depends(_services)]
