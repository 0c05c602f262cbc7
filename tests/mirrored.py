"""What a database holds of the chain, to compare one index with another."""

from typing import Any

from sqlmodel import select

from backend.database import Database
from backend.indexer.models import ChainEvent, EventSubject, Job, RecordedBatch


def tables(database: Database) -> dict[str, list[Any]]:
    """Everything that mirrors the chain, in a fixed order."""
    with database.read() as session:
        return {
            table.__name__: sorted(repr(sorted(row.model_dump().items())) for row in session.exec(select(table)).all())
            for table in (ChainEvent, EventSubject, Job, RecordedBatch)
        }
