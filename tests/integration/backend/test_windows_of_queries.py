"""Queries and the windows that they belong to, on both engines."""

from collections.abc import Iterator
from threading import Event, Thread

import pytest

from backend.database import Database
from backend.sources import repository
from backend.sources.models import AnsweredQuery, WindowPosition


def query(number: int, window: int) -> AnsweredQuery:
    return AnsweredQuery(digest=bytes([number] * 32), window=window, asker="0x0", asked_at=5, record=b"record")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.migrate()
    with made.write() as session:
        session.merge(WindowPosition(job_id=7, window=2, state=b""))
    yield made
    made.close()


def test_add_to_window__open_or_later__is_kept_as_it_is(database: Database) -> None:
    with database.write(durable=False) as session:
        assert repository.add_to_window(session, 7, query(1, 2))
        assert repository.add_to_window(session, 7, query(2, 3))
        assert not repository.add_to_window(session, 7, query(3, 1))
        assert not repository.add_to_window(session, 8, query(4, 2))
    with database.read() as session:
        assert repository.find(session, bytes([1] * 32)) == query(1, 2)
        assert [repository.count_in(session, window)[0] for window in (1, 2, 3)] == [0, 1, 1]


def test_add_to_window__under_way__delays_the_end_of_the_window(database: Database) -> None:
    """What is read after the window was closed holds every query of it."""
    closed = Event()

    def close() -> None:
        with database.write() as session:
            session.merge(WindowPosition(job_id=7, window=3, state=b""))
        closed.set()

    with database.write(durable=False) as session:
        assert repository.add_to_window(session, 7, query(1, 2))
        closing = Thread(target=close)
        closing.start()
        assert not closed.wait(0.5)
    assert closed.wait(60)
    closing.join()
    with database.read() as session:
        assert repository.count_in(session, 2)[0] == 1
    with database.write() as session:
        assert not repository.add_to_window(session, 7, query(2, 2))
