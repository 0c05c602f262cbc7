"""Write transactions that come at the same time, made durable by one commit: under load, a commit is what costs most.

One thread commits: all that has gathered while it was at the last commit, and in a moment's pause before this one.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

from sqlmodel import Session

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Session, Sequence[Item]], Sequence[Result]]

_PAUSE = 0.008  # seconds, about as long as a commit to a disk takes


@dataclass(eq=False)
class _Entry:
    """One item, who waits for it, and what came of it."""

    work: Work[Any, Any]
    item: Any
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def answer(self) -> None:
        """Within the event loop of whoever waits."""
        if self.future.done():  # it does not wait any more
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class GroupCommit:
    """`begin` opens a transaction that is committed at the end of its block; `pause` in seconds."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Session]], pause: float = _PAUSE) -> None:
        self._begin = begin
        self._pause = pause
        self._thread = ThreadPoolExecutor(1, "merit-commit")
        self._lock = Lock()
        self._waiting: list[_Entry] = []

    async def run(self, work: Work[Item, Result], item: Item) -> Result:
        """What `work` returns for `item`, once it is committed.

        `work` is given the items of all that came for it, and returns one result for each, in order. Where anything of
        the group raises, everything is undone and each item is worked on again in a transaction of its own: so `work`
        may run twice, and should return the refusals that others can provoke instead of raising them.
        """
        entry = _Entry(work, item, asyncio.get_running_loop().create_future())
        with self._lock:
            self._waiting.append(entry)
            is_first = len(self._waiting) == 1
        if is_first:
            self._thread.submit(self._commit_waiting)
        result: Result = await entry.future
        return result

    def close(self) -> None:
        """Commit what waits, and end."""
        self._thread.shutdown()

    def _commit_waiting(self) -> None:
        time.sleep(self._pause)
        with self._lock:
            gathered, self._waiting = self._waiting, []
        group = [entry for entry in gathered if not entry.future.cancelled()]
        self._commit(group)
        answered: dict[asyncio.AbstractEventLoop, list[_Entry]] = defaultdict(list)
        for entry in group:
            answered[entry.future.get_loop()].append(entry)
        for loop, entries in answered.items():
            with suppress(RuntimeError):  # closed: nobody is left there
                loop.call_soon_threadsafe(_answer_all, entries)

    def _commit(self, group: list[_Entry]) -> None:
        by_work: dict[Work[Any, Any], list[_Entry]] = defaultdict(list)
        for entry in group:
            by_work[entry.work].append(entry)
        try:
            with self._begin() as session:
                for work, entries in by_work.items():
                    results = work(session, [entry.item for entry in entries])
                    for entry, result in zip(entries, results, strict=True):
                        entry.result = result
        except Exception as error:
            if len(group) > 1:
                for entry in group:
                    self._commit([entry])
                return
            group[0].error = error


def _answer_all(entries: list[_Entry]) -> None:
    for entry in entries:
        entry.answer()
