"""Transactions that share a commit: each is answered after it, and none suffers from another."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlmodel import Session, select

from backend.database import Database, insert_new
from backend.group_commit import GroupCommit
from backend.identity.models import UsedNonce


class Journal:
    """Transactions that note what was done in them, the first of which waits until it may end."""

    def __init__(self) -> None:
        self.committed: list[list[Any]] = []
        self.is_open, self.may_end = Event(), Event()

    @contextmanager
    def begin(self) -> Iterator[Any]:
        done: list[Any] = []
        yield done
        self.is_open.set()
        assert self.may_end.wait(30)
        self.committed.append(done)


def note(value: int) -> Callable[[Any], int]:
    def work(done: Any) -> int:
        if value < 0:
            raise ValueError(f"{value} is refused")
        done.append(value)
        return value

    return work


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def run_behind_an_open_transaction(journal: Journal, pool: ThreadPoolExecutor, values: list[int]) -> list[Any]:
    """Results, or the exceptions, of work that comes while a transaction over work number 0 is being committed."""
    group = GroupCommit(journal.begin)
    first = pool.submit(group.run, note(0))
    assert journal.is_open.wait(30)
    others = [pool.submit(group.run, note(value)) for value in values]
    while len(group._waiting) < len(values):
        assert not first.done()
    journal.may_end.set()
    assert first.result(30) == 0
    return [other.exception(30) or other.result() for other in others]


def test_work__that_comes_during_a_commit__shares_the_next(journal: Journal, pool: ThreadPoolExecutor) -> None:
    assert run_behind_an_open_transaction(journal, pool, [1, 2, 3, 4]) == [1, 2, 3, 4]
    assert [sorted(done) for done in journal.committed] == [[0], [1, 2, 3, 4]]


def test_work__beside_some_that_fails__is_committed_by_itself(journal: Journal, pool: ThreadPoolExecutor) -> None:
    one, failed, three = run_behind_an_open_transaction(journal, pool, [1, -2, 3])
    assert (one, str(failed), three) == (1, "-2 is refused", 3)
    assert sorted(journal.committed) == [[0], [1], [3]]


def test_work__after_a_failure__goes_on(journal: Journal) -> None:
    journal.may_end.set()
    group = GroupCommit(journal.begin)
    with pytest.raises(ValueError, match="refused"):
        group.run(note(-1))
    assert group.run(note(1)) == 1


def test_database__written_to_by_many_at_once__holds_everything(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    database = Database(f"sqlite:///{tmp_path}/backend.db")
    database.migrate()

    def use(number: int) -> bool:
        def work(session: Session) -> bool:
            return insert_new(session, UsedNonce(account="a", nonce=number.to_bytes(32, "big"), expires_at=1))

        return database.write_together(work)

    used = list(pool.map(use, [*range(100), *range(100)]))
    assert sum(used) == 100
    with database.read() as session:
        assert len(session.exec(select(UsedNonce)).all()) == 100
    database.close()
