"""All SQL over contributions and open batches."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, text, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from backend.batches.models import OutgoingBatch
from backend.contributions.models import Contribution, OpenBatch
from backend.indexer.models import RecordedBatch
from chain.contribution import Batch

# Statements of every request are built once: building one takes longer than it takes the database.
_FIND: Select[Any] = (
    select_columns(
        Contribution,
        col(OutgoingBatch.closed_at),
        col(OutgoingBatch.count).label("closed_leaves"),
        col(RecordedBatch.first).label("batch_first"),
        col(RecordedBatch.count).label("batch_count"),
        *(
            getattr(RecordedBatch, name)
            for name in ("recorded_block", "phase", "outcome", "seed_block", "phase_deadline", "paid", "slashed")
        ),
    )
    .outerjoin(OutgoingBatch, col(OutgoingBatch.id) == Contribution.batch_id)
    .outerjoin(RecordedBatch, col(RecordedBatch.id) == Contribution.batch_id)
    .where(col(Contribution.id) == bindparam("contribution_id"))
)
_ADD = insert(Contribution)
_OPEN_BATCH = select(OpenBatch).where(
    col(OpenBatch.job_id) == bindparam("job"), col(OpenBatch.contributor) == bindparam("account")
)
_REPLACE_SIGNATURE = (
    update(OpenBatch)
    .where(
        col(OpenBatch.job_id) == bindparam("job"),
        col(OpenBatch.contributor) == bindparam("account"),
        col(OpenBatch.first) == bindparam("start"),
        col(OpenBatch.count) == bindparam("before"),
    )
    .values(count=bindparam("now"), deadline=bindparam("until"), signature=bindparam("signed"))
)
_IN_RANGE = (
    col(Contribution.job_id) == bindparam("job"),
    col(Contribution.contributor) == bindparam("account"),
    col(Contribution.sequence) >= bindparam("start"),
    col(Contribution.sequence) < bindparam("end"),
)
_ASSIGN = update(Contribution).where(*_IN_RANGE).values(batch_id=bindparam("batch"))
_IDS_IN = select(Contribution.id).where(*_IN_RANGE).order_by(col(Contribution.sequence))
_COUNT_FROM = select(func.count()).where(*_IN_RANGE[:3])
_LEAVES_FROM = select(Contribution).where(*_IN_RANGE[:3]).order_by(col(Contribution.sequence))
_ENDS = [
    select(func.max(table.first + table.count)).where(
        col(table.job_id) == bindparam("job"), col(table.contributor) == bindparam("account"), *only
    )
    for table, only in ((OutgoingBatch, [col(OutgoingBatch.refusal).is_(None)]), (RecordedBatch, []))
]


def find(connection: Connection, contribution_id: bytes) -> Row[Any] | None:
    """One contribution, with what was closed here and what is on the chain of the batch that it was put into.

    Its own columns; `closed_at` and `closed_leaves`; and `recorded_block`, `batch_first`, `batch_count` and what the
    chain says of the batch's audit: each None where there is no such batch.
    """
    row: Row[Any] | None = connection.execute(_FIND, {"contribution_id": contribution_id}).first()
    return row


def find_all(session: Session, contribution_ids: list[bytes]) -> list[Contribution]:
    """Those that are stored, in the order of their ids as given."""
    found = {
        row.id: row for row in session.exec(select(Contribution).where(col(Contribution.id).in_(contribution_ids)))
    }
    return [found[contribution_id] for contribution_id in contribution_ids if contribution_id in found]


def add_all(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Store new contributions, each by the names of its columns; several times faster than by the unit of work."""
    if rows:
        session.connection().execute(_ADD, rows)


def open_batch(session: Session, job_id: int, contributor: str) -> OpenBatch | None:
    """The contributor's latest signature for a job."""
    return session.scalars(_OPEN_BATCH, {"job": job_id, "account": contributor}).first()


def replace_signature(session: Session, batch: Batch, before: int, signature: bytes) -> bool:
    """Put a signature over `batch` in the place of one over its first `before` leaves.

    Returns False where no such signature stands.
    """
    values = {
        "job": batch.job_id,
        "account": batch.contributor,
        "start": batch.first,
        "before": before,
        "now": batch.count,
        "until": batch.deadline,
        "signed": signature,
    }
    return session.connection().execute(_REPLACE_SIGNATURE, values).rowcount == 1


def open_range(session: Session, job_id: int, contributor: str) -> tuple[int, int]:
    """Number of the first open leaf, and how many are open; no other process changes that until the transaction ends.

    For a contributor without a signature, whose row could be locked otherwise.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))")
        session.connection().execute(key, {"key": f"{job_id} {contributor}"})
    first = next_first(session.connection(), job_id, contributor)
    values = {"job": job_id, "account": contributor, "start": first}
    return first, session.connection().execute(_COUNT_FROM, values).scalar_one()


def next_first(connection: Connection, job_id: int, contributor: str) -> int:
    """Number of the first leaf that neither the chain nor a closed batch holds."""
    values = {"job": job_id, "account": contributor}
    return max(connection.execute(end, values).scalar() or 0 for end in _ENDS)


def leaves_from(session: Session, job_id: int, contributor: str, first: int) -> list[Contribution]:
    """The contributor's leaves numbered `first` and up, in order."""
    return list(session.scalars(_LEAVES_FROM, {"job": job_id, "account": contributor, "start": first}).all())


def ids_in(session: Session, batch: Batch) -> list[bytes]:
    """Ids of the contributions that have the numbers of a batch's leaves, in order."""
    return list(session.connection().execute(_IDS_IN, _range(batch)).scalars())


def due(session: Session, opened_before: float, limit: int) -> list[OpenBatch]:
    """The oldest open batches whose first leaf came at `opened_before` or earlier, locked until they are closed."""
    query = (
        select(OpenBatch)
        .where(OpenBatch.opened_at <= opened_before)
        .order_by(col(OpenBatch.opened_at), col(OpenBatch.job_id), col(OpenBatch.contributor))
        .limit(limit)
        .with_for_update()
    )
    return list(session.exec(query).all())


def assign(session: Session, batch_id: bytes, batch: Batch) -> None:
    """Put the contributions that a batch covers into it."""
    session.connection().execute(_ASSIGN, {**_range(batch), "batch": batch_id})


def release(session: Session, batch_id: bytes) -> None:
    """Make a batch's contributions open again."""
    session.exec(update(Contribution).where(col(Contribution.batch_id) == batch_id).values(batch_id=None))


def drop_signature(session: Session, job_id: int, contributor: str) -> None:
    """Forget a signature that no longer covers what is open; the leaves stay and wait for a new one."""
    session.exec(
        delete(OpenBatch).where(col(OpenBatch.job_id) == job_id, col(OpenBatch.contributor) == contributor),
    )


def _range(batch: Batch) -> dict[str, Any]:
    """Whose numbers, and which of them, a batch covers."""
    return {
        "job": batch.job_id,
        "account": batch.contributor,
        "start": batch.first,
        "end": batch.first + batch.count,
    }
