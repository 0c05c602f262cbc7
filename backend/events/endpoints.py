"""What happens on the chain, as it is indexed: server-sent events that resume where a client left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema

from backend.batches.endpoints import event_document
from backend.context import Context
from backend.cursors import CURSOR_PATTERN, cursor_at, parse_cursor
from backend.events.newest import Place
from backend.fields import Address
from backend.indexer import repository as index
from backend.indexer.models import ChainEvent

router = APIRouter(prefix="/v1/events", tags=["events"])
_PAGE = 200
_POSITION = WithJsonSchema({"type": "string", "pattern": CURSOR_PATTERN})  # a header is never null
_STREAM = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}


@router.get("", response_class=StreamingResponse, responses={200: _STREAM})
async def stream_events(
    context: Context,
    last_event_id: Annotated[str | None, Header(pattern=CURSOR_PATTERN), _POSITION] = None,
    account: Annotated[Address | None, Query(description="only events that name it")] = None,
) -> StreamingResponse:
    """Events of all contracts from now on, or from behind `Last-Event-ID`.

    An event's id is its place on the chain. After a reorganisation, ids may come again with other events.
    """
    position = parse_cursor(last_event_id)
    if position is None:
        position = await run_in_threadpool(_newest, context)
    return StreamingResponse(
        _events(context, position, account),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(context: Context, position: tuple[int, int], account: Address | None) -> AsyncIterator[str]:
    yield ": connected\n\n"
    interval = context.settings.poll_interval
    looked_at: Place | None = None
    while not context.workers.stopping:
        newest = await context.newest_event.place()
        rows = await run_in_threadpool(_after, context, position, account) if newest != looked_at else []
        if len(rows) < _PAGE:
            looked_at = newest
        for row in rows:
            position = (row.block_number, row.log_index)
            yield _message(row)
        if not rows:
            yield ": nothing new\n\n"  # keeps proxies from closing the connection, and notices that the client is gone
        if len(rows) < _PAGE:
            await asyncio.sleep(interval)


def _newest(context: Context) -> tuple[int, int]:
    with context.database.read() as session:
        newest = index.newest_event(session)
    return (newest.block_number, newest.log_index) if newest else (0, 0)


def _after(context: Context, position: tuple[int, int], account: Address | None) -> list[ChainEvent]:
    with context.database.read() as session:
        return index.events_after(session, position, account, _PAGE)


def _message(row: ChainEvent) -> str:
    data = json.dumps(event_document(row).model_dump(mode="json"), separators=(",", ":"))
    return f"id: {cursor_at(row.block_number, row.log_index)}\nevent: {row.name}\ndata: {data}\n\n"
