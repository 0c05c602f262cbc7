"""Transactions that share a commit: each is answered after it, and none suffers from another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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


def submit_behind_an_open_transaction(journal: Journal, *values: int) -> list[Future[int]]:
    """Work that comes while a transaction over work number 0 is being committed."""
    group = GroupCommit(journal.begin)
    first = group.submit(note(0))
    assert journal.is_open.wait(30)
    others = [group.submit(note(value)) for value in values]
    assert not first.done()
    return others


def test_work__that_comes_during_a_commit__shares_the_next(journal: Journal) -> None:
    works = submit_behind_an_open_transaction(journal, 1, 2, 3, 4)
    journal.may_end.set()
    assert [work.result(30) for work in works] == [1, 2, 3, 4]
    assert journal.committed == [[0], [1, 2, 3, 4]]


def test_work__beside_some_that_fails__is_committed_by_itself(journal: Journal) -> None:
    one, failing, three = submit_behind_an_open_transaction(journal, 1, -2, 3)
    journal.may_end.set()
    assert (one.result(30), str(failing.exception(30)), three.result(30)) == (1, "-2 is refused", 3)
    assert journal.committed == [[0], [1], [3]]


def test_work__that_nobody_waits_for_any_more__is_left_out_and_costs_the_others_nothing(journal: Journal) -> None:
    given_up, kept = submit_behind_an_open_transaction(journal, 1, 2)
    assert given_up.cancel()
    journal.may_end.set()
    assert kept.result(30) == 2
    assert journal.committed == [[0], [2]]


def test_work__after_a_failure__goes_on(journal: Journal) -> None:
    journal.may_end.set()
    group = GroupCommit(journal.begin)
    with pytest.raises(ValueError, match="refused"):
        group.submit(note(-1)).result(30)
    assert group.submit(note(1)).result(30) == 1


def test_work__waiting_when_it_closes__is_committed(journal: Journal) -> None:
    group = GroupCommit(journal.begin)
    works = [group.submit(note(value)) for value in range(3)]
    journal.may_end.set()
    group.close()
    assert [work.result(0) for work in works] == [0, 1, 2]


def test_database__written_to_by_many_at_once__holds_everything(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/backend.db")
    database.migrate()

    def use(number: int) -> bool:
        def work(session: Session) -> bool:
            return insert_new(session, UsedNonce(account="a", nonce=number.to_bytes(32, "big"), expires_at=1))

        return database.write_together(work).result()

    with ThreadPoolExecutor(8) as pool:
        used = list(pool.map(use, [*range(100), *range(100)]))
    assert sum(used) == 100
    with database.read() as session:
        assert len(session.exec(select(UsedNonce)).all()) == 100
    database.close()
