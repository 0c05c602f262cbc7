"""All SQL over closed batches, ours and the chain's."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, or_, update
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
    connection: Connection,
    *,
    before: tuple[int, int] | None,
    limit: int,
    job_id: int | None = None,
    contributor: str | None = None,
    phase: str | None = None,
) -> Sequence[Row[Any]]:
    """Rows of recorded batches, newest first, that come after the position `before` in that order."""
    wanted = {"job_id": job_id, "contributor": contributor, "phase": phase}
    filters = {name: value for name, value in wanted.items() if value is not None}
    block, index = before or (None, None)
    statement = _page_of(frozenset(filters), before is not None)
    return connection.execute(statement, {**filters, "block": block, "index": index, "limit": limit}).all()


@cache
def _page_of(filters: frozenset[str], is_continued: bool) -> Select[Any]:
    """Built once for each set of filters: that takes longer than the database takes to answer."""
    query = select(RecordedBatch).where(*(getattr(RecordedBatch, name) == bindparam(name) for name in filters))
    block, index = col(RecordedBatch.recorded_block), col(RecordedBatch.log_index)
    if is_continued:
        query = query.where(
            or_(block < bindparam("block"), and_(block == bindparam("block"), index < bindparam("index")))
        )
    return query.order_by(block.desc(), index.desc()).limit(bindparam("limit"))
