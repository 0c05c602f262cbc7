"""The newest indexed event, looked up once for all event streams: those that wait cost the database nothing."""

import asyncio
import time

from fastapi.concurrency import run_in_threadpool

from backend.database import Database
from backend.indexer import repository as index

Place = tuple[int, int, bytes]  # block, log index, and the block's hash, by which a reorganisation is noticed


class NewestEvent:
    """One per process. `interval`: seconds for which an answer is good enough."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        self._interval = interval
        self._lock = asyncio.Lock()
        self._known: tuple[float, Place | None] | None = None

    async def place(self) -> Place | None:
        """Where it is; None while nothing is indexed."""
        async with self._lock:
            if self._known is None or time.monotonic() - self._known[0] >= self._interval:
                self._known = (time.monotonic(), await run_in_threadpool(self._read))
            return self._known[1]

    def _read(self) -> Place | None:
        with self._database.read() as session:
            newest = index.newest_event(session)
        return (newest.block_number, newest.log_index, newest.block_hash) if newest else None
