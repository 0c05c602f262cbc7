"""Batches on the chain and their audits."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from backend.batches import repository
from backend.context import Context
from backend.cursors import Cursor, cursor_at, parse_cursor
from backend.events.schemas import EventDocument, event_document
from backend.fields import MAX_INTEGER, Address, Amount, Document, Hash
from backend.indexer import repository as index
from backend.problems import not_found, problems
from backend.threads import in_thread

router = APIRouter(prefix="/v1/batches", tags=["batches"])
PhaseName = Literal["recorded", "commit", "disclose", "reveal", "tally", "decided", "settled"]


class BatchDocument(Document):
    """A recorded batch. `phase` is the last that began by an act; it ends at `phase_deadline` by itself."""

    id: Hash
    job_id: int
    contributor: Address
    requester: Address
    first: int
    count: int
    units: int
    leaves_root: Hash
    data_hash: Hash
    deadline: int
    recorded_block: int
    phase: PhaseName
    outcome: str | None
    round: int
    seed_block: int
    phase_deadline: int | None
    paid: Amount | None
    slashed: Amount | None


class BatchWithEvents(BatchDocument):
    """A batch with everything that happened to it."""

    events: list[EventDocument]


class BatchPage(Document):
    """Newest first; `next` is the cursor of the following page."""

    batches: list[BatchDocument]
    next: str | None


@router.get("")
@in_thread
def list_batches(
    *,
    context: Context,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    job_id: Annotated[int | None, Query(ge=0, le=MAX_INTEGER)] = None,
    contributor: Address | None = None,
    phase: PhaseName | None = None,
) -> BatchPage:
    """Recorded batches, newest first."""
    with context.database.view() as connection:
        rows = repository.page(
            connection,
            before=parse_cursor(cursor),
            limit=limit + 1,
            job_id=job_id,
            contributor=contributor,
            phase=phase,
        )
    more = rows[limit - 1] if len(rows) > limit else None
    return BatchPage(
        batches=[BatchDocument.model_validate(row, from_attributes=True) for row in rows[:limit]],
        next=cursor_at(more.recorded_block, more.log_index) if more else None,
    )


@router.get("/{batch_id}", responses=problems(404))
@in_thread
def read_batch(
    batch_id: Annotated[Hash, Path(description="the batch's EIP-712 digest")], context: Context
) -> BatchWithEvents:
    """One recorded batch with all its events."""
    with context.database.read() as session:
        row = repository.recorded(session, batch_id)
        if row is None:
            raise not_found("This batch")
        events = index.batch_events(session.connection(), batch_id)
        summary = BatchDocument.model_validate(row, from_attributes=True)
    return BatchWithEvents(**dict(summary), events=[event_document(event) for event in events])
