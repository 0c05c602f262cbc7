"""Transactions that share a commit: each is answered after it, and none suffers from another."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
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


def note(done: Any, values: Sequence[int]) -> list[int]:
    for value in values:
        if value < 0:
            raise ValueError(f"{value} is refused")
    done.append(list(values))
    return [value * 10 for value in values]


def note_otherwise(done: Any, values: Sequence[int]) -> list[int]:
    done.append(("otherwise", *values))
    return list(values)


@pytest.fixture
def journal() -> Journal:
    return Journal()


async def behind_an_open_transaction(
    journal: Journal, group: GroupCommit, *runs: Coroutine[Any, Any, int]
) -> list["asyncio.Task[int]"]:
    """Runs that come while a transaction over number 0 is being committed."""
    first = asyncio.create_task(group.run(note, 0))
    assert await asyncio.to_thread(journal.is_open.wait, 30)
    others = [asyncio.create_task(run) for run in runs]
    await asyncio.sleep(0)
    assert not first.done()
    return others


def test_work__that_comes_during_a_commit__shares_the_next(journal: Journal) -> None:
    async def scenario() -> list[int]:
        group = GroupCommit(journal.begin)
        works = await behind_an_open_transaction(
            journal, group, group.run(note, 1), group.run(note_otherwise, 5), group.run(note, 2), group.run(note, 3)
        )
        journal.may_end.set()
        return await asyncio.gather(*works)

    assert asyncio.run(scenario()) == [10, 5, 20, 30]
    assert journal.committed == [[[0]], [[1, 2, 3], ("otherwise", 5)]]


def test_work__that_comes_within_the_pause__shares_the_first_commit(journal: Journal) -> None:
    journal.may_end.set()

    async def scenario() -> list[int]:
        group = GroupCommit(journal.begin, pause=0.5)
        return await asyncio.gather(*(group.run(note, value) for value in range(3)))

    assert asyncio.run(scenario()) == [0, 10, 20]
    assert journal.committed == [[[0, 1, 2]]]


def test_work__beside_some_that_fails__is_committed_by_itself(journal: Journal) -> None:
    async def scenario() -> list[int | BaseException]:
        group = GroupCommit(journal.begin)
        works = await behind_an_open_transaction(
            journal, group, group.run(note, 1), group.run(note, -2), group.run(note, 3)
        )
        journal.may_end.set()
        return await asyncio.gather(*works, return_exceptions=True)

    one, failed, three = asyncio.run(scenario())
    assert (one, str(failed), three) == (10, "-2 is refused", 30)
    assert journal.committed == [[[0]], [[1]], [[3]]]


def test_work__that_nobody_waits_for_any_more__is_left_out_and_costs_the_others_nothing(journal: Journal) -> None:
    async def scenario() -> int:
        group = GroupCommit(journal.begin)
        given_up, kept = await behind_an_open_transaction(journal, group, group.run(note, 1), group.run(note, 2))
        given_up.cancel()
        await asyncio.sleep(0)
        journal.may_end.set()
        return await kept

    assert asyncio.run(scenario()) == 20
    assert journal.committed == [[[0]], [[2]]]


def test_work__whose_caller_leaves_during_its_commit__is_committed_and_the_others_are_answered(
    journal: Journal,
) -> None:
    async def scenario() -> int:
        group = GroupCommit(journal.begin, pause=0.2)
        leaving, staying = (asyncio.create_task(group.run(note, value)) for value in (1, 2))
        assert await asyncio.to_thread(journal.is_open.wait, 30)
        leaving.cancel()
        journal.may_end.set()
        return await staying

    assert asyncio.run(scenario()) == 20
    assert journal.committed == [[[1, 2]]]


def test_work__after_a_failure__goes_on(journal: Journal) -> None:
    journal.may_end.set()
    group = GroupCommit(journal.begin)
    with pytest.raises(ValueError, match="refused"):
        asyncio.run(group.run(note, -1))
    assert asyncio.run(group.run(note, 1)) == 10


def test_work__waiting_when_it_closes__is_committed(journal: Journal) -> None:
    journal.may_end.set()

    async def scenario() -> list[int]:
        group = GroupCommit(journal.begin, pause=0.2)
        works = [asyncio.create_task(group.run(note, value)) for value in range(3)]
        await asyncio.sleep(0)
        group.close()
        assert journal.committed == [[[0, 1, 2]]]
        return await asyncio.gather(*works)

    assert asyncio.run(scenario()) == [0, 10, 20]


def test_database__written_to_by_many_at_once__holds_everything(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/backend.db")
    database.migrate()

    def use(session: Session, numbers: Sequence[int]) -> list[bool]:
        return [
            insert_new(session, UsedNonce(account="a", nonce=number.to_bytes(32, "big"), expires_at=1))
            for number in numbers
        ]

    async def use_all() -> list[bool]:
        return await asyncio.gather(*(database.write_together(use, number) for number in [*range(100), *range(100)]))

    used = asyncio.run(use_all())
    assert sum(used) == 100
    with database.read() as session:
        assert len(session.exec(select(UsedNonce)).all()) == 100
    database.close()
