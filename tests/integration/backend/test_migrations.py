"""The tables' history on both engines, and databases that do not answer."""

import time

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlmodel import SQLModel

from backend.app import create_app
from backend.database import Database
from backend.local_postgres import create_database
from backend.migrations import downgrade, upgrade
from chain.settings import InvalidSettingError

assert create_app  # importing the application registers all tables


def test_migrations__up__give_the_tables_of_the_models(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database.engine)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    database.close()


def test_migrations__down_and_up_again__leave_nothing_behind(database_url: str) -> None:
    database = Database(database_url)
    upgrade(database.engine)
    downgrade(database.engine, "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    upgrade(database.engine)
    upgrade(database.engine)  # nothing is left to do
    assert "contributions" in inspect(database.engine).get_table_names()
    database.close()


def test_database__that_does_not_answer__is_refused_in_one_sentence(tmp_path: object) -> None:
    database = Database(f"postgresql://merit:hunter2@/merit?host={tmp_path}")
    with pytest.raises(InvalidSettingError, match=r"cannot be used; is it running") as refusal:
        database.migrate()
    assert "hunter2" not in str(refusal.value)
    database.close()


@pytest.mark.postgresql
def test_database__whose_server_closed_the_connections__opens_others(postgres: str) -> None:
    database = Database(create_database(postgres, "closed_connections"))
    question = text("SELECT 1")

    def ask() -> int:
        with database.view() as connection, database.read() as session:
            return int(connection.execute(question).scalar_one() + session.connection().execute(question).scalar_one())

    assert ask() == 2
    others = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    other = Database(str(database.engine.url))
    with other.view() as connection:
        assert len(connection.execute(others).all()) >= 2
    time.sleep(1.1)
    assert ask() == 2
    for one in (other, database):
        one.close()
