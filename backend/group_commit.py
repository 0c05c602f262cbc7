"""Write transactions that come at the same time, made durable by one commit: under load, a commit is what costs most.

There is no thread for it. Whoever comes while nothing is being committed leads: it commits what has gathered, wakes
those whose work that was, and lets the first of those who came meanwhile lead next.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, TypeVar

from sqlmodel import Session

Result = TypeVar("Result")


@dataclass(eq=False)
class _Entry:
    """One piece of work; `woken` when it is done, or when its thread is to lead."""

    work: Callable[[Session], Any]
    woken: Event = field(default_factory=Event)
    is_done: bool = False
    result: Any = None
    error: Exception | None = None


class GroupCommit:
    """`begin` opens a transaction that is committed at the end of its block."""

    def __init__(self, begin: Callable[[], AbstractContextManager[Session]]) -> None:
        self._begin = begin
        self._lock = Lock()
        self._is_led = False
        self._waiting: list[_Entry] = []

    def run(self, work: Callable[[Session], Result]) -> Result:
        """What `work` returns, once it is committed.

        Where work of the group raises, everything is undone and each piece is run again in a transaction of its own: so
        `work` may run twice, and should return the refusals that others can provoke instead of raising them.
        """
        entry = _Entry(work)
        with self._lock:
            self._waiting.append(entry)
            leads, self._is_led = not self._is_led, True
        if not leads:
            entry.woken.wait()
        if not entry.is_done:
            self._lead()
        if entry.error is not None:
            raise entry.error
        result: Result = entry.result
        return result

    def _lead(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
        self._commit(group)
        for entry in group:
            entry.woken.set()
        with self._lock:
            if self._waiting:
                self._waiting[0].woken.set()
            else:
                self._is_led = False

    def _commit(self, group: list[_Entry]) -> None:
        try:
            with self._begin() as session:
                results = [entry.work(session) for entry in group]
        except Exception as error:
            if len(group) > 1:
                for entry in group:
                    self._commit([entry])
                return
            group[0].error, group[0].is_done = error, True
        else:
            for entry, entry.result in zip(group, results, strict=True):
                entry.is_done = True
