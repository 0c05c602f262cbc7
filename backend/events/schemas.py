"""How an event of the chain looks in answers."""

from typing import Any

from sqlalchemy import Row

from backend.fields import Document, Hash
from backend.indexer.models import ChainEvent


class EventDocument(Document):
    """An event of the contracts; `args` as JSON, integers beyond 2^53 as digits."""

    contract: str
    name: str
    args: dict[str, Any]
    block: int
    transaction: Hash
    log_index: int


def event_document(event: ChainEvent | Row[Any]) -> EventDocument:
    """An event as the API shows it."""
    return EventDocument(
        contract=event.contract,
        name=event.name,
        args=event.args,
        block=event.block_number,
        transaction=event.transaction_hash,
        log_index=event.log_index,
    )
