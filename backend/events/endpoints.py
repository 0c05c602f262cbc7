"""What happens on the chain, as it is indexed: server-sent events that resume where a client left off."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from pydantic import WithJsonSchema

from backend.context import Context
from backend.cursors import CURSOR_PATTERN, parse_cursor
from backend.events.pages import Place
from backend.fields import Address

router = APIRouter(prefix="/v1/events", tags=["events"])
_SILENCE = 10.0  # seconds
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
        newest = await context.events.newest()
        position = newest[:2] if newest else (0, 0)
    return StreamingResponse(
        _events(context, position, account),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(context: Context, position: tuple[int, int], account: Address | None) -> AsyncIterator[str]:
    yield ": connected\n\n"
    spoken_at = time.monotonic()
    looked_at: Place | None = None
    while not context.workers.stopping:
        newest = await context.events.newest()
        if newest != looked_at:
            page = await context.events.after(position, account)
            position = page.end
            if page.text:
                yield page.text
                spoken_at = time.monotonic()
            if not page.is_last:
                continue
            looked_at = newest
        if time.monotonic() - spoken_at > _SILENCE:
            yield ": nothing new\n\n"  # keeps proxies from closing the connection, and notices that the client is gone
            spoken_at = time.monotonic()
        await asyncio.sleep(context.settings.poll_interval)
