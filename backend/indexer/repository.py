"""All SQL over the tables that mirror the chain."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, delete, or_
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from backend.fields import hex_of
from backend.indexer.folds import fold_batch, fold_job, subjects_of
from backend.indexer.models import ChainEvent, EventSubject, IndexedBlock, Job, RecordedBatch

_BATCH_EVENTS = "AuditCourt"
_BATCH_SUBJECT = 66  # digits of a batch id with its 0x
_JOB_EVENTS = ("JobOpened", "JobClosed")


def last_block(session: Session) -> IndexedBlock | None:
    """The highest block that was read."""
    return session.exec(select(IndexedBlock).order_by(col(IndexedBlock.number).desc()).limit(1)).first()


def block_before(session: Session, number: int) -> IndexedBlock | None:
    """The highest block below `number` whose hash is known."""
    query = select(IndexedBlock).where(IndexedBlock.number < number).order_by(col(IndexedBlock.number).desc()).limit(1)
    return session.exec(query).first()


def add_events(session: Session, events: Sequence[ChainEvent]) -> None:
    """Store events and fold what they are about."""
    touched: set[str] = set()
    for event in events:
        session.add(event)
        about = subjects_of(event)
        touched |= about
        session.add_all(
            EventSubject(subject=subject, block_number=event.block_number, log_index=event.log_index)
            for subject in about
        )
    session.flush()
    refold(session, touched)


def remove_above(session: Session, number: int) -> list[bytes]:
    """Forget all blocks above `number` and their events, and fold anew what those were about.

    Returns the batches that are no longer recorded.
    """
    touched = set(session.exec(select(EventSubject.subject).where(EventSubject.block_number > number)).all())
    session.exec(delete(EventSubject).where(col(EventSubject.block_number) > number))
    session.exec(delete(ChainEvent).where(col(ChainEvent.block_number) > number))
    session.exec(delete(IndexedBlock).where(col(IndexedBlock.number) > number))
    refold(session, touched)
    batches = [bytes.fromhex(subject[2:]) for subject in touched if len(subject) == _BATCH_SUBJECT]
    return [batch for batch in batches if session.get(RecordedBatch, batch) is None]


def refold(session: Session, subjects: Iterable[str]) -> None:
    """Bring the rows of these subjects to what their events say."""
    for subject in sorted(subjects):
        if len(subject) == _BATCH_SUBJECT:
            batch_id = bytes.fromhex(subject[2:])
            _replace(session, RecordedBatch, batch_id, fold_batch(batch_events(session.connection(), batch_id)))
        elif not subject.startswith("0x"):
            _replace(session, Job, int(subject), fold_job(_job_events(session, subject)))
    session.flush()


def events_about(session: Session, subject: str) -> list[ChainEvent]:
    """All events about one subject, in chain order."""
    return list(session.exec(_about(subject)).all())


def batch_events(connection: Connection, batch_id: bytes) -> Sequence[Row[Any]]:
    """The court's events about one batch, in chain order: rows with the columns of `ChainEvent`."""
    return connection.execute(_OF_BATCH, {"subject": hex_of(batch_id)}).all()


def history(session: Session, subject: str, before: tuple[int, int] | None, limit: int) -> list[ChainEvent]:
    """Events about one subject, newest first, that come after the position `before` in that order."""
    query = _about(subject)
    if before is not None:
        block, index = before
        query = query.where(
            or_(
                col(ChainEvent.block_number) < block,
                and_(col(ChainEvent.block_number) == block, col(ChainEvent.log_index) < index),
            )
        )
    newest_first = query.order_by(None).order_by(col(ChainEvent.block_number).desc(), col(ChainEvent.log_index).desc())
    return list(session.exec(newest_first.limit(limit)).all())


def events_named(session: Session, name: str, up_to_block: int | None = None) -> list[ChainEvent]:
    """All events of one name, in chain order."""
    query = select(ChainEvent).where(ChainEvent.name == name)
    if up_to_block is not None:
        query = query.where(ChainEvent.block_number <= up_to_block)
    return list(session.exec(query.order_by(col(ChainEvent.block_number), col(ChainEvent.log_index))).all())


def newest_event(session: Session) -> ChainEvent | None:
    """The last event on the chain."""
    newest_first = (col(ChainEvent.block_number).desc(), col(ChainEvent.log_index).desc())
    return session.exec(select(ChainEvent).order_by(*newest_first).limit(1)).first()


def events_after(session: Session, position: tuple[int, int], subject: str | None, limit: int) -> list[ChainEvent]:
    """Events behind a position, of one subject or of all, in chain order."""
    block, index = position
    query = _about(subject) if subject is not None else _all()
    query = query.where(
        or_(
            col(ChainEvent.block_number) > block,
            and_(col(ChainEvent.block_number) == block, col(ChainEvent.log_index) > index),
        )
    )
    return list(session.exec(query.limit(limit)).all())


def _all() -> SelectOfScalar[ChainEvent]:
    return select(ChainEvent).order_by(col(ChainEvent.block_number), col(ChainEvent.log_index))


def _about(subject: str | BindParameter[str]) -> SelectOfScalar[ChainEvent]:
    return (
        _all()
        .join(
            EventSubject,
            (col(EventSubject.block_number) == ChainEvent.block_number)
            & (col(EventSubject.log_index) == ChainEvent.log_index),
        )
        .where(col(EventSubject.subject) == subject)
    )


def _job_events(session: Session, job_id: str) -> list[ChainEvent]:
    return list(session.exec(_about(job_id).where(col(ChainEvent.name).in_(_JOB_EVENTS))).all())


def _replace(session: Session, table: type[Job] | type[RecordedBatch], key: int | bytes, row: object | None) -> None:
    if row is not None:
        session.merge(row)
        return
    existing = session.get(table, key)
    if existing is not None:
        session.delete(existing)


# Asked for with every contribution and every batch that is folded: built once.
_OF_BATCH = _about(bindparam("subject")).where(col(ChainEvent.contract) == _BATCH_EVENTS)
