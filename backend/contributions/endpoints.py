"""Submitting contributions and following them."""

from typing import Annotated

from fastapi import APIRouter, Path

from backend.context import Context
from backend.contributions import repository
from backend.contributions.models import Contribution
from backend.contributions.schemas import Accepted, Contributor, OpenLeaf, Status, Submission, Why
from backend.contributions.timeline import status_of, why
from backend.fields import MAX_INTEGER, Address, Hash
from backend.problems import not_found, problems
from backend.threads import in_thread

router = APIRouter(prefix="/v1", tags=["contributions"])


@router.post("/contributions", status_code=201, responses=problems(403, 404, 409))
async def submit(submission: Submission, context: Context) -> Accepted:
    """Hand in one or many contributions, under one signature over the batch of all open leaves.

    Repeating a submission is safe: it gives the same receipts. 409 `batch-moved-on` says where the open batch begins
    now; sign again over it.
    """
    accepted = await context.contributions.submit(submission)
    context.metrics.contributions.inc(len(accepted.receipts))
    return accepted


@router.get("/contributions/{contribution_id}", responses=problems(404))
@in_thread
def read_contribution(contribution_id: Hash, context: Context) -> Status:
    """One contribution with its timeline. Its id is the hash of its leaf."""
    with context.database.view() as connection:
        found = repository.find(connection, contribution_id)
        if found is None:
            raise not_found("This contribution")
        return status_of(connection, found)


@router.get("/contributions/{contribution_id}/why", responses=problems(404))
@in_thread
def explain(contribution_id: Hash, context: Context) -> Why:
    """Why a contribution is paid, not paid, or not paid yet."""
    with context.database.read() as session:
        found = repository.find(session.connection(), contribution_id)
        if found is None:
            raise not_found("This contribution")
        return why(session, found)


@router.get("/jobs/{job_id}/contributors/{address}")
@in_thread
def read_contributor(
    job_id: Annotated[int, Path(ge=0, le=MAX_INTEGER)], address: Address, context: Context
) -> Contributor:
    """A contributor's open batch: what the next signature has to cover."""
    first, rows, signed = context.contributions.state(job_id, address)
    return Contributor(
        job_id=job_id,
        contributor=address,
        first=first,
        next=first + len(rows),
        leaves=[_open_leaf(row) for row in rows],
        deadline=signed.deadline if signed else None,
        signature=signed.signature if signed else None,
    )


def _open_leaf(row: Contribution) -> OpenLeaf:
    return OpenLeaf(id=row.id, sequence=row.sequence, units=row.units, trace_root=row.trace_root, evidence=row.evidence)
