"""Transactions."""

from pathlib import Path

from sqlalchemy import text

from backend.database import Database

FULL, NORMAL = 2, 1


def test_write__on_one_connection__waits_for_the_disk_unless_it_is_told_not_to(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/backend.db")
    for durable in (True, False, True):
        with database.write(durable=durable) as session:
            assert session.execute(text("PRAGMA synchronous")).scalar() == (FULL if durable else NORMAL)
    with database.read() as session:
        assert session.execute(text("PRAGMA synchronous")).scalar() == FULL
    database.close()
