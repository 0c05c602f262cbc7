"""All SQL over jobs."""

from sqlmodel import Session, col, select

from backend.indexer.models import Job


def page(session: Session, before: int | None, limit: int, owner: str | None) -> list[Job]:
    """Jobs with ids below `before`, newest first."""
    query = select(Job)
    if before is not None:
        query = query.where(Job.id < before)
    if owner is not None:
        query = query.where(Job.owner == owner)
    return list(session.exec(query.order_by(col(Job.id).desc()).limit(limit)).all())
