"""Indexed events, read once for all event streams: two hundred that wait for the same cost as much as one."""

import asyncio
import json
import time
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from backend.cursors import cursor_at
from backend.database import Database
from backend.events.schemas import event_document
from backend.indexer import repository as index
from backend.indexer.models import ChainEvent

Place = tuple[int, int, bytes]  # block, log index, and the block's hash, by which a reorganisation is noticed
_EVENTS = 200


@dataclass(frozen=True)
class Page:
    """The next events behind a position, as streams send them; `is_last` where there are no more."""

    text: str
    end: tuple[int, int]
    is_last: bool


class EventPages:
    """One per process. `interval`: seconds for which an answer is good enough."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        self._interval = interval
        self._lock = asyncio.Lock()
        self._looked_at = float("-inf")
        self._newest: Place | None = None
        self._pages: dict[tuple[tuple[int, int], str | None], asyncio.Task[Page]] = {}

    async def newest(self) -> Place | None:
        """Where the newest event is; None while nothing is indexed."""
        async with self._lock:
            if time.monotonic() - self._looked_at >= self._interval:
                newest = await run_in_threadpool(self._read_newest)
                if newest != self._newest:
                    self._newest = newest
                    self._pages.clear()
                self._looked_at = time.monotonic()
            return self._newest

    async def after(self, position: tuple[int, int], subject: str | None) -> Page:
        """Events behind a position, of one subject or of all, at least as new as `newest` said last."""
        key = (position, subject)
        page = self._pages.get(key)
        if page is None:
            page = self._pages[key] = asyncio.create_task(run_in_threadpool(self._read, position, subject))
            page.add_done_callback(lambda read: self._forget_failed(key, read))
        return await asyncio.shield(page)  # a client that leaves does not end what others wait for

    def _forget_failed(self, key: tuple[tuple[int, int], str | None], read: "asyncio.Task[Page]") -> None:
        if (read.cancelled() or read.exception() is not None) and self._pages.get(key) is read:
            del self._pages[key]

    def _read_newest(self) -> Place | None:
        with self._database.read() as session:
            newest = index.newest_event(session)
        return (newest.block_number, newest.log_index, newest.block_hash) if newest else None

    def _read(self, position: tuple[int, int], subject: str | None) -> Page:
        with self._database.read() as session:
            rows = index.events_after(session, position, subject, _EVENTS)
        end = (rows[-1].block_number, rows[-1].log_index) if rows else position
        return Page("".join(map(_message, rows)), end, len(rows) < _EVENTS)


def _message(row: ChainEvent) -> str:
    data = json.dumps(event_document(row).model_dump(mode="json"), separators=(",", ":"))
    return f"id: {cursor_at(row.block_number, row.log_index)}\nevent: {row.name}\ndata: {data}\n\n"
