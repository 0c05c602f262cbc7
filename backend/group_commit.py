"""Write transactions that come at the same time, made durable by one commit: under load, a commit is what costs most.

One thread commits: all that has gathered while it was at the last commit.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, TypeVar

from sqlmodel import Session

Result = TypeVar("Result")
_Entry = tuple[Callable[[Session], Any], Future[Any]]


class GroupCommit:
    """`begin` opens a transaction that is committed at the end of its block."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Session]]) -> None:
        self._begin = begin
        self._thread = ThreadPoolExecutor(1, "merit-commit")
        self._lock = Lock()
        self._waiting: list[_Entry] = []

    def submit(self, work: Callable[[Session], Result]) -> Future[Result]:
        """What `work` returns, once it is committed.

        Where work of the group raises, everything is undone and each piece is run again in a transaction of its own: so
        `work` may run twice, and should return the refusals that others can provoke instead of raising them.
        """
        future: Future[Result] = Future()
        with self._lock:
            self._waiting.append((work, future))
            is_first = len(self._waiting) == 1
        if is_first:
            self._thread.submit(self._commit_waiting)
        return future

    def close(self) -> None:
        """Commit what waits, and end."""
        self._thread.shutdown()

    def _commit_waiting(self) -> None:
        with self._lock:
            gathered, self._waiting = self._waiting, []
        # Who does not wait any more cannot change its mind once this has begun.
        self._commit([entry for entry in gathered if entry[1].set_running_or_notify_cancel()])

    def _commit(self, group: list[_Entry]) -> None:
        try:
            with self._begin() as session:
                results = [work(session) for work, _ in group]
        except Exception as error:
            if len(group) > 1:
                for entry in group:
                    self._commit([entry])
                return
            group[0][1].set_exception(error)
        else:
            for (_, future), result in zip(group, results, strict=True):
                future.set_result(result)
