"""Jobs as the chain has them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from backend.context import Context
from backend.fields import MAX_INTEGER, Address, Amount, Document
from backend.indexer.folds import as_json
from backend.jobs import repository
from backend.problems import problems
from backend.threads import in_thread

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class JobDocument(Document):
    """A job; `terms` by the names and units of `IJobEscrow.Terms`, amounts beyond 2^53 as digits."""

    id: int
    owner: Address
    terms: dict[str, Any]
    free: Amount
    reserved: Amount
    closed: bool


class JobSummary(Document):
    """A job as its events tell."""

    id: int
    owner: Address
    terms: dict[str, Any]
    opened_block: int
    closed: bool


class JobPage(Document):
    """Newest first; `next` is the cursor of the following page."""

    jobs: list[JobSummary]
    next: int | None


@router.get("")
@in_thread
def list_jobs(
    context: Context,
    cursor: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    owner: Address | None = None,
) -> JobPage:
    """Jobs, newest first."""
    with context.database.read() as session:
        rows = repository.page(session, cursor, limit + 1, owner)
    jobs = [JobSummary.model_validate(row, from_attributes=True) for row in rows[:limit]]
    return JobPage(jobs=jobs, next=jobs[-1].id if len(rows) > limit else None)


@router.get("/{job_id}", responses=problems(404, 503))
async def read_job(job_id: Annotated[int, Path(ge=0, le=MAX_INTEGER)], context: Context) -> JobDocument:
    """One job, as the chain has it now."""
    job = await context.jobs.job(job_id)
    return JobDocument(
        id=job_id, owner=job.owner, terms=as_json(job.terms), free=job.free, reserved=job.reserved, closed=job.closed
    )
