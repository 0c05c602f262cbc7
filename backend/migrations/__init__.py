"""The tables' history, and bringing a database to its newest state."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

_LOCK = 0x4D65726974  # "Merit": PostgreSQL's advisory lock for whoever changes the tables


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to `revision`. Where several processes try at once, the others wait for the first."""
    _run(engine, lambda config: command.upgrade(config, revision))


def downgrade(engine: Engine, revision: str) -> None:
    """Take the tables back to `revision`; "base" removes them all."""
    _run(engine, lambda config: command.downgrade(config, revision))


def _run(engine: Engine, change: Callable[[Config], None]) -> None:
    """In one transaction: on SQLite it holds the write lock from its start, on PostgreSQL an advisory lock."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.execution_options(takes_write_lock=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        change(config)
