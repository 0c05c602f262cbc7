"""For whoever operates the service: is it alive, can it serve, what does it do, how much."""

from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from backend.batches import repository as batches
from backend.context import Context
from backend.fields import Address, Document
from backend.indexer import repository as index
from backend.problems import ProblemError, problems
from chain.errors import MeritError

router = APIRouter(tags=["operation"])


class Health(Document):
    """The process runs."""

    status: str = "ok"


class WorkerStatus(Document):
    """One of the service's threads."""

    name: str
    last_success: float | None
    failures: int
    error: str | None


class ServiceStatus(Document):
    """What the service is connected to and how far it has come."""

    chain_id: int
    contracts: dict[str, Address]
    recorder: Address
    head_block: int | None
    indexed_block: int | None
    unrecorded_batches: int
    workers: list[WorkerStatus]


@router.get("/health")
def health() -> Health:
    """The process runs and answers."""
    return Health()


@router.get("/ready", responses=problems(503))
def ready(context: Context) -> Health:
    """The database and the chain answer, so that submissions can be taken."""
    try:
        context.head()
        with context.database.read() as session:
            index.last_block(session)
    except MeritError as error:
        raise ProblemError(503, "not-ready", str(error)) from error
    return Health()


@router.get("/status")
def status(context: Context) -> ServiceStatus:
    """What the service is connected to and how far it has come."""
    with context.database.read() as session:
        last = index.last_block(session)
        waiting = len(batches.unrecorded(session, 1000))
    return ServiceStatus(
        chain_id=context.chain_id,
        contracts=context.contracts,
        recorder=context.contributions.recorder,
        head_block=_head(context),
        indexed_block=last.number if last else None,
        unrecorded_batches=waiting,
        workers=[
            WorkerStatus(name=one.name, last_success=one.last_success, failures=one.failures, error=one.error)
            for one in context.workers.all
        ],
    )


@router.get("/metrics", response_class=Response)
def metrics(context: Context) -> Any:
    """Counters and gauges in Prometheus's text format."""
    with context.database.read() as session:
        last = index.last_block(session)
        context.metrics.indexed_block.set(last.number if last else 0)
        context.metrics.unrecorded_batches.set(len(batches.unrecorded(session, 1000)))
    for worker in context.workers.all:
        context.metrics.worker_failures.labels(worker.name).set(worker.failures)
    return Response(context.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def _head(context: Context) -> int | None:
    try:
        return context.head().number
    except MeritError:
        return None
