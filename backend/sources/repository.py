"""Queries and feedback in the database."""

import json

from sqlalchemy import func
from sqlmodel import Session, col, select

from backend.sources.models import AnsweredQuery, GivenFeedback
from verifier.retrieval.records import Feedback, QueryRecord


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
