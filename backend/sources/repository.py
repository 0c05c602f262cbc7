"""Queries and feedback in the database."""

import json

from sqlalchemy import bindparam, func, insert, literal
from sqlmodel import Session, col, select

from backend.sources.models import AnsweredQuery, FalseAnswer, GivenFeedback, WindowPosition
from verifier.retrieval.records import Feedback, QueryRecord

_COLUMNS = AnsweredQuery.__table__.columns  # type: ignore[attr-defined]
# Made once: to put it together takes as long as to run it. PostgreSQL holds the position until the transaction ends.
_ADD = (
    insert(AnsweredQuery)
    .from_select(
        _COLUMNS.keys(),
        select(*(bindparam(column.name, type_=column.type) for column in _COLUMNS))
        .where(col(WindowPosition.job_id) == bindparam("job_id"), col(WindowPosition.window) <= bindparam("window"))
        .with_for_update(read=True),
    )
    .returning(literal(1))
)


def find(session: Session, digest: bytes) -> AnsweredQuery | None:
    """A query by its digest."""
    return session.get(AnsweredQuery, digest)


def records_from(session: Session, window: int) -> list[tuple[int, QueryRecord]]:
    """The queries of a window and of later ones, with the first judge's feedback on each, in the order of asking."""
    queries = session.exec(
        select(AnsweredQuery)
        .where(col(AnsweredQuery.window) >= window)
        .order_by(col(AnsweredQuery.window), col(AnsweredQuery.asked_at), col(AnsweredQuery.digest))
    ).all()
    judged = session.exec(
        select(GivenFeedback)
        .join(AnsweredQuery, col(AnsweredQuery.digest) == col(GivenFeedback.query))
        .where(col(GivenFeedback.judge), col(AnsweredQuery.window) >= window)
        .order_by(col(GivenFeedback.account).desc())
    ).all()
    feedback = {given.query: Feedback.from_json(json.loads(given.feedback)) for given in judged}
    return [(query.window, _record(query, feedback.get(query.digest))) for query in queries]


def count_in(session: Session, window: int) -> tuple[int, int | None]:
    """How many queries a window has, and when the first was asked."""
    found = session.exec(
        select(func.count(), func.min(AnsweredQuery.asked_at)).where(col(AnsweredQuery.window) == window)
    ).one()
    return found[0], found[1]


def judged_from(session: Session, window: int) -> int:
    """How many pieces of judges' feedback there are on queries of a window and of later ones."""
    return session.exec(
        select(func.count())
        .select_from(GivenFeedback)
        .join(AnsweredQuery, col(AnsweredQuery.digest) == col(GivenFeedback.query))
        .where(col(GivenFeedback.judge), col(AnsweredQuery.window) >= window)
    ).one()


def position(session: Session, job_id: int) -> WindowPosition | None:
    """Where a job's windows stand; None before the first look."""
    return session.get(WindowPosition, job_id)


def add_to_window(session: Session, job_id: int, row: AnsweredQuery) -> bool:
    """Insert a query unless its window is closed, which cannot be before the transaction ends; whether it was.

    One statement, since every query waits for it.
    """
    return session.connection().execute(_ADD, {**row.model_dump(), "job_id": job_id}).first() is not None


def false_answers(session: Session, limit: int) -> list[FalseAnswer]:
    """Some of those that wait to be slashed."""
    return list(session.exec(select(FalseAnswer).limit(limit)))


def latest_feedback(session: Session, limit: int) -> list[tuple[str, QueryRecord, Feedback]]:
    """Who said what about which answer, on the `limit` queries that were asked last of those anything was said on."""
    rows = session.exec(
        select(AnsweredQuery, GivenFeedback)
        .where(col(GivenFeedback.query) == col(AnsweredQuery.digest))
        .order_by(col(AnsweredQuery.asked_at).desc())
        .limit(limit)
    ).all()
    return [
        (given.account, _record(query, None), Feedback.from_json(json.loads(given.feedback))) for query, given in rows
    ]


def _record(query: AnsweredQuery, feedback: Feedback | None) -> QueryRecord:
    record = QueryRecord.from_block(query.record)
    return QueryRecord(record.asked, record.answers, record.shown, feedback)
