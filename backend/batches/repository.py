"""All SQL over closed batches, ours and the chain's."""

from sqlalchemy import and_, or_, update
from sqlmodel import Session, col, select

from backend.batches.models import OutgoingBatch
from backend.indexer.models import RecordedBatch


def outgoing(session: Session, batch_id: bytes) -> OutgoingBatch | None:
    """A batch that was closed here."""
    return session.get(OutgoingBatch, batch_id)


def recorded(session: Session, batch_id: bytes) -> RecordedBatch | None:
    """A batch on the chain."""
    return session.get(RecordedBatch, batch_id)


def unrecorded(session: Session, limit: int) -> list[OutgoingBatch]:
    """Closed batches that the chain does not hold yet, oldest first; a contributor's own ones in their order."""
    query = (
        select(OutgoingBatch)
        .where(col(OutgoingBatch.recorded_block).is_(None), col(OutgoingBatch.refusal).is_(None))
        .order_by(col(OutgoingBatch.closed_at), col(OutgoingBatch.first))
        .limit(limit)
    )
    return list(session.exec(query).all())


def later(session: Session, batch: OutgoingBatch) -> list[OutgoingBatch]:
    """Unrecorded batches of the same job and contributor that come after `batch`."""
    query = select(OutgoingBatch).where(
        OutgoingBatch.job_id == batch.job_id,
        OutgoingBatch.contributor == batch.contributor,
        OutgoingBatch.first > batch.first,
        col(OutgoingBatch.recorded_block).is_(None),
        col(OutgoingBatch.refusal).is_(None),
    )
    return list(session.exec(query).all())


def refused_over(session: Session, job_id: int, contributor: str, sequence: int) -> OutgoingBatch | None:
    """The latest refused batch that held a leaf of this number."""
    query = (
        select(OutgoingBatch)
        .where(
            OutgoingBatch.job_id == job_id,
            OutgoingBatch.contributor == contributor,
            OutgoingBatch.first <= sequence,
            OutgoingBatch.first + OutgoingBatch.count > sequence,
            col(OutgoingBatch.refusal).is_not(None),
        )
        .order_by(col(OutgoingBatch.closed_at).desc())
        .limit(1)
    )
    return session.exec(query).first()


def mark_recorded(session: Session, batch: RecordedBatch) -> bool:
    """Note that the chain holds a batch; False where it was not closed here."""
    row = session.get(OutgoingBatch, batch.id)
    if row is None:
        return False
    row.recorded_block, row.refusal = batch.recorded_block, None
    session.flush()
    return True


def unmark_recorded_above(session: Session, block: int) -> None:
    """Note that the chain no longer holds what was recorded above `block`."""
    session.exec(update(OutgoingBatch).where(col(OutgoingBatch.recorded_block) > block).values(recorded_block=None))


def due_for_keeping(session: Session, block: int, now: int, limit: int) -> list[RecordedBatch]:
    """Batches that wait for nothing but a call: their seed block has come, or a deadline has passed."""
    query = (
        select(RecordedBatch)
        .where(
            or_(
                and_(col(RecordedBatch.phase) == "recorded", col(RecordedBatch.seed_block) < block),
                col(RecordedBatch.phase) == "tally",
                and_(col(RecordedBatch.phase) != "settled", col(RecordedBatch.phase_deadline) <= now),
            )
        )
        .order_by(col(RecordedBatch.recorded_block), col(RecordedBatch.log_index))
        .limit(limit)
    )
    return list(session.exec(query).all())


def page(
    session: Session,
    *,
    before: tuple[int, int] | None,
    limit: int,
    job_id: int | None = None,
    contributor: str | None = None,
    phase: str | None = None,
) -> list[RecordedBatch]:
    """Recorded batches, newest first, that come after the position `before` in that order."""
    query = select(RecordedBatch)
    if job_id is not None:
        query = query.where(RecordedBatch.job_id == job_id)
    if contributor is not None:
        query = query.where(RecordedBatch.contributor == contributor)
    if phase is not None:
        query = query.where(RecordedBatch.phase == phase)
    if before is not None:
        block, index = before
        query = query.where(
            or_(
                col(RecordedBatch.recorded_block) < block,
                and_(col(RecordedBatch.recorded_block) == block, col(RecordedBatch.log_index) < index),
            )
        )
    query = query.order_by(col(RecordedBatch.recorded_block).desc(), col(RecordedBatch.log_index).desc())
    return list(session.exec(query.limit(limit)).all())
