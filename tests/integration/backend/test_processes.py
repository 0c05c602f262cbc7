"""Several processes on one PostgreSQL database, as far as they can be told apart by their connections."""

from pathlib import Path

import pytest

from backend.database import Database, Leadership


@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_leadership__is_one_processs_until_it_is_gone(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    leader, follower = Leadership(first), Leadership(second)
    assert leader.is_held()
    assert leader.is_held()
    assert not follower.is_held()
    leader.release()
    assert follower.is_held()
    assert not leader.is_held()
    follower.release()
    first.close()
    second.close()


def test_leadership__on_sqlite__is_the_one_processs(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/backend.db")
    assert Leadership(database).is_held()
    database.close()
